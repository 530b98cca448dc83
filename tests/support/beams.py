"""Margins of beams on ellipsoids in NumPy, and small networks, for the tests of beamforming."""

import jax
import numpy as np

from sgl_jax.applications import beamforming as bf


def least_margin(center, root, beams, gamma, user):
    """Minimises the margin of a user over its ellipsoid, with a certificate of optimality.

    It solves the trust-region problem in all n dimensions by bisection of its multiplier.
    """
    sign = -np.ones(len(beams))
    sign[user] = 1.0 / gamma[user]
    m = np.einsum("l,li,lj->ij", sign, beams, beams.conj())
    q, b = root.conj().T @ m @ root, root.conj().T @ m @ center
    w, e = np.linalg.eigh(q)
    size = np.abs(e.conj().T @ b)

    def length(t):
        return np.sqrt(np.sum((size / np.maximum(w + t, 1e-300)) ** 2))

    low, high = max(0.0, -w[0]), max(0.0, -w[0]) + np.linalg.norm(b) + 1.0
    if w[0] > 0 and length(0.0) <= 1.0:
        high = low
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if length(middle) > 1.0 else (low, middle)
    # The dual value, concave in t: no rounding of t makes it exceed the minimum.
    dual = -np.sum(size**2 / np.maximum(w + high, 1e-300)) - high
    return float(dual + (center.conj() @ m @ center).real)


def draw(seed, **options):
    """Draws a small network and learns its ellipsoids."""
    found = bf.draw(jax.random.key(seed), **options)
    return found, bf.learn_ellipsoids(found.samples)


def check(net, sets, out, tolerance=1e-6):
    """Checks all that a solution claims, by NumPy alone; returns its total power."""
    beams, on = np.asarray(out.beams), np.asarray(out.tasking)
    center, root = np.asarray(sets.center), np.asarray(sets.root)
    gamma, pmax, eta = (np.asarray(x) for x in (net.gamma, net.pmax, net.eta))
    parts = beams.reshape(len(beams), -1, net.antennas).swapaxes(0, 1)
    assert np.all(parts[~on] == 0)
    assert np.all(on.any(axis=0))
    powers = np.sum(np.abs(parts) ** 2, axis=(1, 2))
    assert np.all(powers <= pmax * (1 + 1e-6))
    for user in range(len(beams)):
        least = least_margin(center[user], root[user], beams, gamma, user)
        assert least >= 1.0 - tolerance
        assert abs(least - float(out.margin[user])) <= 1e-7 * max(1.0, abs(least))
    transmit = np.sum(powers / eta)
    total = transmit + np.sum(np.asarray(net.pcomp)[on])
    assert abs(transmit - float(out.transmit_power)) <= 1e-9 * transmit
    assert abs(total - float(out.total_power)) <= 1e-9 * total
    assert float(out.lower_bound) <= transmit * (1 + 1e-9)
    return total
