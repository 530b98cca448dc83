"""Combined group and exclusive sparsity: two proximal steps, mixed layer by layer."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.numerics import working_dtype
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import Leaves, Params, Path, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.groups import GroupFamily, resolved_groups
from sgl_jax.penalties import L1, Exclusive
from sgl_jax.penalties.l1 import prox_l1
from sgl_jax.regularizers import Regularizer, RegularizerLike, SparseGroup, require_regularizer
from sgl_jax.transforms._links import Link, check_sign, end_of_chain


__all__ = ["cges"]

Shrink: TypeAlias = Callable[[Sequence[Array], Array, GroupFamily], list[Array]]
"""``(parts, step_size, family) -> parts``: shrinks the groups of a family."""


def cges(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    least: float = 0.2,
    shares: tuple[float, ...] = (),
    group_factors: tuple[float, ...] = (),
    exclusive_factors: tuple[float, ...] = (),
    exact: bool = False,
    base: Base = optax.sgd,
) -> optax.GradientTransformation:
    r"""A step on the loss, a proximal step of the group lasso, and one of exclusive sparsity.

    Behind the step of the base optimizer, with the rate :math:`\eta` and the share :math:`\mu_l` of
    the layer l, for every group

    .. math::
      v_g &= \Bigl(1 - \frac{\eta \lambda (1 - \mu_l) a_l}{\|w_g\|_2}\Bigr)_+ w_g \\
      w_g &\leftarrow \operatorname{sign}(v_g) \bigl(|v_g| - \eta \lambda \mu_l b_l
      \|v_g\|_1\bigr)_+, \qquad \mu_l = m + (1 - 2m) \frac{l}{L - 1}.

    They stand for the penalty

    .. math:: \lambda \sum_l \sum_{g \in l} \Bigl((1 - \mu_l) a_l \|w_g\|_2
      + \frac{\mu_l b_l}{2} \|w_g\|_1^2\Bigr),

    though one after the other is not the prox of the sum. The second step is that of the article
    and of the authors' code: it takes the l1 norm of where it starts, so it shrinks more than the
    prox of its term, and can set a whole group to zero. ``exact`` takes that prox instead,
    :func:`~sgl_jax.prox.prox_exclusive`.

    The article has no factors :math:`a_l` and :math:`b_l`. The authors' code for MNIST has 1, 1,
    1/15, 1/144 and 1, 1/2, 15, 144, beside the shares 0.2, 0.4, 0.6 and 0.8, those of m = 0.2; its
    groups are lines along the output axis, in dense layers those of :func:`~sgl_jax.by_neuron`.
    Bui and others take the shares l / L, and train the sum by :func:`~sgl_jax.subgradient`.

    Args:
      learning_rate: :math:`\eta \ge 0`, a number or a schedule.
      regularizer: ``SparseGroup(Exclusive(lam), L1(lam), grouping, weight=None)``; both penalties
        act on the groups of ``grouping``.
      least: share m of exclusive sparsity in the first layer, in [0, 1/2]; a single layer has it.
      shares: :math:`\mu_l` in [0, 1] of every layer, in the place of the formula; layers are in the
        order of the tree of parameters.
      group_factors: :math:`a_l \ge 0` of every layer; all 1 if empty.
      exclusive_factors: :math:`b_l \ge 0` of every layer; all 1 if empty.
      exact: take the prox of exclusive sparsity itself.
      base: factory of the base optimizer.

    Raises:
      ValueError: another regularizer, a number out of its range, not a number for every layer, or a
        grouping that matches no leaf.

    References:
      Yoon and Hwang, Combined group and exclusive sparsity for deep neural networks, ICML 2017.
    """
    check_sign("cges", learning_rate=learning_rate)
    mix = _Mix(least, shares, group_factors, exclusive_factors)
    link = _Mixed(_share_groups(regularizer), learning_rate, mix)
    compete = _shrink_exactly if exact else _shrink_as_published

    def target(link: _Mixed, count: Array, w: Leaves, moved: Leaves) -> Leaves:
        del count, w
        group, exclusive = link.regularizer.groups_part, link.regularizer.entries_part
        shrink = lambda *given: group.penalty.group_prox(*given)  # noqa: E731
        moved = _step(group, moved, link.step_size, link.weights[0], shrink)
        lam = cast(Exclusive, exclusive.penalty).lam
        return _step(exclusive, moved, link.step_size * lam, link.weights[1], compete)

    return optax.chain(base(learning_rate), end_of_chain("cges", link, target))


@dataclasses.dataclass(frozen=True)
class _Mix:
    """The mixing of the two parts, layer by layer; the options of :func:`cges`."""

    least: float
    shares: tuple[float, ...]
    group_factors: tuple[float, ...]
    exclusive_factors: tuple[float, ...]

    def __post_init__(self):
        factors = (*self.group_factors, *self.exclusive_factors)
        if not 0 <= self.least <= 0.5 or not all(0 <= share <= 1 for share in self.shares):
            raise ValueError(
                f"cges needs least in [0, 1/2] and shares in [0, 1], got least={self.least} and "
                f"shares={self.shares}."
            )
        if not all(factor >= 0 for factor in factors):
            raise ValueError(f"cges needs factors >= 0, got {min(factors)}.")

    def weigh(self, layers: int) -> tuple[list[float], list[float]]:
        """Computes the weights of the group lasso and of exclusive sparsity in every layer."""
        slope = (1.0 - 2.0 * self.least) / max(layers - 1, 1)
        shares = self.shares or [self.least + slope * layer for layer in range(layers)]
        factors = [each or (1.0,) * layers for each in (self.group_factors, self.exclusive_factors)]
        for name, numbers in zip(("shares", "factors", "factors"), (shares, *factors), strict=True):
            if len(numbers) != layers:
                raise ValueError(
                    f"cges needs as many {name} as layers, {layers} here, got {len(numbers)}."
                )
        group = [(1.0 - share) * factor for share, factor in zip(shares, factors[0], strict=True)]
        return group, [share * factor for share, factor in zip(shares, factors[1], strict=True)]


@pytree_dataclass(static=("mix",))
class _Mixed(Link):
    """Group lasso and exclusive sparsity on the same groups, mixed by layer.

    Attributes:
      regularizer: both parts.
      step_size: the rate.
      mix: their weights.
    """

    regularizer: SparseGroup
    step_size: Any
    mix: _Mix

    def resolved(self, params: Params) -> "_Mixed":
        resolved = self.regularizer.resolved(params)
        self.mix.weigh(len(resolved_groups(resolved.grouping)))
        return dataclasses.replace(self, regularizer=resolved)

    @property
    def paths(self) -> frozenset[Path]:
        return self.regularizer.paths

    @property
    def weights(self) -> tuple[list[float], list[float]]:
        """The weights of both parts in every layer; once resolved."""
        return self.mix.weigh(len(resolved_groups(self.regularizer.grouping)))

    def value(self, leaves: Leaves) -> Array:
        total, parts = jnp.zeros(()), (self.regularizer.groups_part, self.regularizer.entries_part)
        for part, weights in zip(parts, self.weights, strict=True):
            for (family, own), weight in zip(part.families(leaves), weights, strict=True):
                members = [leaves[member.path] for member in family.members]
                value = part.penalty.group_value(members, family, weight * own)
                total += value.astype(total.dtype)
        return total

    def sparse(self, leaves: Leaves, z: Leaves | None) -> Leaves:
        del z
        return leaves


def _share_groups(regularizer: RegularizerLike) -> SparseGroup:
    """Lets entries compete within the groups of the group lasso; refuses other regularizers."""
    require_regularizer("cges", regularizer)
    kinds = tuple(type(penalty) for penalty in regularizer.penalties)
    if not isinstance(regularizer, SparseGroup) or kinds != (Exclusive, L1):
        raise ValueError(
            "cges needs a SparseGroup of Exclusive and L1, SparseGroup(Exclusive(lam), L1(lam)), "
            f"got {type(regularizer).__name__} of {', '.join(kind.__name__ for kind in kinds)}."
        )
    return dataclasses.replace(regularizer, entry_grouping=regularizer.grouping)


def _step(
    part: Regularizer, leaves: Leaves, step_size: Array, weights: Sequence[float], shrink: Shrink
) -> Leaves:
    """Shrinks the groups of every layer by the step size times its weight."""
    found = dict(leaves)
    families = part.families(leaves, disjoint=True)
    for (family, own), weight in zip(families, weights, strict=True):
        paths = [member.path for member in family.members]
        shrunk = shrink([leaves[path] for path in paths], step_size * weight * own, family)
        found.update(zip(paths, shrunk, strict=True))
    return found


def _shrink_exactly(parts: Sequence[Array], c: Array, family: GroupFamily) -> list[Array]:
    """Computes the prox of c times exclusive sparsity."""
    return Exclusive(1.0).group_prox(parts, c, family)


def _shrink_as_published(parts: Sequence[Array], c: Array, family: GroupFamily) -> list[Array]:
    """Thresholds the entries of a group at c times its l1 norm."""
    dtype = working_dtype(*parts)
    norms = family.sum([jnp.abs(part.astype(dtype)) for part in parts])
    return family.each(lambda w, norm: prox_l1(w, norm, c), parts, norms)
