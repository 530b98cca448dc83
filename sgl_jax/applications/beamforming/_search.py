"""Search among taskings, in the order of lower bounds, so that few of them are solved for."""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Bool, Float, Int

from sgl_jax.applications._trees import choose
from sgl_jax.applications.beamforming._engine import Effort
from sgl_jax.applications.beamforming._problem import Point
from sgl_jax.applications.beamforming._saddle import bound, serve, start
from sgl_jax.applications.beamforming._setting import (
    Plan,
    Setting,
    attempt,
    make_problem,
)


__all__ = ["all_taskings", "neighbours", "search"]

MOST = 400  # taskings that are solved for, at most
MANY = 4096  # taskings that may be enumerated
BETTER = 1e-7  # a relative difference that counts
NEWTON = 8


def neighbours(points: int, users: int) -> Bool[np.ndarray, "M N K"]:
    """Lists the changes of a tasking: one pair switched, or a task moved between two points."""
    changes = []
    for k in range(users):
        for places in [*((n,) for n in range(points)), *itertools.combinations(range(points), 2)]:
            change = np.zeros((points, users), bool)
            change[list(places), k] = True
            changes.append(change)
    return np.stack(changes)


def all_taskings(points: int, users: int) -> Bool[np.ndarray, "M N K"]:
    """Lists all taskings in which every user has an access point.

    Raises:
      ValueError: there are too many.
    """
    count = (2**points - 1) ** users
    if count > MANY:
        raise ValueError(
            f"An exhaustive search needs at most {MANY} taskings, got {count} for {points} access "
            f"points and {users} users: take local_search=True with another method."
        )
    columns = [column for column in itertools.product((False, True), repeat=points) if any(column)]
    return np.array(list(itertools.product(columns, repeat=users))).swapaxes(1, 2)


def bound_total(setting: Setting, tasking: Bool[Array, "N K"], point: Point) -> Float[Array, ""]:
    """Computes a lower bound of the total of a tasking, from channels that are bad for another."""
    problem = make_problem(setting, tasking)
    fresh = start(problem)

    def low(limits):
        at = Point(point.u, fresh.prices, limits)
        prices, _, uplink = serve(problem, at, NEWTON)
        return bound(problem, at, prices, uplink)

    lows = jax.vmap(low)(jnp.stack([point.limits, fresh.limits]))
    computing = jnp.sum(jnp.where(tasking, setting.pcomp, 0.0))
    return computing + jnp.maximum(jnp.max(lows), 0.0)


class Progress(NamedTuple):
    """A search under way.

    Attributes:
      best: the best plan so far.
      tried: the changes that are of no use to it, (M,).
      lows: lower bounds of the totals of all taskings, from the channels of the best plan, (M,).
      stale: if the bounds are those of an earlier plan.
      left: taskings that may still be solved for.
    """

    best: Plan
    tried: Bool[Array, " M"]
    lows: Float[Array, " M"]
    stale: Bool[Array, ""]
    left: Int[Array, ""]


@sequential_vmap
def refresh(
    setting: Setting,
    taskings: Bool[Array, "M N K"],
    point: Point,
    lows: Float[Array, " M"],
    stale: Bool[Array, ""],
) -> Float[Array, " M"]:
    """Computes all bounds anew where a better plan was found; lanes take turns."""
    again = lambda: jax.vmap(lambda one: bound_total(setting, one, point))(taskings)  # noqa: E731
    return jax.lax.cond(stale, again, lambda: lows)


def may_be_on(
    setting: Setting, best: Plan, changes: Bool[Array, "M N K"], local: bool
) -> tuple[Bool[Array, "M N K"], Bool[Array, " M"]]:
    """Makes the taskings of all changes, and tells which of them are allowed."""
    taskings = (best.tasking[None] ^ changes) if local else changes
    served = jnp.all(jnp.any(taskings, axis=1), axis=1)
    inside = jnp.all(setting.allowed[None] | ~taskings, axis=(1, 2))
    on = jnp.sum(changes & best.tasking[None], axis=(1, 2))
    moved = (jnp.sum(changes, axis=(1, 2)) == 1) | (on == 1) | (not local)
    return taskings, served & inside & moved


def try_next(
    setting: Setting,
    progress: Progress,
    changes: Bool[Array, "M N K"],
    effort: Effort,
    local: bool,
) -> Progress:
    """Solves for the tasking of the lowest bound, if that is below the best total so far."""
    best, tried = progress.best, progress.tried
    taskings, allowed = may_be_on(setting, best, changes, local)
    lows = refresh(setting, taskings, best.solved.point, progress.lows, progress.stale)
    open_lows = jnp.where(allowed & ~tried, lows, jnp.inf)
    at = jnp.argmin(open_lows)
    hopeful = open_lows[at] < best.total * (1.0 - BETTER)
    point = start(make_problem(setting, taskings[at]))._replace(u=best.solved.point.u)
    cutoff = jnp.where(hopeful, best.total, -jnp.inf)
    new = attempt(setting, taskings[at], point, effort, cutoff)
    better = hopeful & (new.total < best.total * (1.0 - BETTER))
    tried = tried.at[at].set(True)
    tried = tried & ~better if local else tried
    best = choose(better, new, best)._replace(count=best.count + new.count)
    return Progress(best, tried, lows, better, jnp.where(hopeful, progress.left - 1, 0))


@functools.partial(jax.jit, static_argnames="local")
def search(
    setting: Setting,
    plan: Plan,
    changes: Bool[Array, "M N K"],
    effort: Effort,
    *,
    local: bool,
) -> Plan:
    """Looks for a tasking of less total power than that of a plan.

    Args:
      setting: the network and its sets.
      plan: where to start; its bad channels bound the totals of other taskings.
      changes: taskings to try, or if ``local`` the pairs to change in the best one so far.
      effort: what a solution may cost.
      local: if candidates are neighbours of the best tasking so far.
    """
    nothing = jnp.zeros(changes.shape[0])
    begin = Progress(plan, nothing > 0, nothing, jnp.asarray(True), jnp.asarray(MOST))
    going = lambda now: (now.left > 0) & jnp.isfinite(now.best.total)  # noqa: E731
    step = lambda now: try_next(setting, now, changes, effort, local)  # noqa: E731
    return jax.lax.while_loop(going, step, begin).best
