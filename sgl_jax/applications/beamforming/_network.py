"""Networks: costs, limits and targets, and the checks of what a user gives."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax.applications._trees import value_tree
from sgl_jax.applications.beamforming._double import in_double


__all__ = ["Network", "is_known"]

RANGES: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "pcomp": (lambda x: x >= 0, "at least 0 W"),
    "eta": (lambda x: (x > 0) & (x <= 1), "above 0 and at most 1"),
    "pmax": (lambda x: x > 0, "above 0 W; dBm are converted by from_dbm"),
    "gamma": (lambda x: x > 0, "above 0, as ratios; decibels are converted by from_db"),
}
"""Admissible numbers, and how an error says so, by attribute."""

IMPLAUSIBLE = {
    "gamma": (100.0, "target above 100 (20 dB)", "decibels, convert it by from_db"),
    "pmax": (20.0, "limit above 20 W", "dBm, convert it by from_dbm"),
}
"""Largest usual numbers, and how a warning says so; 20 dBm would be 0.1 W."""


def is_known(x: Any) -> bool:
    """True if numbers can be looked at, since they are not traced."""
    return not isinstance(x, jax.core.Tracer)


@value_tree(static=("antennas",))
class Network:
    r"""Access points that may run tasks, and users who want the results.

    N access points have L antennas each, K users want one task each, and task k runs at access
    point n if and only if that has a beam for it. A tasking of least power solves

    .. math:: \min \; \sum_{nk} \frac{\|v_{nk}\|^2}{\eta_n} + \sum_{nk} P_{nk} [v_{nk} \ne 0]
        \quad \text{s.t.} \quad \sum_k \|v_{nk}\|^2 \le P^{\max}_n, \quad
        \Pr(\mathrm{SINR}_k \ge \gamma_k) \ge 1 - \varepsilon.

    Powers are in watts, targets are ratios (:func:`from_db`), channels are divided by the standard
    deviation of the noise. Entries of a channel are those of the first access point, then those
    of the second, and so on. Numbers that are one for all may be given as one.

    Attributes:
      antennas: number L of antennas of an access point, at least 1.
      pcomp: power of every pair's computation, (N, K), W, at least 0.
      eta: efficiency of the amplifiers, (N,), in (0, 1].
      pmax: limit of the transmitted power, (N,), W, above 0.
      gamma: targets of the signal over interference and noise, (K,), ratios above 0.

    Raises:
      ValueError: a number is out of its range, or a shape does not fit.

    Example:
      >>> import numpy as np
      >>> from sgl_jax.applications import beamforming as bf
      >>> net = bf.Network(antennas=2, pcomp=np.full((3, 4), 0.45), gamma=bf.from_db(6.0))
      >>> net.points, net.users, net.gamma.shape
      (3, 4, (4,))
    """

    antennas: int
    pcomp: Any
    eta: Any = 0.25
    pmax: Any = 1.0
    gamma: Any = 10.0**0.6

    def __post_init__(self) -> None:
        with_arrays(self)

    @property
    def points(self) -> int:
        """The number of access points."""
        return self.pcomp.shape[-2]

    @property
    def users(self) -> int:
        """The number of users."""
        return self.pcomp.shape[-1]


@in_double
def with_arrays(network: Network) -> None:
    """Replaces what was given by arrays of float64, all of their full shapes, after the checks."""
    if not (isinstance(network.antennas, int) and network.antennas >= 1):
        raise ValueError(
            f"A network needs antennas, a whole number of at least 1, got {network.antennas!r}."
        )
    if np.ndim(network.pcomp) != 2:
        raise ValueError(
            f"A network needs pcomp of shape (access points, users), got {np.shape(network.pcomp)}."
        )
    points, users = np.shape(network.pcomp)
    shapes = {"pcomp": (points, users), "eta": (points,), "pmax": (points,), "gamma": (users,)}
    for name, shape in shapes.items():
        given = getattr(network, name)
        if np.shape(given) not in ((), shape):
            raise ValueError(
                f"A network of {points} access points and {users} users needs {name} of shape "
                f"{shape}, or one number, got {np.shape(given)}."
            )
        if is_known(given):
            check_range(name, np.asarray(given))
        object.__setattr__(network, name, jnp.broadcast_to(jnp.asarray(given, float), shape))


def check_range(name: str, given: np.ndarray) -> None:
    """Refuses numbers out of their range, and warns of such as look like decibels."""
    is_good, needed = RANGES[name]
    if not (np.all(is_good(given)) and np.all(np.isfinite(given))):
        raise ValueError(f"A network needs {name} {needed}, got {given.tolist()}.")
    most, what, advice = IMPLAUSIBLE.get(name, (np.inf, "", ""))
    if np.any(given > most):
        warnings.warn(
            f"A {what} is unusual, got {np.max(given):g}: if it is in {advice}.", stacklevel=6
        )
