"""The conic program of given pairs, as cvxpy and Clarabel solve it, where they are installed."""

import numpy as np
import pytest
from support import beams

from sgl_jax.applications import beamforming as bf


cvxpy = pytest.importorskip("cvxpy", reason="cvxpy is not installed")


def relaxed(net, sets, mask):
    """Solves the relaxation of rank one in units of 0.1 W, and returns its value in W."""
    unit = 0.1
    center, root = np.asarray(sets.center) * unit**0.5, np.asarray(sets.root) * unit**0.5
    gamma, pmax, eta = (np.asarray(x) for x in (net.gamma, net.pmax, net.eta))
    users, n = center.shape
    weight = np.repeat(1.0 / eta, net.antennas)
    v = [cvxpy.Variable((n, n), hermitian=True) for _ in range(users)]
    t = cvxpy.Variable(users, nonneg=True)
    constraints = [one >> 0 for one in v]
    for k in range(users):
        off = np.repeat(~mask[:, k], net.antennas)
        constraints += [v[k][i, i] == 0 for i in np.flatnonzero(off)]
        m = v[k] / gamma[k] - sum(v[j] for j in range(users) if j != k)
        rho = np.linalg.norm(root[k]) / np.linalg.norm(center[k])
        f = np.concatenate([root[k] / rho, center[k][:, None]], axis=1)
        turn = np.diag([*np.ones(n), -(rho**2)])
        corner = np.diag([*np.zeros(n), 1.0])
        constraints.append(f.conj().T @ m @ f + t[k] * turn - corner >> 0)
    total = sum(cvxpy.real(cvxpy.diag(one)) for one in v)
    for point in range(len(pmax)):
        own = slice(point * net.antennas, (point + 1) * net.antennas)
        constraints.append(cvxpy.sum(total[own]) <= pmax[point] / unit)
    problem = cvxpy.Problem(cvxpy.Minimize(weight @ total), constraints)
    problem.solve(solver=cvxpy.CLARABEL)
    return problem.value * unit


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [1, 4, 5, 6])
def test_power_on_given_pairs_is_that_of_the_conic_program(seed):
    found, sets = beams.draw(seed)
    mask = np.ones((3, 3), bool)
    out = bf.solve(found.network, sets, method="all_on", tasking=mask)
    value = relaxed(found.network, sets, mask)
    assert float(out.transmit_power) == pytest.approx(value, rel=1e-5)
    assert float(out.lower_bound) == pytest.approx(value, rel=1e-4)
