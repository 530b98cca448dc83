"""Variable splitting with a gradient step on the weights: the paper's algorithm."""

import optax

from sgl_jax._typing import Strength
from sgl_jax.algorithms._base import Base
from sgl_jax.penalties import L1
from sgl_jax.regularizers import RegularizerLike, SparseGroup
from sgl_jax.transforms import sgl_transform


__all__ = ["splitting"]


def splitting(
    learning_rate: Strength,
    regularizer: RegularizerLike,
    *,
    beta: Strength = 2.5 / 60_000,
    base: Base = optax.adam,
) -> optax.GradientTransformation:
    r"""Group lasso by subgradient, single weights by splitting and thresholding.

    At every update: one step of the base optimizer on :math:`W` for
    :math:`L(W) + R_{GL}(W) + \tfrac\beta2 \|V - W\|^2`, then :math:`V` by exact thresholding.
    See :func:`sgl_jax.sgl_transform`.

    Args:
      learning_rate: a number or a schedule.
      regularizer: a :class:`~sgl_jax.SparseGroup` whose group penalty is :class:`~sgl_jax.L1`
        with the weight ``"sqrt_size"``.
      beta: coupling, > 0, a number or a schedule. The default is that of the authors' LeNet-5
        scripts, 2.5 over the 60,000 training images of MNIST.
      base: factory of the base optimizer.

    Raises:
      ValueError: a regularizer of another form.

    References:
      Bui, Park, Zhang, Qi and Xin, Front. Appl. Math. Stat. 6:529564, 2021.
    """
    if not isinstance(regularizer, SparseGroup) or not isinstance(regularizer.group, L1):
        raise ValueError(
            "splitting needs a SparseGroup with L1 on its groups, got "
            f"{type(regularizer).__name__} with "
            f"{', '.join(type(penalty).__name__ for penalty in regularizer.penalties)}; "
            "use proximal steps instead."
        )
    if regularizer.weight != "sqrt_size":
        raise ValueError(
            f"splitting needs groups weighted by 'sqrt_size', got {regularizer.weight!r}."
        )
    link = sgl_transform(
        regularizer.entry,
        beta=beta,
        group_lam=regularizer.group.lam,
        grouping=regularizer.grouping,
        entry_grouping=regularizer.entry_grouping,
    )
    return optax.chain(link, base(learning_rate))
