"""Powers on given pairs beside conic programs of cvxpy and Clarabel, where they are installed."""

import jax
import numpy as np
import pytest
from support import beams, conic

from sgl_jax.applications import beamforming as bf


pytest.importorskip("cvxpy", reason="cvxpy is not installed")


def draw(seed):
    """Draws a network, every fourth of them a medium one, its sets, and pairs of it at random."""
    found = bf.draw(jax.random.key(300 + seed), size="small" if seed % 4 else "medium")
    mask = np.random.default_rng(seed).random(found.network.pcomp.shape) < (0.8 if seed % 3 else 1)
    mask[0] |= ~mask.any(axis=0)
    return found.network, bf.learn_ellipsoids(found.samples), mask


def agrees(out, program, tolerance):
    """Tells if power and bound are the value of a program, as far as that is accurate."""
    value, error = conic.solve(program)
    if not np.isfinite(value):
        return np.isnan(value) or not bool(out.feasible)
    within = max(tolerance * value, error)
    found = np.array([out.transmit_power, out.lower_bound])
    return bool(out.feasible) and bool(np.all(np.abs(found - value) <= within))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(20))
def test_power_on_given_pairs_is_that_of_the_conic_program(seed):
    net, sets, mask = draw(seed)
    out = bf.solve(net, sets, method="all_on", tasking=mask)
    if bool(out.feasible):
        beams.check(net, sets, out)
    assert agrees(out, conic.relaxed_program(net, sets, mask), 1e-5)
    out = bf.solve(net, bf.perfect(sets.center), method="all_on", tasking=mask)
    assert agrees(out, conic.perfect_program(net, sets.center, mask), 1e-6)
