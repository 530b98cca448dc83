"""Hard-concrete gates: their distribution, gradients, penalty and zeros, and what they select."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.test_util import check_grads
from support.tiny import Tiny

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax.reparametrizations import REPARAMETRIZATIONS, HardConcrete, reparametrized
from sgl_jax.reparametrizations.hard_concrete import FURTHEST


KERNEL, LOCATIONS = np.arange(1.0, 13.0).reshape(3, 4), np.array([[-3.0, -0.5, 0.5, 3.0]])

COUNT = 20_000
"""Draws of gates."""


def trained(locations=LOCATIONS, dtype=float):
    weights = {"kernel": jnp.asarray(KERNEL, dtype), "bias": jnp.ones(4, dtype)}
    return {"gates": {"kernel": jnp.asarray(locations, float)}, "weights": weights}


def method(lam=0.1, **options):
    return HardConcrete(lam, sgl.by_filter(only="kernel"), **options)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def chance_above(z, locations=LOCATIONS, temperature=2 / 3):
    """The probability that a gate is above z in [0, 1): that of a logistic variable."""
    s = (z + 0.1) / 1.2
    return sigmoid(locations - temperature * np.log(s / (1 - s)))


def mean_gate(locations):
    """The expectation of gates: the integral of their tail, by the midpoint rule."""
    z = (np.arange(10_000) + 0.5) / 10_000
    return chance_above(z[:, None], locations).mean(axis=0)


def assert_mean(draws, expected):
    """The mean of draws is within five standard errors of what is expected."""
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - expected) < 5 * error).all()


def test_catalogue_has_every_file():
    assert list(REPARAMETRIZATIONS) == ["hard_concrete"]


@pytest.mark.usefixtures("double")
def test_gates_are_open_and_shut_as_often_as_the_formulas_say():
    keys = jax.random.split(jax.random.key(0), COUNT)
    drawn = jax.vmap(lambda key: method().sample(key, trained())["kernel"])(keys)
    gates = np.asarray(drawn)[:, 0] / KERNEL[0]
    np.testing.assert_allclose(gates[:, None] * KERNEL, drawn, rtol=1e-12)
    assert ((gates >= 0) & (gates <= 1)).all()
    for level in (0.0, 0.25, 0.5, 0.9):
        assert_mean(gates > level, chance_above(level))
    assert_mean(gates == 1, chance_above(1.0))
    assert_mean(gates, mean_gate(LOCATIONS[0]))
    # Each gate has a draw of its own.
    assert np.abs(np.corrcoef(gates.T) - np.eye(4)).max() < 5 / np.sqrt(COUNT)


@pytest.mark.usefixtures("double")
def test_gradients_of_draws_are_those_of_the_expectation_in_the_mean():
    def total(tree, key):
        return method().sample(key, tree)["kernel"].sum()

    keys = jax.random.split(jax.random.key(1), COUNT)
    grads = jax.vmap(jax.grad(total), (None, 0))(trained(), keys)
    step = 1e-4
    after, before = (mean_gate(LOCATIONS[0] + way) for way in (step, -step))
    found = np.asarray(grads["gates"]["kernel"])[:, 0]
    assert_mean(found, KERNEL.sum(axis=0) * (after - before) / (2 * step))
    weights = np.asarray(grads["weights"]["kernel"])
    assert_mean(weights[:, 0], mean_gate(LOCATIONS[0]))


def test_penalty_is_the_expected_cost_of_open_gates():
    found = method(weight_decay=0.5).penalty(trained())
    opened = chance_above(0.0)
    np.testing.assert_allclose(opened, sigmoid(LOCATIONS - 2 / 3 * np.log(0.1 / 1.1)), rtol=1e-12)
    cost = 0.1 * 3 + 0.25 * (KERNEL**2).sum(axis=0)
    np.testing.assert_allclose(found, (opened * cost).sum(), rtol=1e-5)


def test_gates_that_are_in_range_are_far_from_the_clip_of_the_article():
    ends = chance_above(0.0, np.array([-FURTHEST, FURTHEST]))
    assert ((ends > 0.04) & (ends < 0.999)).all()


def test_weights_in_use_have_exact_zeros():
    found = method().read(trained())
    gates = np.clip(1.2 * sigmoid(LOCATIONS) - 0.1, 0, 1)
    np.testing.assert_array_equal(gates == 0, [[True, False, False, False]])
    np.testing.assert_allclose(found["kernel"], gates * KERNEL, rtol=1e-5)
    np.testing.assert_array_equal(found["kernel"][:, 0], 0.0)
    np.testing.assert_array_equal(found["bias"], 1.0)


@pytest.mark.usefixtures("double")
def test_draws_and_penalty_differentiate():
    def both(tree):
        tree = jax.tree.map(jnp.asarray, tree)
        return method().sample(jax.random.key(3), tree), method(weight_decay=0.1).penalty(tree)

    check_grads(both, (trained(),), order=1, modes=["rev"], rtol=1e-4)


def test_weights_keep_half_precision():
    tree = trained(dtype=jnp.bfloat16)
    gates = method(weight_decay=0.1)
    for weights in (gates.sample(jax.random.key(0), tree), gates.read(tree)):
        assert {leaf.dtype for leaf in weights.values()} == {jnp.dtype(jnp.bfloat16)}
    np.testing.assert_allclose(gates.penalty(tree), gates.penalty(trained()), rtol=1e-5)


def test_groups_of_several_leaves_share_a_gate():
    gates = HardConcrete(0.1, sgl.by_tree())
    tree = gates.init(jax.random.key(0), trained()["weights"])
    (location,) = tree["gates"].values()
    assert location.shape == (1,)
    shut = gates.read({**tree, "gates": {name: jnp.full(1, -3.0) for name in tree["gates"]}})
    assert not any(np.any(leaf) for leaf in shut.values())


@pytest.mark.usefixtures("standard_promotion")
def test_locations_start_at_the_drop_rate_and_stay_in_their_range():
    params = {"kernel": jnp.ones((3, 4000))}
    start = method(drop_rate=0.3).init(jax.random.key(0), params)["gates"]["kernel"]
    np.testing.assert_allclose(start.mean(), np.log(0.7 / 0.3), atol=1e-3)
    np.testing.assert_allclose(start.std(), 0.01, rtol=0.1)
    tx = reparametrized(method(), optax.sgd(1.0))
    tree = trained([[FURTHEST, -FURTHEST, 0.0, 0.0]])
    grads = jax.tree.map(jnp.zeros_like, tree)
    grads["gates"]["kernel"] = jnp.array([[-9.0, 9.0, -1.0, -99.0]])
    updates, _ = tx.update(grads, tx.init(tree), tree)
    found = optax.apply_updates(tree, updates)["gates"]["kernel"][0]
    opened = chance_above(0.0, 0.0)
    slope = 0.1 * 3 * opened * (1 - opened)
    np.testing.assert_allclose(found, [FURTHEST, -FURTHEST, 1.0 - slope, FURTHEST], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_rate": 0.0}, "a drop_rate between 0 and 1 and a temperature > 0, got drop_rate=0"),
        ({"temperature": 0.0}, "and a temperature > 0, got drop_rate=0.5 and temperature=0.0"),
        ({"weight_decay": -1.0}, "HardConcrete needs weight_decay >= 0, got weight_decay=-1.0"),
        ({"lam": -1.0}, "HardConcrete needs lam >= 0, got lam=-1.0"),
    ],
)
def test_numbers_out_of_their_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        method(**options)


def test_groups_that_overlap_are_refused():
    groups = sgl.by_filter(only="kernel").resolve(trained()["weights"])
    both = sgl.groups.Groups(groups.families + sgl.by_layer().resolve({"kernel": KERNEL}).families)
    with pytest.raises(ValueError, match="HardConcrete needs disjoint groups, got a leaf in two"):
        HardConcrete(0.1, both).init(jax.random.key(0), trained()["weights"])


@pytest.mark.usefixtures("standard_promotion")
def test_gates_of_inputs_that_do_not_matter_shut():
    x = jax.random.normal(jax.random.key(0), (256, 8))
    y = x @ jnp.where(jnp.arange(8) < 3, 2.0, 0.0)
    gates = HardConcrete(0.05, sgl.by_input_channel())
    tx = reparametrized(gates, optax.adam(0.05))
    first = gates.init(jax.random.key(1), {"kernel": jnp.ones((8, 1))})

    def step(carry, key):
        tree, state = carry

        def loss(tree):
            return jnp.mean((x @ gates.sample(key, tree)["kernel"][:, 0] - y) ** 2)

        updates, state = tx.update(jax.grad(loss)(tree), state, tree)
        return (optax.apply_updates(tree, updates), state), None

    keys = jax.random.split(jax.random.key(2), 600)
    (tree, _), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, keys))((first, tx.init(first)))
    np.testing.assert_array_equal(gates.read(tree)["kernel"][:, 0] != 0, np.arange(8) < 3)


@pytest.mark.usefixtures("as_for_users")
def test_network_draws_in_training_and_reads_in_use():
    plain, params, rest = train.split(Tiny(classes=10, rngs=nnx.Rngs(0)))
    gates = HardConcrete(0.1, sgl.by_filter(only="kernel"))
    network, first, others = train.reparametrize(jax.random.key(0), plain, params, rest, gates)
    images = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    once, after = network.forward(first, others, images)
    twice, _ = network.forward(first, after, images)
    again, _ = network.forward(first, others, images)
    assert not np.array_equal(once, twice)
    np.testing.assert_array_equal(once, again)
    used = network.apply((first, after), images)
    np.testing.assert_array_equal(used, plain.apply((gates.read(first), rest), images))
