"""The entry: checks, a method, and the report of what it found."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

import sgl_jax as sgl
from sgl_jax.applications._trees import value_tree
from sgl_jax.applications.beamforming._double import ArrayLike, in_double
from sgl_jax.applications.beamforming._ellipsoids import Ellipsoids
from sgl_jax.applications.beamforming._methods import METHODS, REWEIGHTED, improve, slope_weighing
from sgl_jax.applications.beamforming._network import Network, is_known
from sgl_jax.applications.beamforming._problem import find_loads, price_of
from sgl_jax.applications.beamforming._rounds import History, reweigh
from sgl_jax.applications.beamforming._setting import Plan, Setting, make_problem, make_setting
from sgl_jax.applications.beamforming._worst import find_worst, signs


__all__ = ["Solution", "history", "solve"]

TOLERANCE = 1e-6  # of targets and limits, relative


@value_tree()
class Solution:
    """A tasking, its beams, and what certifies them; arrays of float64 and complex128.

    Where no beams are known that meet all targets, ``feasible`` is false and the numbers are zero.

    Attributes:
      beams: (K, n), sqrt(W); exactly zero for pairs that are off.
      tasking: the pairs that are on, (N, K).
      total_power: of transmission and computation, W.
      transmit_power: of transmission, the radiated power over the efficiency, W.
      lower_bound: a lower bound of the transmission of any beams for this tasking, W.
      margin: received power over the target minus interference, at the worst channel of every
        ellipsoid, with the noise as unit, (K,); at least 1 where the target is met.
      rank_gap: largest share of a lifted beam outside its principal direction, in the relaxation
        for this tasking; 0 where a solution of rank one was found without one.
      feasible: if all targets and limits are met.
      iterations: certificates and relaxations on the way.
    """

    beams: Complex[Array, "K n"]
    tasking: Bool[Array, "N K"]
    total_power: Float[Array, ""]
    transmit_power: Float[Array, ""]
    lower_bound: Float[Array, ""]
    margin: Float[Array, " K"]
    rank_gap: Float[Array, ""]
    feasible: Bool[Array, ""]
    iterations: Int[Array, ""]


@in_double
def solve(
    net: Network,
    sets: Ellipsoids,
    *,
    method: str = "reweighted_dc",
    penalty: Any = None,
    local_search: bool = False,
    tasking: Bool[ArrayLike, "N K"] | None = None,
) -> Solution:
    r"""Finds a tasking and beams of little total power that meet all targets on all channels.

    .. math:: \min \; \sum_{nk} \frac{\|v_{nk}\|^2}{\eta_n} + \sum_{nk} P_{nk} [v_{nk} \ne 0]
        \quad \text{s.t.} \quad \mathrm{SINR}_k(h) \ge \gamma_k \; \forall h \in \mathcal{E}_k,
        \quad \sum_k \|v_{nk}\|^2 \le P^{\max}_n

    Beams for given pairs are certified: an iteration between beams and worst channels gives a
    bound and beams at every step, and an interior-point method for the relaxation of rank one
    takes over where these do not meet. If its relaxation is not of rank one, a difference of
    convex functions leads it there, to beams that may cost more than the bound; both are reported.

    The arithmetic is in float64, whatever the flag of JAX says, and so are the results; NumPy reads
    them, and JAX computes with them under ``jax.enable_x64(True)``. ``jax.vmap`` needs no flag;
    ``jax.jit``, ``jax.grad`` and the like around the function need it.

    Derivatives are those for the tasking that is found. The powers have them in all numbers of the
    network and the sets: by the envelope theorem, from the multipliers of targets and limits, they
    are those of the least power, where the worst channels are unique (of the bound, where the rank
    gap is not 0). The margins have them at fixed beams. Beams, tasking, bound, rank gap and counts
    are constant to differentiation, and so is the choice of pairs.

    Args:
      net: the network.
      sets: the sets of channels, from :func:`learn_ellipsoids` or made by hand.
      method: a key of :data:`METHODS`.
      penalty: a concave penalty of a norm, for the methods of reweighting alone: a pair costs its
        slope at the power of the pair. By default it is ``LogSum(1.0, gamma=1e-4)``.
      local_search: if pairs are then switched and moved, one at a time, while that helps.
      tasking: pairs that may be on, (N, K); all by default. With ``"all_on"`` they are on.

    Raises:
      ValueError: a shape does not fit, a name or a penalty is unknown, or the function is compiled
        or differentiated without 64-bit types.

    References:
      Yang, Shi, Yu and Ding, Energy-efficient processing and robust wireless cooperative
      transmission for edge inference, IEEE Internet Things J. 7, 2020.
      Wiesel, Eldar and Shamai, Linear precoding via conic optimization for fixed MIMO receivers,
      IEEE Trans. Signal Process. 54, 2006.

    Example:
      >>> import jax
      >>> from sgl_jax.applications import beamforming as bf
      >>> found = bf.draw(jax.random.key(1))
      >>> sets = bf.learn_ellipsoids(found.samples)
      >>> out = bf.solve(found.network, sets, method="all_on")
      >>> print(f"{float(out.transmit_power):.4f} W, bound {float(out.lower_bound):.4f} W")
      2.0632 W, bound 2.0632 W
    """
    setting, penalty = prepare(net, sets, method, penalty, tasking)
    constant = jax.lax.stop_gradient(setting)
    plan = METHODS[method](constant, penalty)
    if local_search:
        plan = improve(constant, plan, method)
    return report(setting, plan)


@in_double
def history(net: Network, sets: Ellipsoids, *, penalty: Any = None) -> History:
    """Reweights as :func:`solve` does, and returns what every round found.

    Args:
      net: the network.
      sets: the sets of channels.
      penalty: as for :func:`solve`.

    Example:
      >>> import jax
      >>> from sgl_jax.applications import beamforming as bf
      >>> found = bf.draw(jax.random.key(1))
      >>> rounds = bf.history(found.network, bf.perfect(found.channels))
      >>> rounds.pairs.shape
      (17,)
    """
    setting, penalty = prepare(net, sets, "reweighted", penalty, None)
    setting = jax.lax.stop_gradient(setting)
    return reweigh(setting, slope_weighing(setting, penalty)).history


def prepare(
    net: Network, sets: Ellipsoids, method: str, penalty: Any, tasking: Any
) -> tuple[Setting, Any]:
    """Checks what a user gives; returns the setting and the penalty."""
    allowed = check(net, sets, method, penalty, tasking)
    penalty = sgl.LogSum(1.0, gamma=1e-4) if penalty is None else penalty
    return make_setting(net, sets, allowed), penalty


def check_method(method: str, penalty: Any) -> None:
    """Refuses methods that are unknown, and penalties that give no weights."""
    if method not in METHODS:
        raise ValueError(f"A method needs to be one of {', '.join(METHODS)}, got {method!r}.")
    if penalty is not None and method not in REWEIGHTED:
        raise ValueError(
            f"A penalty needs one of the methods {', '.join(REWEIGHTED)}, got {method!r}."
        )
    if penalty is not None and getattr(penalty, "curvature", None) != "concave":
        raise ValueError(
            f"Weights need a concave penalty of a norm, such as LogSum, got {penalty!r}."
        )


def check(
    net: Network, sets: Ellipsoids, method: str, penalty: Any, tasking: Any
) -> Bool[Array, "N K"]:
    """Refuses what does not fit together; returns the pairs that may be on."""
    check_method(method, penalty)
    points, users = net.pcomp.shape
    needed = (users, points * net.antennas)
    if sets.center.shape != needed:
        raise ValueError(
            f"A network of {points} access points with {net.antennas} antennas and {users} users "
            f"needs channels of shape {needed}, got {sets.center.shape}."
        )
    if tasking is None:
        return jnp.ones((points, users), bool)
    if np.shape(tasking) != (points, users):
        raise ValueError(
            f"A tasking needs the shape {(points, users)} of pcomp, got {np.shape(tasking)}."
        )
    if is_known(tasking) and not np.all(np.any(np.asarray(tasking), axis=0)):
        lone = int(np.argmin(np.any(np.asarray(tasking), axis=0)))
        raise ValueError(f"A tasking needs an access point for every user, got none for {lone}.")
    return jnp.asarray(tasking, bool)


@jax.jit
def report(setting: Setting, plan: Plan) -> Solution:
    """Computes all figures from the beams, with the derivatives of the powers and margins."""
    problem, solved = setting.problem, jax.lax.stop_gradient(plan.solved)
    known = jnp.isfinite(plan.total)
    beams = jnp.where(known, solved.beams, 0.0) * make_problem(setting, plan.tasking).mask
    margin = find_worst(problem.center, problem.root, beams, problem.gamma).margin
    loads = find_loads(problem, beams)
    held = jnp.all(margin >= 1.0 - TOLERANCE) & jnp.all(loads <= problem.pmax * (1.0 + TOLERANCE))
    transmit = price_of(problem, beams)
    change = lagrangian(setting, solved, beams)
    transmit = jax.lax.stop_gradient(transmit) + change - jax.lax.stop_gradient(change)
    computing = jnp.sum(jnp.where(plan.tasking, setting.pcomp, 0.0))
    return Solution(
        beams=beams,
        tasking=plan.tasking,
        total_power=jnp.where(known, transmit + computing, 0.0),
        transmit_power=jnp.where(known, transmit, 0.0),
        lower_bound=jnp.where(known, jnp.maximum(solved.lower, 0.0), 0.0),
        margin=jnp.where(known, margin, 0.0),
        rank_gap=jnp.where(known, solved.rank_gap, 0.0),
        feasible=known & held,
        iterations=plan.count,
    )


def lagrangian(setting: Setting, solved: Any, beams: Complex[Array, "K n"]) -> Float[Array, ""]:
    """Computes the Lagrangian, whose derivative at fixed beams is that of the least power."""
    problem = setting.problem
    maps = jnp.concatenate([problem.root, problem.center[:, :, None]], axis=2)
    received = jnp.einsum("kia,li->kal", maps.conj(), beams)
    powers = jnp.einsum("kal,kab,kbl->kl", received.conj(), solved.mixture, received).real
    margins = jnp.sum(signs(problem.gamma) * powers, axis=1)
    over = find_loads(problem, beams) - problem.pmax
    total = (
        price_of(problem, beams)
        + jnp.sum(solved.prices * (1.0 - margins))
        + jnp.sum(solved.limits * over)
    )
    return jnp.where(jnp.isfinite(solved.upper), total, 0.0)
