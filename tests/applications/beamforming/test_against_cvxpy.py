"""Powers on given pairs beside conic programs of cvxpy and Clarabel, where they are installed."""

import jax
import numpy as np
import pytest
from support import beams, conic

from sgl_jax.applications import beamforming as bf


pytest.importorskip("cvxpy", reason="cvxpy is not installed")

DRAWS = range(20)


def draw(seed):
    """Draws a network, every fourth of them a medium one, its sets, and pairs of it at random."""
    found = bf.draw(jax.random.key(300 + seed), size="small" if seed % 4 else "medium")
    mask = np.random.default_rng(seed).random(found.network.pcomp.shape) < (0.8 if seed % 3 else 1)
    mask[0] |= ~mask.any(axis=0)
    return found.network, bf.learn_ellipsoids(found.samples), mask


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", DRAWS)
def test_robust_power_is_that_of_the_conic_program(seed):
    net, sets, mask = draw(seed)
    out = bf.solve(net, sets, method="all_on", tasking=mask)
    value = conic.solve(conic.relaxed_program(net, sets, mask))
    assert bool(out.feasible) == np.isfinite(value)
    if np.isfinite(value):
        beams.check(net, sets, out)
        assert float(out.transmit_power) == pytest.approx(value, rel=1e-5)
        assert float(out.lower_bound) == pytest.approx(value, rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", DRAWS)
def test_power_for_perfect_channels_is_that_of_the_conic_program(seed):
    net, sets, mask = draw(seed)
    out = bf.solve(net, bf.perfect(sets.center), method="all_on", tasking=mask)
    value = conic.solve(conic.perfect_program(net, sets.center, mask))
    assert bool(out.feasible) == np.isfinite(value)
    if np.isfinite(value):
        assert float(out.transmit_power) == pytest.approx(value, rel=1e-6)
        assert float(out.lower_bound) == pytest.approx(value, rel=1e-6)
