"""The contract of a problem: arrays with or without lanes, and a coarse gradient."""

import abc
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax.applications.binarised._forms import form_of


__all__ = ["Problem", "check_filter", "check_numbers"]


class Problem(abc.ABC):
    """A source of coarse gradients, for :func:`fit`.

    Attributes:
      ranks: number of axes of each of its arrays, by name; one more in front is the lanes'.
      k: patches of an input.
      proxy: coarse derivative of the step.
      factor: multiplies the squared error.
    """

    ranks: ClassVar[dict[str, int]]
    k: Any
    proxy: str
    factor: float

    @property
    def constant(self) -> float:
        r"""The constant :math:`c = 2 \rho k \max m / \sqrt{2\pi}` that bounds steps.

        :math:`m` is the even part of the proxy. For ``"relu"`` and ``"identity"`` the coarse
        gradient of the population is :math:`c (\hat w - \hat w^*)`.
        """
        return 2.0 * self.factor * self.k * form_of(self.proxy).largest / math.sqrt(2.0 * math.pi)

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Number of entries of the filter."""

    @abc.abstractmethod
    def gradient(self, w: Float[Array, "d"], count: Any = 0) -> Float[Array, "d"]:
        """Computes the coarse gradient of an update.

        Args:
          w: a filter.
          count: number of the update, from 0.
        """


def check_numbers(name: str, problem: Any) -> None:
    """Refuses a proxy, a factor and a number of patches that are not admissible."""
    form_of(problem.proxy)
    if not problem.factor > 0:
        raise ValueError(f"{name} needs a factor > 0, got {problem.factor}.")
    if problem.k < 1:
        raise ValueError(f"{name} needs k >= 1, got k={problem.k}.")


def check_filter(name: str, w_star: Array) -> None:
    """Refuses a true filter without a direction."""
    if w_star.ndim not in (1, 2):
        raise ValueError(
            f"{name} needs w_star of shape (d,), or (lanes, d), got {tuple(w_star.shape)}."
        )
    if not isinstance(w_star, jax.core.Tracer) and not jnp.all(jnp.any(w_star != 0, axis=-1)):
        raise ValueError(f"{name} needs a w_star that is not zero, got zeros.")
