"""Compacted networks of many kinds are exported for any batch, and states of optimizers follow."""

import functools
import re

import jax
import numpy as np
import optax
import pytest
from support.exported import exported
from support.networks import DEEP, NETWORKS, kill, narrow_by_hand, sparing, trained

import sgl_jax as sgl
from sgl_jax._util.pytree import flatten_by_path


ALIKE = (
    "conv4",
    "equinox_lenet5",
    "haiku_residual",
    "linen_residual",
    "resnet20_identity",
    "wrn10_2",
)
"""Networks of which there is one more of the same kind."""

FAMILIES = [name for name in NETWORKS if name not in (*ALIKE, *DEEP)]


@functools.cache
def compacted(name):
    """A network with dead channels, its arrays, and the network without them."""
    spec = NETWORKS[name]
    apply, params = spec.build()
    params, _ = kill(spec, params, seed=4, share=0.4)
    return apply, params, sgl.compact(apply, params, spec.inputs(2, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", sparing(FAMILIES))
def test_networks_are_exported_for_any_batch(tmp_path, name):
    apply, params, small = compacted(name)
    found, inputs = exported(tmp_path, small), NETWORKS[name].inputs(5, seed=2)
    expected = np.asarray(jax.jit(apply)(params, inputs))
    for batch in (1, 3, 5):
        leaves = [leaf[:batch] for leaf in jax.tree.leaves(inputs)]
        (outputs,) = found(*leaves)
        atol = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(outputs, expected[:batch], rtol=0, atol=atol)


OPTIMIZERS = {
    "adam": optax.adam(0.01),
    "lion": optax.lion(0.01),
    "momentum": optax.sgd(0.01, momentum=0.9),
    "proximal adam": sgl.prox_adam(0.01, sgl.Regularizer(sgl.L1(0.1))),
    "rmsprop": optax.rmsprop(0.01, centered=True, momentum=0.9),
}
"""Optimizers that treat every entry by itself, so that a slice of their state is all they need."""


def moments(state, like):
    """The trees in a state that are built like the parameters, and a function that sets them."""
    is_moment = lambda node: jax.tree.structure(node) == jax.tree.structure(like)  # noqa: E731
    parts, structure = jax.tree.flatten(state, is_leaf=is_moment)
    found = [part for part in parts if is_moment(part)]
    return found, lambda tree: structure.unflatten(
        [tree if is_moment(part) else part for part in parts]
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sparing(FAMILIES))
def test_moments_are_those_of_the_network_built_narrow(name):
    _, variables, small = compacted(name)
    _, dead = kill(NETWORKS[name], variables, seed=4, share=0.4)
    params = trained(variables)
    expected = trained(narrow_by_hand(NETWORKS[name], variables, dead))
    for tx in OPTIMIZERS.values():
        zeros, with_moments = moments(tx.init(params), params)
        found, _ = moments(small.shrink(with_moments(params)), params)
        assert len(found) == len(zeros) > 0
        for moment in found:
            assert_equal(moment, expected)


def assert_equal(found, expected):
    found, expected = flatten_by_path(found)[0], flatten_by_path(expected)[0]
    assert list(found) == list(expected)
    for path, leaf in expected.items():
        np.testing.assert_array_equal(found[path], leaf, err_msg=path)


@pytest.mark.parametrize("name", sparing(FAMILIES, ["llama"]))
def test_state_of_adafactor_is_refused_by_its_name(name):
    _, variables, small = compacted(name)
    with jax.numpy_rank_promotion("allow"):
        state = optax.adafactor(0.01).init(trained(variables))
    with pytest.raises(ValueError, match="Adafactor's step depends on means"):
        small.shrink(state)


@pytest.mark.slow
def test_dead_latent_variable_that_meets_given_noise_stays_with_a_reason():
    spec = NETWORKS["vae"]
    apply, (params, rest) = spec.build()
    kernel = params["fc"]["kernel"]
    kernel[...] = kernel[...].at[1].set(0)
    report = sgl.compact(apply, (params, rest), spec.inputs(2, seed=1)).report
    assert not report.shapes
    (reason,) = report.staying
    assert re.search(r"mul at .*vae\.py:\d+ \(VAE.__call__\) joins it with an axis", reason)
