"""Small random networks lose every channel that is dead by construction, and nothing changes."""

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st
from support.random_networks import RandomNetwork

import sgl_jax as sgl


def check(seed):
    """Compacts in double precision, in which :func:`sgl.compact` asks for a difference of 1e-12."""
    with jax.enable_x64(True):
        network = RandomNetwork(seed)
        small = sgl.compact(network.apply, network.params, network.inputs, strict=True)
        if small.report.revived:
            return
        kept = dict(small.plan.leaves)
        for name, dead in network.dead.items():
            left = kept[name].kept[-1]
            left = range(len(dead)) if left is None else left
            assert not dead[list(left)].any(), (name, dead, left)


settings = hypothesis.settings(derandomize=True, deadline=None, database=None)


@pytest.mark.slow
@hypothesis.settings(settings, max_examples=10)
@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_random_network_loses_its_dead_channels(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_fifty_random_networks_lose_their_dead_channels(part):
    for seed in np.random.default_rng(part).integers(2**32, size=50).tolist():
        check(seed)
