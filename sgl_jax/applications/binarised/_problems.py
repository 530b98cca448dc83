"""Problems: a true filter to be learned, from the population or from samples of it."""

from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float, Key

from sgl_jax.applications._trees import value_tree
from sgl_jax.applications.binarised import _population
from sgl_jax.applications.binarised._network import coarse_gradient, draw, squared_loss
from sgl_jax.applications.binarised._problem import Problem, check_filter, check_numbers


__all__ = ["Batches", "Population", "Sample"]


@value_tree(static=("k", "proxy", "factor"), kw_only=False)
class Population(Problem):
    r"""The population: all that Gaussian inputs say about a true filter.

    Attributes:
      w_star: the true filter, or one for each lane; its norm does not matter.
      k: patches of an input.
      proxy: coarse derivative of the step, see :func:`~sgl_jax.binary`.
      factor: multiplies the squared error; 1/2 and 1 are the usual conventions.

    Raises:
      ValueError: ``w_star`` zero or of another rank, ``k`` below 1, ``factor`` not positive, or an
        unknown proxy.

    Example:
      >>> import jax.numpy as jnp
      >>> problem = Population(jnp.array([3.0, 4.0, 0.0]), k=20)
      >>> f"{problem.constant:.6f}"
      '3.989423'
      >>> float(jnp.abs(problem.gradient(problem.w_star)).max())
      0.0
    """

    w_star: Float[Array, "*lanes d"]
    k: int = 1
    proxy: str = "relu"
    factor: float = 0.5
    ranks: ClassVar[dict[str, int]] = {"w_star": 1}

    def __post_init__(self) -> None:
        check_numbers("Population", self)
        check_filter("Population", self.w_star)

    @property
    def size(self) -> int:
        return self.w_star.shape[-1]

    def loss(self, w: Float[Array, "d"]) -> Float[Array, ""]:
        """Computes the population loss, see :func:`population_loss`.

        Args:
          w: a filter.
        """
        return _population.population_loss(w, self.w_star, self.k, self.factor)

    def gradient(self, w: Float[Array, "d"], count: Any = 0) -> Float[Array, "d"]:
        """Computes its coarse gradient, see :func:`population_coarse_gradient`.

        Args:
          w: a filter.
          count: of no effect.
        """
        del count
        return _population.population_coarse_gradient(
            w, self.w_star, self.k, self.proxy, self.factor
        )

    def potential(self, w: Float[Array, "d"]) -> Float[Array, ""]:
        """Computes the function with that gradient, see :func:`potential`.

        Args:
          w: a filter.
        """
        return _population.potential(w, self.w_star, self.k, self.proxy, self.factor)


@value_tree(static=("proxy", "factor"), kw_only=False)
class Sample(Problem):
    """A sample that stays: every update takes the coarse gradient over all of it.

    That gradient is constant between jumps, so a run never comes to rest: it is ended by a count.

    Attributes:
      x: inputs, of shape ``(n, k, d)``, or ``(lanes, n, k, d)``.
      y: outputs, of shape ``(n,)``, or ``(lanes, n)``.
      proxy: coarse derivative of the step, see :func:`~sgl_jax.binary`.
      factor: multiplies the squared error; 1/2 and 1 are the usual conventions.

    Raises:
      ValueError: shapes that do not fit, ``factor`` not positive, or an unknown proxy.
    """

    x: Float[Array, "*lanes n k d"]
    y: Float[Array, "*lanes n"]
    proxy: str = "relu"
    factor: float = 0.5
    ranks: ClassVar[dict[str, int]] = {"x": 3, "y": 1}

    def __post_init__(self) -> None:
        if self.x.ndim not in (3, 4) or self.y.shape != self.x.shape[:-2]:
            raise ValueError(
                "Sample needs x of shape (n, k, d) and y of shape (n,), both with lanes in front "
                f"or neither, got {tuple(self.x.shape)} and {tuple(self.y.shape)}."
            )
        check_numbers("Sample", self)

    @property
    def k(self) -> int:
        """Patches of an input."""
        return self.x.shape[-2]

    @property
    def size(self) -> int:
        return self.x.shape[-1]

    def loss(self, w: Float[Array, "d"]) -> Float[Array, ""]:
        """Computes the loss over the sample, see :func:`squared_loss`.

        Args:
          w: a filter.
        """
        return squared_loss(w, self.x, self.y, self.proxy, self.factor)

    def gradient(self, w: Float[Array, "d"], count: Any = 0) -> Float[Array, "d"]:
        """Computes its coarse gradient, see :func:`coarse_gradient`.

        Args:
          w: a filter.
          count: of no effect.
        """
        del count
        return coarse_gradient(w, self.x, self.y, self.proxy, self.factor)


@value_tree(static=("n", "k", "proxy", "factor"), kw_only=False)
class Batches(Problem):
    """Batches that are drawn anew for every update.

    Attributes:
      key: source of randomness, or one for each lane.
      w_star: the true filter, or one for each lane; its norm does not matter.
      n: inputs of a batch.
      k: patches of an input.
      proxy: coarse derivative of the step, see :func:`~sgl_jax.binary`.
      factor: multiplies the squared error; 1/2 and 1 are the usual conventions.

    Raises:
      ValueError: ``w_star`` zero or of another rank, ``n`` or ``k`` below 1, ``factor`` not
        positive, or an unknown proxy.
    """

    key: Key[Array, "..."]
    w_star: Float[Array, "*lanes d"]
    n: int
    k: int = 1
    proxy: str = "relu"
    factor: float = 0.5
    ranks: ClassVar[dict[str, int]] = {"key": 0, "w_star": 1}

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"Batches needs n >= 1, got n={self.n}.")
        check_numbers("Batches", self)
        check_filter("Batches", self.w_star)

    @property
    def size(self) -> int:
        return self.w_star.shape[-1]

    def gradient(self, w: Float[Array, "d"], count: Any = 0) -> Float[Array, "d"]:
        """Computes the coarse gradient over the batch of an update, see :func:`coarse_gradient`.

        Args:
          w: a filter.
          count: number of the update.
        """
        x, y = draw(jax.random.fold_in(self.key, count), self.w_star, self.n, self.k)
        return coarse_gradient(w, x, y, self.proxy, self.factor)
