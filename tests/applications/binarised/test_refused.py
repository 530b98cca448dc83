"""Bad input: one sentence that says what is required and what came."""

import warnings

import jax
import jax.numpy as jnp
import pytest
from support.filters import W_STAR, population

import sgl_jax as sgl
from sgl_jax.applications import binarised


pytestmark = pytest.mark.usefixtures("as_for_users")

W = jnp.asarray(W_STAR, jnp.float32)
L1 = sgl.L1(0.1)

REFUSED = {
    "w_star of zeros": (
        lambda: binarised.Population(jnp.zeros(3)),
        "Population needs a w_star that is not zero, got zeros",
    ),
    "w_star of one number": (
        lambda: binarised.Population(jnp.ones(())),
        r"w_star of shape \(d,\), or \(lanes, d\), got \(\)",
    ),
    "a lane of zeros": (
        lambda: binarised.Batches(jax.random.key(0), jnp.eye(3) * jnp.array([[1.0, 0, 1]]), 5),
        "Batches needs a w_star that is not zero",
    ),
    "no patches": (lambda: binarised.Population(W, k=0), "needs k >= 1, got k=0"),
    "no inputs": (lambda: binarised.Batches(jax.random.key(0), W, 0), "needs n >= 1, got n=0"),
    "factor": (lambda: binarised.Population(W, factor=0.0), "needs a factor > 0, got 0.0"),
    "proxy": (
        lambda: binarised.Population(W, proxy="tanh"),
        "needs a proxy clipped, identity, relu or sigmoid, got 'tanh'",
    ),
    "proxy of a function": (
        lambda: binarised.population_coarse_gradient(W, W, 1, "none"),
        "needs a proxy .*, got 'none'",
    ),
    "strength": (lambda: sgl.L1(-1.0), "L1 needs lam >= 0, got lam=-1.0"),
    "beta": (
        lambda: binarised.fit(population(), W, L1, beta=0.0),
        "fit needs beta > 0, got beta=0.0",
    ),
    "step size": (
        lambda: binarised.fit(population(), W, L1, beta=1.0, step_size=-0.1),
        "fit needs step_size > 0, got step_size=-0.1",
    ),
    "steps": (
        lambda: binarised.fit(population(), W, L1, beta=1.0, steps=0),
        "fit needs steps > 0, got steps=0",
    ),
    "start of zeros": (
        lambda: binarised.fit(population(), 0 * W, L1, beta=1.0),
        "fit needs a start that is not zero, got zeros",
    ),
    "start of another size": (
        lambda: binarised.fit(population(), W[:7], L1, beta=1.0),
        r"fit needs a start of shape \(30,\), .* got \(7,\)",
    ),
    "lanes of other lengths": (
        lambda: binarised.fit(population(), jnp.ones((2, 30)), L1, beta=jnp.ones(3)),
        "arrays with one axis of lanes, of one length",
    ),
    "schedule": (
        lambda: binarised.fit(population(), W, sgl.L1(lambda count: 0.1), beta=1.0),
        "fit needs numbers as the parameters of L1, got a schedule",
    ),
    "inputs": (
        lambda: binarised.no_overlap(W, jnp.ones((4, 2, 9))),
        r"inputs of shape \(n, k, d\) and a filter of shape \(d,\), got \(4, 2, 9\) and \(30,\)",
    ),
    "outputs": (
        lambda: binarised.squared_loss(W, jnp.ones((4, 2, 30)), jnp.ones(3)),
        "one output for each of the 4 inputs, got an array of shape",
    ),
    "sample": (
        lambda: binarised.Sample(jnp.ones((4, 2, 9)), jnp.ones(5)),
        r"Sample needs x of shape \(n, k, d\) and y of shape \(n,\)",
    ),
    "penalty of the theory": (
        lambda: binarised.limit(population(), sgl.SCAD(0.1), beta=1.0),
        "The limit is known for L0 or L1 or TransformedL1, got SCAD",
    ),
    "beta of the theory": (
        lambda: binarised.limit(population(), L1, beta=-1.0),
        "The limit needs beta > 0, got beta=-1.0",
    ),
    "lanes of the theory": (
        lambda: binarised.limit(binarised.Population(jnp.ones((2, 3))), L1, beta=1.0),
        r"needs one true filter, of shape \(d,\), got shape \(2, 3\)",
    ),
    "support": (
        lambda: binarised.limits(population(), sgl.L0(0.1), beta=1.0, support=[True]),
        r"limits needs a support of shape \(30,\), got \(1,\)",
    ),
    "too many supports": (
        lambda: binarised.limits(binarised.Population(jnp.ones(20)), sgl.L0(1.0), beta=1.0),
        "at most 12 entries that may be active or not, got 20; give it a support",
    ),
    "proxy of a strength": (
        lambda: binarised.recovery(population(proxy="sigmoid"), L1, beta=1.0),
        "recovery needs the proxy 'relu' or 'identity', got 'sigmoid'",
    ),
}


@pytest.mark.parametrize(("call", "sentence"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_steps_beyond_the_bound_are_warned_of_and_others_are_not():
    problem, beta = population(), 4.0
    bound = 1 / (problem.constant + beta)
    for step in (None, bound, 0.5 * bound):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            binarised.fit(problem, W, L1, beta=beta, step_size=step, steps=3)
    with pytest.warns(UserWarning, match=r"step_size of 1.5 / \(c \+ beta\), with c = 3.989"):
        binarised.fit(problem, W, L1, beta=beta, step_size=1.5 * bound, steps=3)
