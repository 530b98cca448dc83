"""Updates that a link changes: gradients it adds to, and steps it replaces."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import jax
import optax
from jaxtyping import Array

from sgl_jax._util.numerics import flushed
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Leaves, Params, Path, Updates
from sgl_jax.transforms._links._link import Link
from sgl_jax.transforms._links._state import LinkState, advance, init_state
from sgl_jax.transforms._links._watch import Footprint, sample


__all__ = [
    "Target",
    "add_to",
    "check_sign",
    "end_of_chain",
    "replace_steps",
    "required",
    "select",
    "watch_zeros",
]

L = TypeVar("L", bound=Link)

Target: TypeAlias = Callable[[Leaves, Leaves], Leaves]
"""``(w, moved) -> z``: where leaves should be, from where they are and where their step leads."""


def required(params: Params | None, name: str) -> Params:
    """Returns the parameters, which Optax lets a caller leave out, or refuses."""
    if params is None:
        raise ValueError(f"{name} needs the parameters: call update(updates, state, params).")
    return params


def check_sign(link: str, positive: bool = False, **strengths: Any) -> None:
    """Refuses negative numbers; schedules and traced values cannot be looked at."""
    words = "> 0" if positive else ">= 0"
    for name, value in strengths.items():
        opaque = value is None or callable(value) or isinstance(value, jax.core.Tracer)
        if not opaque and not (value > 0 if positive else value >= 0):
            raise ValueError(f"{link} needs {name} {words}, got {name}={value}.")


def select(tree: Params, paths: frozenset[Path]) -> Leaves:
    """Takes the leaves of a tree at ``paths``, as far as it has them."""
    leaves, _ = flatten_by_path(tree)
    return {path: leaf for path, leaf in leaves.items() if path in paths}


def add_to(updates: Updates, gradients: Leaves) -> Updates:
    """Adds gradients to the updates of their leaves, in the dtype of the updates."""
    leaves, rebuild = flatten_by_path(updates)
    found = {path: leaves[path] + g.astype(leaves[path].dtype) for path, g in gradients.items()}
    return rebuild(leaves | found)


def watch_zeros(state: LinkState, params: Params, *, sampled: bool = False) -> LinkState:
    """Starts a footprint of the leaves of a link, all of them or a :func:`sample`."""
    leaves = select(params, state.link.paths)
    return state._replace(watch=Footprint.empty(sample(leaves) if sampled else leaves))


def replace_steps(
    updates: Updates,
    state: LinkState,
    params: Params,
    target: Target,
    *,
    permanent: bool = False,
) -> tuple[Updates, LinkState]:
    """Replaces the steps of the leaves of a link by those that lead to a target.

    Args:
      updates: the steps so far.
      state: state of the link, after :func:`advance`.
      params: the parameters.
      target: where the leaves should be; its zeros are exact after ``optax.apply_updates``.
      permanent: a weight that is zero must be zero ever after.
    """
    w, (steps, rebuild) = select(params, state.link.paths), flatten_by_path(updates)
    moved = {path: optax.apply_updates(leaf, steps[path]) for path, leaf in w.items()}
    z = {path: flushed(leaf) for path, leaf in target(w, moved).items()}
    watch = cast(Footprint, state.watch).follow(w, z, permanent)
    changes = {path: z[path] - leaf for path, leaf in w.items()}
    return rebuild(steps | changes), state._replace(watch=watch)


def end_of_chain(
    name: str,
    link: L,
    target: Callable[[L, Array, Leaves, Leaves], Leaves],
    *,
    permanent: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Makes the Optax transformation that ends a chain: it replaces the steps before it.

    Args:
      name: what its user calls it.
      link: the link, as its user gave it.
      target: ``(link, count, w, moved) -> z``; with the link with its strengths in force and the
        updates so far it is a :data:`Target`.
      permanent: a weight that is zero must be zero ever after.
    """

    def init(params: Params) -> LinkState:
        return watch_zeros(init_state(link, params), params)

    def update(updates, state, params=None, **extra_args):
        del extra_args
        count, params = state.count, required(params, name)
        resolved, state = advance(link, state)
        to = partial(target, resolved, count)
        return replace_steps(updates, state, params, to, permanent=permanent)

    return optax.GradientTransformationExtraArgs(init, update)
