"""Conic programs of beamforming for cvxpy and Clarabel, where they are installed."""

import warnings

import numpy as np


__all__ = ["perfect_program", "relaxed_program", "solve"]

UNIT = 0.1  # W, in which the programs are well scaled


def relaxed_program(net, sets, mask):
    """Writes the relaxation of rank one on the pairs of a mask."""
    import cvxpy

    center, root = np.asarray(sets.center) * UNIT**0.5, np.asarray(sets.root) * UNIT**0.5
    users, n = center.shape
    v = [cvxpy.Variable((n, n), hermitian=True) for _ in range(users)]
    t = cvxpy.Variable(users, nonneg=True)
    constraints = [one >> 0 for one in v]
    for k in range(users):
        off = np.repeat(~mask[:, k], net.antennas)
        constraints += [v[k][i, i] == 0 for i in np.flatnonzero(off)]
        m = v[k] / float(net.gamma[k]) - sum(v[j] for j in range(users) if j != k)
        rho = np.linalg.norm(root[k]) / np.linalg.norm(center[k])
        f = np.concatenate([root[k] / rho, center[k][:, None]], axis=1)
        turn, corner = np.diag([*np.ones(n), -(rho**2)]), np.diag([*np.zeros(n), 1.0])
        constraints.append(f.conj().T @ m @ f + t[k] * turn - corner >> 0)
    total = sum(cvxpy.real(cvxpy.diag(one)) for one in v)
    for own, most in _points(net):
        constraints.append(cvxpy.sum(total[own]) <= most)
    return cvxpy.Problem(cvxpy.Minimize(_weight(net) @ total), constraints)


def perfect_program(net, channels, mask):
    """Writes the second-order cone program of perfect channels on the pairs of a mask."""
    import cvxpy

    channels = np.asarray(channels) * UNIT**0.5
    users, n = channels.shape
    v = cvxpy.Variable((n, users), complex=True)
    constraints = [v[i, k] == 0 for i, k in np.argwhere(~np.repeat(mask, net.antennas, axis=0))]
    for k in range(users):
        received = channels[k].conj() @ v
        others = [received[j] for j in range(users) if j != k]
        own = cvxpy.real(received[k]) / float(net.gamma[k]) ** 0.5
        constraints.append(cvxpy.norm(cvxpy.hstack([*others, 1.0])) <= own)
    for own, most in _points(net):
        constraints.append(cvxpy.norm(v[own], "fro") <= most**0.5)
    scaled = cvxpy.multiply(np.sqrt(_weight(net))[:, None] * np.ones((1, users)), v)
    return cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(scaled)), constraints)


def solve(problem):
    """Solves a program.

    Returns:
      Its value in W, infinite if it is infeasible, NaN if it is unsolved, and how far the solution
      may be from the optimum, by its violations of constraints times their multipliers.
    """
    import cvxpy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of solutions that Clarabel itself calls inaccurate
        try:
            problem.solve(solver=cvxpy.CLARABEL)
        except cvxpy.SolverError:
            return np.nan, np.inf
    if problem.value is None or not np.isfinite(problem.value):
        return np.inf, np.inf
    error = sum(map(_effect, problem.constraints))
    return float(problem.value) * UNIT, float(error) * UNIT


def _effect(constraint):
    """Bounds what the violation of a constraint changes in the value, to first order."""
    violation = np.max(np.abs(constraint.violation()))
    multiplier = constraint.dual_value
    if np.ndim(multiplier) == 2:
        return violation * np.trace(multiplier).real
    return violation * sum(np.sum(np.abs(part)) for part in np.atleast_1d(multiplier))


def _weight(net):
    return np.repeat(1.0 / np.asarray(net.eta), net.antennas)


def _points(net):
    """Lists the entries of every access point, and its limit."""
    for point, most in enumerate(np.asarray(net.pmax)):
        yield slice(point * net.antennas, (point + 1) * net.antennas), float(most) / UNIT
