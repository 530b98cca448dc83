"""Strengths that follow a budget: the plan, the strengths in a state, and a training."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.problems import draw, gradients, stepper
from support.refusals import complaint

import sgl_jax as sgl


def follow(budget, measure, most=1.0):
    """The states of a budget, one for each epoch, and the shares that were measured."""
    state = budget.init(most)
    states, shares = [state], []
    while not state.done:
        shares.append(measure(states))
        state = budget.update(state, shares[-1])
        states.append(state)
    return states, shares


def slow_network(states):
    """The share left of a network that follows its strength late, and its budget at once."""
    factors = [state.factor for state in states]
    late = factors[max(0, len(factors) - 3)]
    return min(1.0 / (1.0 + (late / 1e-3) ** 2), states[-1].allowed)


@pytest.mark.parametrize("target", [0.5, 0.25, 0.1, 0.05])
@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_budget_rises_and_is_done_by_its_epoch(target, epochs):
    budget = sgl.Budget(target, epochs)
    states, _ = follow(budget, slow_network)
    assert states[-1].epoch <= budget.last == max(1, round(0.6 * epochs))
    assert states[-1] == (states[-1].epoch, 0.0, target, True)
    factors = [state.factor for state in states[:-1]]
    assert factors[0] == budget.start
    assert all(0 < one <= other for one, other in itertools.pairwise(factors))
    assert all(one.allowed > other.allowed for one, other in itertools.pairwise(states))


def test_plan_is_the_cubic():
    budget = sgl.Budget(0.2, 10, by=1.0)
    states, _ = follow(budget, lambda states: 1.0)
    plan = [0.2 + 0.8 * (1 - epoch / 10) ** 3 for epoch in range(11)]
    np.testing.assert_allclose([state.allowed for state in states], plan, rtol=1e-6)
    assert states[9].factor == pytest.approx(budget.start * budget.growth**9)


def test_strength_holds_while_no_more_is_left_than_allowed():
    budget, state = sgl.Budget(0.2, 10), sgl.BudgetState(3, 0.5, 0.6, False)
    assert budget.update(state, 0.22).factor == 0.5
    assert budget.update(state, 0.59).factor == 0.5 * budget.growth


def test_budget_is_done_when_the_target_is_near_enough():
    budget, state = sgl.Budget(0.2, 30, tolerance=0.05), sgl.BudgetState(1, 0.5, 0.6, False)
    assert not budget.update(state, 0.22).done
    done = budget.update(state, 0.209)
    assert done == (2, 0.0, 0.2, True)
    assert budget.update(done, 0.21) == (3, 0.0, 0.2, True)


def test_state_is_json():
    states, _ = follow(sgl.Budget(0.2, 10), slow_network, most=jnp.float32(0.3))
    for state in states:
        assert sgl.BudgetState(**json.loads(json.dumps(state._asdict()))) == state


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": 0.0}, "target in (0, 1), got target=0.0"),
        ({"target": 1.0}, "target in (0, 1), got target=1.0"),
        ({"target": float("nan")}, "target in (0, 1), got target=nan"),
        ({"epochs": 0}, "epochs >= 1, got epochs=0"),
        ({"by": 0.0}, "by in (0, 1], got by=0.0"),
        ({"start": 0.0}, "start > 0, got start=0.0"),
        ({"growth": 0.9}, "growth >= 1, got growth=0.9"),
        ({"tolerance": 1.0}, "tolerance in [0, 1), got tolerance=1.0"),
    ],
)
def test_number_out_of_range_is_refused(options, words):
    assert words in complaint(lambda: sgl.Budget(**{"target": 0.5, "epochs": 3} | options))


def test_factor_and_share_out_of_range_are_refused():
    budget = sgl.Budget(0.5, 3)
    for most in (0.0, -1.0, float("inf"), float("nan")):
        assert f"most > 0, got most={most}" in complaint(lambda most=most: budget.init(most))
    for share in (-0.1, 1.1, float("nan")):
        words = complaint(lambda share=share: budget.update(budget.init(1.0), share))
        assert f"measured in [0, 1], got measured={share}" in words


PARAMS = draw(0, 0.3)
BOTH = sgl.SparseGroup(sgl.L1(0.2), sgl.L1(0.04))
LINKS = {
    "prox_adam": sgl.prox_adam(0.1, BOTH),
    "prox_sgd": sgl.prox_sgd(0.1, sgl.Regularizer(sgl.MCP(0.2))),
    "splitting": sgl.splitting(0.1, BOTH, beta=3.0),
    "admm": sgl.admm(0.1, sgl.Regularizer(sgl.L1(0.2)), rho=2.0, period=3),
    "spectral": sgl.prox_sgd(0.1, sgl.Regularizer(sgl.Spectral(sgl.L0(0.2)), sgl.by_layer())),
    "in MultiSteps": optax.MultiSteps(sgl.prox_adam(0.1, BOTH), 2),
    "in a chain": optax.chain(optax.clip(1.0), sgl.prox_adam(0.1, BOTH)),
}
STRENGTHS = {"lam", "entry_lam", "group_lam"}


def strengths(state):
    """All strengths in a state, by name."""
    names = STRENGTHS | {"beta", "rho", "step_size", "dense_beta"}
    found = {name: optax.tree.get_all_with_path(state, name) for name in names}
    return {name: float(pairs[0][1]) for name, pairs in found.items() if pairs}


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", [name for name in LINKS if name != "spectral"])
def test_all_strengths_are_scaled_and_nothing_else(name):
    tx = LINKS[name]
    step, counter = stepper(tx)
    initial, feed = tx.init(PARAMS), gradients(3)
    params, state = step(PARAMS, initial, feed[0])
    for factor, gradient in zip((0.5, 3.0), feed[1:], strict=True):
        scaled = sgl.scale_strengths(state, initial, factor)
        first, now = strengths(initial), strengths(scaled)
        assert STRENGTHS & set(now)
        for key, value in now.items():
            ratio = factor if key in STRENGTHS else 1.0
            assert value == pytest.approx(ratio * first[key], rel=1e-6), key
        params, state = step(params, scaled, gradient)
        assert strengths(state) == now
    assert counter.traces == 1


def test_strength_of_singular_values_is_scaled():
    params = {"kernel": jnp.ones((2, 3))}
    initial = LINKS["spectral"].init(params)
    assert strengths(sgl.scale_strengths(initial, initial, 2.0))["lam"] == pytest.approx(0.4)


def test_initial_state_may_be_of_another_width():
    small, large = ({"kernel": jnp.ones((width, 3))} for width in (2, 5))
    tx = LINKS["prox_sgd"]
    scaled = sgl.scale_strengths(tx.init(small), tx.init(large), 0.5)
    assert strengths(scaled)["lam"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("tx", "words"),
    [
        (sgl.prox_sgd(0.1, sgl.Regularizer(sgl.L1(sgl.warmup(1.0, 3)))), "got lam, which every"),
        (sgl.prox_sgd(0.1, sgl.Regularizer(sgl.L1(jnp.float32(0.1)))), "got lam, which every"),
        (sgl.magnitude(0.1, sgl.Regularizer(sgl.TopK(3)), steps=3), "lam of a penalty, got none"),
        (optax.sgd(0.1), "a link of sgl_jax in it"),
    ],
)
@pytest.mark.usefixtures("standard_promotion")
def test_strength_that_cannot_be_set_is_refused(tx, words):
    state = tx.init(PARAMS)
    assert words in complaint(lambda: sgl.scale_strengths(state, state, 0.5))
    good = LINKS["prox_sgd"].init(PARAMS)
    assert "factor >= 0, got" in complaint(lambda: sgl.scale_strengths(good, good, -1.0))


def two_layers(params, x):
    return jax.nn.relu(x @ params["a"] + params["b"]) @ params["c"]


@pytest.mark.parametrize("target", [0.5, 0.1])
@pytest.mark.usefixtures("standard_promotion")
def test_training_lands_on_its_budget(target):
    # A teacher of 4 units, learnt by 40.
    shapes = {"a": (6, 40), "b": (1, 40), "c": (40, 2)}
    teacher, params = (draw(seed, 0.5, shapes=shapes) for seed in (0, 1))
    x = jnp.asarray(draw(2, shapes=(64, 6)))
    y = two_layers(teacher | {"c": teacher["c"].at[4:].set(0)}, x)
    loss = lambda params: jnp.mean((two_layers(params, x) - y) ** 2)  # noqa: E731
    units = sgl.channel_groups(two_layers, params, x[:1])
    regularizer = sgl.Regularizer(sgl.TransformedL1(0.1), units)
    tx = sgl.prox_adam(1e-2, regularizer)
    keep = optax.chain(optax.adam(1e-2), sgl.keep_support(units))

    def epoch(tx, params, state):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, state), None, 50)[0]

    epoch = jax.jit(epoch, static_argnums=0)
    measure = lambda params: float(np.mean(np.any(np.asarray(params["a"]) != 0, axis=0)))  # noqa: E731
    budget, initial = sgl.Budget(target, 20), tx.init(params)
    zeros = jax.tree.map(jnp.zeros_like, params)
    lam = sgl.lam_max(regularizer, zeros, jax.grad(loss)(params), 1e-2)
    at, state = budget.init(float(lam) / 0.1), initial
    for _ in range(20):
        if at.done:
            params, state = epoch(keep, params, state)
            continue
        before = params
        params, state = epoch(tx, params, sgl.scale_strengths(state, initial, at.factor))
        at = budget.update(at, measure(params))
        params = sgl.project_to_budget(regularizer, params, measure, at.allowed, before=before)
        if at.done:
            state, landed = keep.init(params), measure(params)
    assert at.epoch == 12
    assert landed == measure(params) == pytest.approx(target, rel=0.02)
    assert loss(params) < 0.1 * jnp.mean(y**2)
