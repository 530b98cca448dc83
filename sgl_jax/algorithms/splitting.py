"""Variable splitting with a gradient step on the weights: the paper's algorithm."""

import dataclasses

import optax

from sgl_jax._util.typing import ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.groups import Grouping, GroupingLike
from sgl_jax.penalties import L1
from sgl_jax.regularizers import RegularizerLike, SparseGroup, require_regularizer
from sgl_jax.transforms import sgl_transform


__all__ = ["splitting"]


def splitting(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    beta: ScalarOrSchedule = 2.5 / 60_000,
    dense_beta: ScalarOrSchedule | None = None,
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
      dense_beta: the coupling of dense kernels, where it is another than that of convolutions: in
        the authors' scripts for LeNet-5 and wide ResNets it stays constant while the other grows.
      base: factory of the base optimizer.

    Raises:
      ValueError: a regularizer of another form, or one whose kernels cannot be told apart for
        ``dense_beta``.

    References:
      Bui, Park, Zhang, Qi and Xin, Front. Appl. Math. Stat. 6:529564, 2021.
    """
    require_regularizer("splitting", regularizer)
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
    couplings = _couplings(regularizer, beta, dense_beta)
    links = [
        sgl_transform(
            regularizer.entry,
            beta=coupling,
            group_lam=regularizer.group.lam,
            grouping=grouping,
            entry_grouping=regularizer.entry_grouping,
        )
        for grouping, coupling in couplings
    ]
    return optax.chain(*links, base(learning_rate))


def _couplings(
    regularizer: SparseGroup, beta: ScalarOrSchedule, dense_beta: ScalarOrSchedule | None
) -> list[tuple[GroupingLike, ScalarOrSchedule]]:
    """Pairs the groups that share a coupling with the coupling."""
    grouping = regularizer.grouping
    if dense_beta is None:
        return [(grouping, beta)]
    by_axis = isinstance(grouping, Grouping) and grouping.span is None
    if not by_axis or regularizer.entry_grouping is not None:
        raise ValueError(
            "splitting needs groups by filter, input channel or neuron, and no entry_grouping, "
            f"for a dense_beta, got {getattr(grouping, 'name', 'resolved groups')} and "
            f"entry_grouping={regularizer.entry_grouping}."
        )
    return [
        (dataclasses.replace(grouping, dense=None), beta),  # pyrefly: ignore
        (dataclasses.replace(grouping, conv=None), dense_beta),  # pyrefly: ignore
    ]
