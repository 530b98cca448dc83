"""The networks of the zoo: what is said of their channels is true, without the library's help."""

import jax
import numpy as np
import pytest
from networks import NETWORKS, kill, narrow_by_hand, narrow_widths

from sgl_jax._pytree import flatten_by_path


def shapes(tree):
    return {path: leaf.shape for path, leaf in flatten_by_path(tree)[0].items()}


def run(apply, params, x):
    return np.asarray(jax.jit(apply)(params, x))


@pytest.mark.parametrize("name", NETWORKS)
def test_network_without_its_dead_channels_is_the_narrow_network(name):
    spec = NETWORKS[name]
    apply, params = spec.build()
    killed, dead = kill(spec, params, 1, 0.5)
    narrow_apply, blank = spec.build(narrow_widths(spec, dead))
    narrow = narrow_by_hand(spec, killed, dead)
    assert all(0 < len(channels) < width for channels, width in zip(dead, spec.widths, strict=True))
    assert shapes(narrow) == shapes(blank)
    assert jax.tree.structure(narrow) == jax.tree.structure(blank)
    x = np.float32(np.random.default_rng(2).standard_normal((8, *spec.input_shape)))
    full, small = run(apply, killed, x), run(narrow_apply, narrow, x)
    assert np.median(np.std(full, axis=0)) > 1e-2 * np.max(np.abs(full))  # the input matters
    np.testing.assert_allclose(small, full, rtol=1e-5, atol=1e-5 * np.max(np.abs(full)))
