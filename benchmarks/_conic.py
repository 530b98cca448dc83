"""A loop of conic solves, as cvxpy and Clarabel do them, where they are installed."""

import importlib.util
import time
from typing import Any

import numpy as np


__all__ = ["HAVE", "time_perfect", "time_relaxation"]

HAVE = importlib.util.find_spec("cvxpy") is not None
UNIT = 0.1  # W, in which the programs are well scaled


def time_relaxation(net: Any, center: np.ndarray, root: np.ndarray) -> tuple[float, float]:
    """Solves the relaxation of rank one with all pairs on; returns its value and seconds."""
    import cvxpy

    center, root = center * UNIT**0.5, root * UNIT**0.5
    users, n = center.shape
    v = [cvxpy.Variable((n, n), hermitian=True) for _ in range(users)]
    t = cvxpy.Variable(users, nonneg=True)
    constraints = [one >> 0 for one in v]
    for k in range(users):
        m = v[k] / float(net.gamma[k]) - sum(v[j] for j in range(users) if j != k)
        rho = np.linalg.norm(root[k]) / np.linalg.norm(center[k])
        f = np.concatenate([root[k] / rho, center[k][:, None]], axis=1)
        turn, corner = np.diag([*np.ones(n), -(rho**2)]), np.diag([*np.zeros(n), 1.0])
        constraints.append(f.conj().T @ m @ f + t[k] * turn - corner >> 0)
    total = sum(cvxpy.real(cvxpy.diag(one)) for one in v)
    weight = np.repeat(1.0 / np.asarray(net.eta), net.antennas)
    for point, most in enumerate(np.asarray(net.pmax)):
        own = slice(point * net.antennas, (point + 1) * net.antennas)
        constraints.append(cvxpy.sum(total[own]) <= most / UNIT)
    return _timed(cvxpy.Problem(cvxpy.Minimize(weight @ total), constraints))


def time_perfect(net: Any, channels: np.ndarray) -> tuple[float, float]:
    """Solves the second-order cone program of perfect channels; returns its value and seconds."""
    import cvxpy

    channels = channels * UNIT**0.5
    users, n = channels.shape
    v = cvxpy.Variable((n, users), complex=True)
    constraints = []
    for k in range(users):
        received = channels[k].conj() @ v
        others = [received[j] for j in range(users) if j != k]
        own = cvxpy.real(received[k]) / float(net.gamma[k]) ** 0.5
        constraints += [cvxpy.norm(cvxpy.hstack([*others, 1.0])) <= own]
        constraints += [cvxpy.imag(received[k]) == 0]
    for point, most in enumerate(np.asarray(net.pmax)):
        own = slice(point * net.antennas, (point + 1) * net.antennas)
        constraints.append(cvxpy.norm(v[own], "fro") <= (float(most) / UNIT) ** 0.5)
    weight = np.repeat(1.0 / np.asarray(net.eta), net.antennas)
    scaled = cvxpy.multiply(np.sqrt(weight)[:, None] * np.ones((1, users)), v)
    return _timed(cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(scaled)), constraints))


def _timed(problem: Any) -> tuple[float, float]:
    """Solves a program, in which the modelling counts."""
    import cvxpy

    began = time.perf_counter()
    try:
        problem.solve(solver=cvxpy.CLARABEL)
    except cvxpy.SolverError:
        return float("nan"), time.perf_counter() - began
    value = problem.value if problem.value is not None else np.inf
    return float(value) * UNIT, time.perf_counter() - began
