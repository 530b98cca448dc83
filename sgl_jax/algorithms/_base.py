"""The contract of an algorithm.

An algorithm is one complete published method: a factory

    algorithm(learning_rate, regularizer, **options) -> optax.GradientTransformation

``learning_rate`` is a number or a schedule; ``regularizer`` says what shrinks and what shrinks
together; the algorithm says how. It is built from the links of :mod:`sgl_jax.transforms`, so
``sparse_params(opt_state, params)`` finds where its exact zeros are. The default options are the
published ones.

A new algorithm is one file with such a factory, and one line in the catalogue.
"""

from typing import Protocol, runtime_checkable

import optax

from sgl_jax._util.typing import ScalarOrSchedule
from sgl_jax.penalties import L1
from sgl_jax.regularizers import Regularizer, RegularizerLike


__all__ = ["Algorithm", "Base", "zero_if_none"]


@runtime_checkable
class Algorithm(Protocol):
    """A factory of Optax transformations."""

    def __call__(
        self, learning_rate: ScalarOrSchedule, regularizer: RegularizerLike
    ) -> optax.GradientTransformation: ...


@runtime_checkable
class Base(Protocol):
    """A factory of base optimizers, such as ``optax.adam``."""

    def __call__(self, learning_rate: ScalarOrSchedule) -> optax.GradientTransformation: ...


def zero_if_none(regularizer: RegularizerLike | None) -> RegularizerLike:
    """Returns the regularizer, or one of strength zero in the place of ``None``."""
    return Regularizer(L1(0.0)) if regularizer is None else regularizer
