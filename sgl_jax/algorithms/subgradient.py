"""Regularised training by subgradients."""

import optax

from sgl_jax._util.typing import ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms import add_penalty_gradient


__all__ = ["subgradient"]


def subgradient(
    learning_rate: ScalarOrSchedule, regularizer: RegularizerLike, *, base: Base = optax.adam
) -> optax.GradientTransformation:
    r"""Adds a subgradient of the regularizer to that of the loss.

    This is how the paper trains its group lasso and sparse group lasso baselines. Weights shrink
    but seldom become exactly zero, so :func:`sgl_jax.sparse_params` returns them as they are.

    Args:
      learning_rate: a number or a schedule.
      regularizer: any whose penalties have a gradient.
      base: factory of the base optimizer.

    References:
      Scardapane, Comminiello, Hussain and Uncini, Group sparse regularization for deep neural
      networks, Neurocomputing 241, 2017.
    """
    return optax.chain(add_penalty_gradient(regularizer), base(learning_rate))
