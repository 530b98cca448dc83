"""A limit of the iteration: its angle, stability, rate and sampling error, in NumPy."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float


__all__ = ["Limit"]


@dataclasses.dataclass(frozen=True, eq=False)
class Limit:
    r"""A limit :math:`\kappa w = \gamma \hat w^* + \beta u(w)`, :math:`|w| = 1`, of the iteration.

    Attributes:
      w: the filter.
      u: its thresholded copy.
      w_star: the true filter, of norm 1.
      kappa: :math:`\kappa`.
      gamma: what pulls towards the true filter: :math:`c` for ``"relu"`` and ``"identity"``, for
        the others a number that depends on the angle.
      beta: the coupling.
      slope: the derivative of the prox in each entry.
      objective: :func:`lyapunov` there, with :math:`\gamma` for :math:`c`.
      bound: an upper bound of the sine of the angle, from the penalty and the numbers of entries;
        infinite if :math:`\kappa \le \beta`, for which none is known.
      noise: the variance of the coarse gradient of one input in a direction off the plane of the
        filters, over :math:`\gamma^2 \theta`; not a number where it is not known.
    """

    w: Float[np.ndarray, "d"]
    u: Float[np.ndarray, "d"]
    w_star: Float[np.ndarray, "d"]
    kappa: float
    gamma: float
    beta: float
    slope: Float[np.ndarray, "d"]
    objective: float
    bound: float
    noise: float

    @property
    def support(self) -> Bool[np.ndarray, "d"]:
        """True where the copy is not zero."""
        return self.u != 0

    @property
    def theta(self) -> float:
        """The angle to the true filter."""
        apart, together = (np.linalg.norm(v) for v in (self.w - self.w_star, self.w + self.w_star))
        return float(2.0 * np.arctan2(apart, together))

    @property
    def _curvature(self) -> Float[np.ndarray, "d"]:
        return self.kappa - self.beta * self.slope

    @property
    def stable(self) -> bool:
        r"""True if short steps lead back: :math:`\kappa - \beta u'` is positive across :math:`w`.

        On the tangent space, that is; one entry may be negative. For ``"clipped"`` and
        ``"sigmoid"`` with :math:`\gamma` held.
        """
        curvature = self._curvature
        low = np.sum(curvature <= 1e-12 * abs(self.kappa))
        if low == 0:
            return True
        if low > 1:
            return False
        lowest = np.argmin(curvature)
        rest = np.delete(self.w, lowest) ** 2 / np.delete(curvature, lowest)
        return bool(curvature[lowest] * np.sum(rest) + self.w[lowest] ** 2 > 0)

    @property
    def longest_step(self) -> float:
        r"""A step size below which a stable limit stays stable.

        It is :math:`2 / (2 (\gamma + \beta) - \kappa)`, sharp where an entry is inactive.
        """
        return 2.0 / (2.0 * (self.gamma + self.beta) - self.kappa)

    def rate(self, step_size: float) -> float:
        """Computes the factor by which an update shortens the way to the limit in the end.

        Args:
          step_size: the step size.

        Returns:
          The largest magnitude of a multiplier on the tangent space; 1 or more if it repels.
        """
        return float(np.max(np.abs(self._multipliers(step_size)), initial=0.0))

    def sampling_error(self, n: int) -> float:
        r"""Predicts how far a run on a sample that stays ends from the limit.

        .. math:: \gamma \sqrt{\nu \theta / n} \; \| D^{-1} \|_F, \qquad D = \kappa - \beta u'

        with :math:`D` on the tangent space and :math:`\nu` the ``noise``, 4 for ``"relu"`` and 2
        for ``"identity"``. It is zero at the angle zero, where the error is of the order 1/n.

        Args:
          n: number of inputs, >= 1.

        Returns:
          The root of the mean squared distance of the filters.
        """
        curvatures = np.linalg.eigvalsh(self._tangential(self._curvature))
        return float(self._deviation(n) * np.sqrt(np.sum(curvatures**-2.0)))

    def batch_error(self, n: int, step_size: float) -> float:
        """Predicts how far from the limit a run on fresh batches moves about.

        Args:
          n: inputs of a batch, >= 1.
          step_size: the step size.

        Returns:
          The root of the mean squared distance of the filters.
        """
        multipliers = self._multipliers(step_size)
        factor = step_size / self._scale(step_size)
        return float(self._deviation(n) * factor * np.sqrt(np.sum(1.0 / (1.0 - multipliers**2))))

    def _deviation(self, n: int) -> float:
        return self.gamma * np.sqrt(self.noise * self.theta / n)

    def _scale(self, step_size: float) -> float:
        return 1.0 - step_size * (self.gamma + self.beta) + step_size * self.kappa

    def _multipliers(self, step_size: float) -> Float[np.ndarray, "m"]:
        """Computes the multipliers of an update, on the tangent space."""
        alpha = 1.0 - step_size * (self.gamma + self.beta)
        diagonal = (alpha + step_size * self.beta * self.slope) / self._scale(step_size)
        return np.linalg.eigvalsh(self._tangential(diagonal))

    @functools.cached_property
    def _basis(self) -> Float[np.ndarray, "d m"]:
        """A basis of the tangent space."""
        return np.linalg.svd(self.w[None, :])[2][1:].T

    def _tangential(self, diagonal: Float[np.ndarray, "d"]) -> Float[np.ndarray, "m m"]:
        return self._basis.T @ (diagonal[:, None] * self._basis)
