"""The worst channel: margins are global minima, certified in all dimensions, and differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import beams as oracle

from sgl_jax.applications.beamforming._double import in_double
from sgl_jax.applications.beamforming._worst import find_worst


def problem(seed, *, forced=False, size=0.3):
    """Draws centres, roots and beams; of zero-forcing beams others receive nothing at centres."""
    generator = np.random.default_rng(seed)

    def normal(*shape):
        return generator.normal(size=shape) + 1j * generator.normal(size=shape)

    center, root = normal(3, 6), size * normal(3, 6, 6)
    beams = np.linalg.pinv(center.conj()).T if forced else normal(3, 6)
    return center, root, beams, np.array([4.0, 0.5, 1.0])


@in_double
def find(*args):
    return jax.jit(find_worst)(*map(jnp.asarray, args))


@pytest.mark.parametrize("forced", [False, True])
def test_margin_is_the_minimum_over_the_ellipsoid(forced):
    for seed in range(20):
        args = problem(seed, forced=forced, size=0.3 if seed % 2 else 0.01)
        worst = find(*args)
        assert np.all(np.linalg.norm(worst.u, axis=1) <= 1.0 + 1e-12)
        for user in range(3):
            least = oracle.least_margin(args[0][user], args[1][user], *args[2:], user)
            assert abs(float(worst.margin[user]) - least) <= 1e-8 * (1.0 + abs(least))


def test_no_ellipsoid_leaves_the_centre():
    center, root, beams, gamma = problem(0)
    margin = find(center, 0.0 * root, beams, gamma).margin
    powers = np.abs(center.conj() @ beams.T) ** 2
    own = np.diag(powers)
    np.testing.assert_allclose(margin, own / gamma - (powers.sum(axis=1) - own), rtol=1e-12)


@in_double
def test_derivative_is_that_at_the_worst_channel():
    center, root, beams, gamma = map(jnp.asarray, problem(3))
    towards = jnp.asarray(problem(4)[0])

    @jax.jit
    @jax.value_and_grad
    def margin(step):
        return find_worst(center + step * towards, root, beams, gamma).margin[0]

    near = (margin(1e-6)[0] - margin(-1e-6)[0]) / 2e-6
    np.testing.assert_allclose(margin(0.0)[1], near, rtol=1e-6)
