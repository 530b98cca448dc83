"""Incremental quantisation: weights become their levels in passes, the nearest first."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Leaves, Params, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.algorithms._quantisation import (
    Fit,
    count_changes,
    require_levels,
    round_to_levels,
    start_levels,
)
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties import TopK
from sgl_jax.regularizers import Regularizer, RegularizerLike
from sgl_jax.transforms._links import (
    LinkState,
    RegularizerLink,
    advance,
    init_state,
    replace_steps,
    required,
    select,
    watch_zeros,
)


__all__ = ["IncrementalState", "incremental"]


class IncrementalState(NamedTuple):
    """State of :func:`incremental`.

    Attributes:
      link: state of the link.
      fixed: masks of the weights that stay at their level, by path.
      fit: intervals and support.
      start: codes at the start, by path.
      changed: codes that differ from it, as of the newest pass.
      base: state of the base optimizer.
    """

    link: LinkState
    fixed: Leaves
    fit: Fit
    start: Leaves
    changed: Array
    base: optax.OptState


def incremental(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    shares: tuple[float, ...] = (0.3, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99),
    steps: int = 10_000,
    base: Base = optax.adam,
) -> optax.GradientTransformationExtraArgs:
    r"""Fixes the weights nearest to a level, trains the others, and so on until none is left.

    At the start of each pass a share of the weights of every group, those with the least
    :math:`|w_i - Q(w)_i|`, those fixed before among them, goes to its level and stays there; the
    last pass fixes all. The intervals are those of the first weights, and weights that are zero at
    the start stay zero. What is masked is the step; moments of fixed weights are set to zero. From
    the second update of the last pass on all weights are on levels to the last bit, and only other
    leaves, such as biases, go on. Its zeros are in the weights.

    Args:
      learning_rate: a number or a schedule.
      regularizer: ``Regularizer(Levels(count))``.
      shares: shares of the weights that are fixed, of every pass before the last, ascending in
        (0, 1); small steps at the end, where fixing costs most.
      steps: updates of all passes together, as many for each, :math:`\ge 2`. Where these are not
        two for each pass, only the last passes are made.
      base: factory of the base optimizer.

    Raises:
      ValueError: another regularizer, a number out of its range, or no leaf matches.

    References:
      Zhou, Yao, Guo, Xu and Chen, Incremental network quantization, ICLR 2017. Ren and others,
      ADMM-NN, ASPLOS 2019.
    """
    require_levels("incremental", regularizer)
    _require_passes(shares, steps)
    shares = (*shares, 1.0)[-(steps // 2) :]
    link = RegularizerLink(regularizer, {}, zeros="parameters")
    optimizer = optax.with_extra_args_support(base(learning_rate))
    starts = _plan(shares, steps)

    def init(params: Params) -> IncrementalState:
        state = watch_zeros(init_state(link, params), params)
        w = select(params, state.link.paths)
        fit, (_, codes) = start_levels(state.link, w)
        fixed = jax.tree.map(lambda leaf: leaf == 0, w)
        changed = jnp.zeros((), jnp.int32)
        return IncrementalState(state, fixed, fit, codes, changed, optimizer.init(params))

    def update(updates, state, params=None, **extra_args):
        params = required(params, "incremental")
        term, linked = advance(link, state.link)
        w = select(params, term.paths)
        values, fixed, changed = _take_pass(term.regularizer, w, state, shares, starts)
        inner = _masked(state.base, params, fixed)
        updates = _masked(updates, updates, fixed)
        updates, inner = optimizer.update(updates, inner, params, **extra_args)

        def target(w: Leaves, moved: Leaves) -> Leaves:
            return {path: jnp.where(fixed[path], values[path], moved[path]) for path in w}

        updates, linked = replace_steps(updates, linked, params, target, permanent=True)
        return updates, IncrementalState(linked, fixed, state.fit, state.start, changed, inner)

    return optax.GradientTransformationExtraArgs(init, update)


def _require_passes(shares: tuple[float, ...], steps: int) -> None:
    """Raises a ``ValueError`` unless the shares ascend in (0, 1) and there are two updates."""
    ascending = all(a < b for a, b in zip((0.0, *shares), (*shares, 1.0), strict=True))
    if not ascending or steps < 2:
        raise ValueError(
            f"incremental needs ascending shares between 0 and 1, and steps >= 2, got "
            f"shares={shares} and steps={steps}."
        )


def _take_pass(
    regularizer: RegularizerLike,
    w: Leaves,
    state: IncrementalState,
    shares: Sequence[float],
    starts: np.ndarray,
) -> tuple[Leaves, Leaves, Array]:
    """Fixes more weights if a pass starts; returns levels, masks and the number of changes."""
    count = state.link.count
    number = jnp.sum(count >= starts, dtype=jnp.int32) - 1
    due, share = jnp.any(count == starts), jnp.asarray(shares)[number]
    values, codes = round_to_levels(regularizer, w, state.fit)
    fixed, _ = flatten_by_path(state.fixed)
    fix = lambda fixed: _fix(regularizer, w, values, state.fit, fixed, share)  # noqa: E731
    fixed = jax.lax.cond(due, fix, dict, fixed)
    return values, fixed, jnp.where(due, count_changes(codes, state.start), state.changed)


def _plan(shares: Sequence[float], steps: int) -> np.ndarray:
    """Finds the update at which each pass starts."""
    return np.asarray([steps * k // len(shares) for k in range(len(shares))], np.int32)


def _fix(
    regularizer: RegularizerLike,
    w: Leaves,
    values: Leaves,
    fit: Fit,
    fixed: Leaves,
    share: Array,
) -> Leaves:
    """Marks the weights that are fixed in a pass: off the support all, on it the nearest."""
    found, (support, _) = dict(fixed), flatten_by_path(fit.support)
    families = cast(Regularizer, regularizer).families(w, disjoint=True)
    for (family, _), wrapped in zip(families, fit.intervals.each, strict=True):
        paths = [member.path for member in family.members]
        (interval,) = jax.tree.leaves(wrapped)
        columns = [[tree[path] for path in paths] for tree in (w, values, fixed, support)]
        near = family.each(_rank, *columns, interval)
        count = _count(family, columns[-1], share)
        chosen = TopK(1.0).keep(near, family, count)
        for path, kept in zip(paths, chosen, strict=True):
            found[path] = (kept > 0) | ~support[path]
    return found


def _count(family: GroupFamily, support: Sequence[Array], share: Array) -> Array:
    """Counts the weights of each group that a share of its support is, rounded up."""
    total = family.tally(support)
    return jnp.ceil(share * total.astype(share.dtype)).astype(jnp.int32)


def _rank(w: Array, value: Array, fixed: Array, support: Array, interval: Array) -> Array:
    """Ranks weights: 2 if fixed before, 1 at a level, less further off, 0 off the support."""
    off = jnp.abs(w.astype(interval.dtype) - value.astype(interval.dtype)) / interval
    return jnp.where(support, jnp.where(fixed, 2.0, 1.0 / (1.0 + off)), 0.0)


def _masked(tree: Any, params: Any, fixed: Leaves) -> Any:
    """Sets to zero what belongs to fixed weights, in every part of a tree like the parameters."""
    shape = jax.tree.structure(params)
    leaves, _ = flatten_by_path(params)
    shapes = {path: jnp.shape(leaf) for path, leaf in leaves.items()}

    def is_like(node: Any) -> bool:
        if jax.tree.structure(node) != shape:
            return False
        return {path: jnp.shape(leaf) for path, leaf in flatten_by_path(node)[0].items()} == shapes

    def masked(node: Any) -> Any:
        if not is_like(node):
            return node
        parts, rebuild = flatten_by_path(node)
        zeros = {path: jnp.where(mask, 0, parts[path]) for path, mask in fixed.items()}
        return rebuild(parts | zeros)

    return jax.tree.map(masked, tree, is_leaf=is_like)
