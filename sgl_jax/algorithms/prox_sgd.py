"""Proximal stochastic gradient descent."""

import optax

from sgl_jax import directions
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms import proximal


__all__ = ["prox_sgd"]


def prox_sgd(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike | None = None,
    *,
    momentum: ArrayLike | None = None,
    nesterov: bool = False,
) -> optax.GradientTransformationExtraArgs:
    r"""A gradient step, then the prox of the regularizer with the learning rate as its step.

    .. math:: p \leftarrow \operatorname{prox}_{\eta R}(p - \eta u)

    Args:
      learning_rate: :math:`\eta`, a number or a schedule.
      regularizer: any with a prox; ``None`` makes this ``optax.sgd``.
      momentum: decay of the accumulated gradients in [0, 1); ``None`` keeps none.
      nesterov: whether to look ahead.

    References:
      Duchi and Singer, Efficient online and batch learning using forward backward splitting,
      JMLR 10, 2009.
    """
    return proximal(directions.sgd(momentum, nesterov), regularizer, learning_rate)
