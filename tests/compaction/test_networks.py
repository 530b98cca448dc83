"""The zoo's units are right: a network narrowed by them by hand gives the same answers."""

import jax
import numpy as np
import pytest
from support.networks import NETWORKS, kill, narrow_by_hand, narrow_widths, sparing

from sgl_jax._util.pytree import flatten_by_path


PUBLISHED = {
    "lenet5": 431_080,
    "vgg16": 14_991_946,
    "resnet20_identity": 269_722,
    "resnet56_identity": 853_018,
    "wrn28_10": 36_479_194,
}


def shapes(tree):
    return {path: leaf.shape for path, leaf in flatten_by_path(tree)[0].items()}


def run(apply, params, x):
    return np.asarray(jax.jit(apply)(params, x))


@pytest.mark.parametrize("name", sparing(NETWORKS))
def test_network_without_its_dead_channels_is_the_narrow_network(name):
    spec = NETWORKS[name]
    apply, params = spec.build()
    killed, dead = kill(spec, params, 1, 0.5)
    narrow_apply, blank = spec.build(narrow_widths(spec, dead))
    narrow = narrow_by_hand(spec, killed, dead)
    assert all(0 < len(channels) < width for channels, width in zip(dead, spec.widths, strict=True))
    assert shapes(narrow) == shapes(blank)
    assert jax.tree.structure(narrow) == jax.tree.structure(blank)
    x = spec.inputs(8, seed=2)
    full, small = run(apply, killed, x), run(narrow_apply, narrow, x)
    assert np.median(np.std(full, axis=0)) > 1e-2 * np.max(np.abs(full))  # the input matters
    if not spec.counting:
        np.testing.assert_allclose(small, full, rtol=1e-5, atol=1e-5 * np.max(np.abs(full)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_network_has_the_parameters_of_the_published_one(name):
    spec = NETWORKS[name]
    _, (params, _) = spec.build(spec.full_widths)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PUBLISHED[name]


def test_killed_channels_are_zero_in_their_writers_and_the_rest_is_as_before():
    spec = NETWORKS["densenet"]
    _, params = spec.build()
    killed, dead = kill(spec, params, 1, 0.5)
    before, after = flatten_by_path(params)[0], flatten_by_path(killed)[0]
    zeroed = dict.fromkeys(before, 0)
    for entries, channels in zip(spec.writers(), dead, strict=True):
        for path, axis, index in entries:
            slices = np.take(np.asarray(after[path]), index[channels].ravel(), axis)
            assert not np.any(slices)
            zeroed[path] += slices.size
    for path, leaf in before.items():
        changed = np.asarray(leaf) != np.asarray(after[path])
        assert np.sum(changed) == zeroed[path]
