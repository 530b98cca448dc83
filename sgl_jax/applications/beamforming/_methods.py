"""The catalogue of methods: how each finds the pairs that are on."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp

import sgl_jax as sgl
from sgl_jax.applications.beamforming._engine import FINE, Effort
from sgl_jax.applications.beamforming._rounds import (
    Weighing,
    keep_strong,
    reweigh,
    settle,
    switch_off,
)
from sgl_jax.applications.beamforming._search import all_taskings, neighbours, search
from sgl_jax.applications.beamforming._setting import Plan, Setting


__all__ = ["METHODS", "REWEIGHTED", "Method", "effort_of", "improve", "slope_weighing"]

Method: TypeAlias = Callable[[Setting, Any], Plan]
"""Takes the setting and the penalty, and returns a plan."""

SMOOTHING = 1e-4  # W, to which the offsets of reweighting fall
FALL = 0.3
ROUNDS = 16
REWEIGHTED = ("reweighted", "reweighted_dc")
PLAIN = FINE._replace(rounds=1)


def all_on(setting: Setting, penalty: Any) -> Plan:
    """Switches on all pairs that are allowed."""
    return settle(setting, setting.allowed, setting.gain, FINE)


def strongest(setting: Setting, penalty: Any) -> Plan:
    """Switches on the strongest pair of every user, and the next ones until targets are met."""
    gain = jnp.where(setting.allowed, setting.gain, -1.0)
    best = (gain >= jnp.max(gain, axis=0, keepdims=True)) & setting.allowed
    return settle(setting, best, setting.gain, FINE)


def root_weighing(setting: Setting) -> Weighing:
    """Weighs pairs for the mixed l1 and l2 norm, ``2 sqrt(P / eta) |v|`` for every pair."""
    factor = jnp.sqrt(setting.pcomp / setting.eta[:, None])
    penalty = sgl.Lq(lam=2.0, q=0.5)  # on powers, the roots of which are the norms
    return Weighing(penalty, jnp.zeros_like(setting.eta)[:, None], factor, jnp.full(ROUNDS, 1e-8))


def l12(setting: Setting, penalty: Any) -> Plan:
    """Minimises the mixed l1 and l2 norm of the beams, and leaves weak pairs out."""
    found = reweigh(setting, root_weighing(setting))
    plan = settle(setting, keep_strong(found.powers, setting.allowed), found.powers, FINE)
    return plan._replace(count=plan.count + found.count)


def ordering(setting: Setting, penalty: Any) -> Plan:
    """Switches off pairs by their rank in the mixed l1 and l2 norm, and takes the best tasking."""
    found = reweigh(setting, root_weighing(setting))
    plan = switch_off(setting, found.powers, FINE)
    return plan._replace(count=plan.count + found.count)


def slope_weighing(setting: Setting, penalty: Any) -> Weighing:
    """Weighs pairs by the slope of a penalty at their powers, with offsets that fall."""
    offsets = jnp.maximum(FALL ** jnp.arange(ROUNDS) - SMOOTHING, 0.0)
    return Weighing(penalty, 1.0 / setting.eta[:, None], setting.pcomp, offsets)


def by_reweighting(setting: Setting, penalty: Any, effort: Effort) -> Plan:
    """Weighs every pair by the slope of a concave penalty at its power, round after round."""
    found = reweigh(setting, slope_weighing(setting, penalty))
    plan = settle(setting, keep_strong(found.powers, setting.allowed), found.powers, effort)
    return plan._replace(count=plan.count + found.count)


def reweighted(setting: Setting, penalty: Any) -> Plan:
    """Reweights, and takes principal directions where a relaxation is not of rank one."""
    return by_reweighting(setting, penalty, PLAIN)


def reweighted_dc(setting: Setting, penalty: Any) -> Plan:
    """Reweights, and leads relaxations to rank one by a difference of convex functions."""
    return by_reweighting(setting, penalty, FINE)


def exhaustive(setting: Setting, penalty: Any) -> Plan:
    """Tries all taskings in the order of their bounds, until none can be better."""
    plan = all_on(setting, penalty)
    return search(setting, plan, all_taskings(*setting.pcomp.shape), FINE, local=False)


METHODS: dict[str, Method] = {
    "all_on": all_on,
    "exhaustive": exhaustive,
    "l12": l12,
    "ordering": ordering,
    "reweighted": reweighted,
    "reweighted_dc": reweighted_dc,
    "strongest": strongest,
}
"""The methods by name."""


def effort_of(method: str) -> Effort:
    """Returns what a solution may cost in a search after a method."""
    return PLAIN if method == "reweighted" else FINE


def improve(setting: Setting, plan: Plan, method: str) -> Plan:
    """Searches from a plan among its neighbours, switched or moved by one pair."""
    changes = neighbours(*setting.pcomp.shape)
    return search(setting, plan, changes, effort_of(method), local=True)
