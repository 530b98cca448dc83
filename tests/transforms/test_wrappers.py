"""Our links behind every wrapper of Optax, against the same links without it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.problems import RATE, assert_same, draw, gradients, run
from support.setups import METHODS, SUBGRADIENT
from support.tiers import paired, usual

import sgl_jax as sgl


MASK = {"conv": True, "fc": {"kernel": False, "bias": True}}
LABELS = {"conv": "sparse", "fc": {"kernel": "plain", "bias": "sparse"}}
COVERED = ("conv/kernel", "conv/bias", "fc/bias")
EVERY = (*COVERED, "fc/kernel")


def partition(tx):
    return optax.partition({"sparse": tx, "plain": optax.sgd(RATE)}, LABELS)


def once(feed):
    return feed


def twice(feed):
    """Two mini-steps with the same gradient for every step."""
    return [gradient for gradient in feed for _ in range(2)]


def interrupted(feed):
    """Gradients that are not finite between the others."""
    broken = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), draw(0))
    return [broken, *feed[:4], broken, broken, *feed[4:]]


WRAPPERS = {
    "masked": (lambda tx: optax.masked(tx, MASK), once, COVERED),
    "partition": (partition, once, COVERED),
    "multi_steps": (lambda tx: optax.MultiSteps(tx, 2), twice, EVERY),
    "apply_if_finite": (lambda tx: optax.apply_if_finite(tx, 5), interrupted, EVERY),
}
"""How to wrap, what to feed so that ten steps are emitted, and which leaves are covered."""


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


several = pytest.mark.parametrize(
    "method", usual(METHODS, ["splitting_sgd", "apply_prox_sgd", "prox_adam", "admm", "fista"])
)


def number(count):
    """A schedule."""
    return 0.05 / (1.0 + 0.1 * count)


def picked(tree, paths):
    return [tree[layer][leaf] for layer, leaf in (path.split("/") for path in paths)]


@functools.cache
def result(method, scheduled=False):
    """What a method arrives at without a wrapper."""
    return sparse_after(METHODS[method](number) if scheduled else METHODS[method](), gradients(10))


def sparse_after(tx, feed):
    params, state = run(tx, draw(0, 0.3), feed)
    return sgl.sparse_params(state, params)


@pytest.mark.parametrize("method", METHODS)
def test_method_makes_zeros_that_are_not_all(method):
    for kernel in picked(result(method), ("conv/kernel", "fc/kernel")):
        assert 0 < np.sum(kernel == 0) < kernel.size


@pytest.mark.parametrize(("method", "wrapper"), paired(METHODS, WRAPPERS))
def test_wrapper_changes_nothing(method, wrapper):
    wrap, feed, covered = WRAPPERS[wrapper]
    found = sparse_after(wrap(METHODS[method]()), feed(gradients(10)))
    assert_same(picked(found, covered), picked(result(method), covered))


@several
def test_inject_hyperparams_changes_nothing(method):
    # Injected, 1 - b2 of Adam is a difference in single precision.
    rtol = 1e-4 if method == "prox_adam" else 1e-6
    tx = METHODS[method](number, factory=optax.inject_hyperparams)
    assert_same(sparse_after(tx, gradients(10)), result(method, scheduled=True), rtol)


def test_inject_hyperparams_changes_nothing_for_subgradients():
    found = sparse_after(SUBGRADIENT(number, factory=optax.inject_hyperparams), gradients(10))
    assert_same(found, sparse_after(SUBGRADIENT(number), gradients(10)))
    constant = sparse_after(SUBGRADIENT(number(0)), gradients(10))
    assert not np.allclose(found["conv"]["bias"], constant["conv"]["bias"], rtol=1e-3)


@several
def test_lookahead_changes_nothing_before_its_first_sync(method):
    tx = optax.lookahead(METHODS[method](), sync_period=11, slow_step_size=0.5)
    params = optax.LookaheadParams.init_synced(draw(0, 0.3))
    step = jax.jit(lambda params, state, gradient: tx.update(gradient, state, params))
    state = tx.init(params)
    for gradient in gradients(10):
        updates, state = step(params, state, gradient)
        params = optax.apply_updates(params, updates)
    assert_same(sgl.sparse_params(state, params.fast), result(method))


def test_partition_takes_a_link_for_each_label():
    beside = optax.chain(optax.sgd(RATE), sgl.apply_prox(sgl.Regularizer(sgl.L1(0.2)), RATE))
    labels = {"conv": "split", "fc": "prox"}
    tx = optax.partition({"split": METHODS["splitting_adam"](), "prox": beside}, labels)
    found = sparse_after(tx, gradients(10))
    assert_same(found["conv"], result("splitting_adam")["conv"])
    assert_same(found["fc"], sparse_after(beside, gradients(10))["fc"])


def test_wrappers_nest():
    inner = METHODS["prox_adam"](number, factory=optax.inject_hyperparams)
    tx = optax.apply_if_finite(optax.MultiSteps(partition(inner), 2), 5)
    found = sparse_after(tx, [interrupted([])[0], *twice(gradients(10))])
    expected = result("prox_adam", scheduled=True)
    assert_same(picked(found, COVERED), picked(expected, COVERED), rtol=1e-4)
