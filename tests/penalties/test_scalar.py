"""The penalty of any function of the magnitude, against the operators of the catalogue."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from support import oracles
from support.tiers import usual

import sgl_jax as sgl


STEPS = (1e-6, 0.1, 1.0, 30.0, 1e6)
DRAW = np.random.default_rng(0)
W = np.float32(DRAW.normal(size=500) * np.exp(DRAW.uniform(-4, 4, 500)))
run = jax.jit(lambda penalty, w, step: penalty.prox(w, step))


@functools.cache
def twin(name, curvature):
    """The same penalty as a function of its own, without the operator of the catalogue."""
    return sgl.ScalarPenalty(sgl.PENALTIES[name](0.375).phi, 1.0, curvature)


def cases():
    """Every penalty as one of its curvature, and as one of which nothing is known."""
    for number, name in enumerate(oracles.SCALARS):
        found, curvature = [("float64", "unknown")], sgl.PENALTIES[name].curvature
        if curvature != "unknown":
            found += [("float32", curvature), ("float64", curvature)]
        for turn, case in enumerate(found):
            slow = [pytest.mark.slow] * (turn != number % len(found))
            yield pytest.param(name, *case, marks=slow)


@pytest.mark.parametrize(("name", "dtype", "curvature"), [*cases()])
def test_search_and_operator_of_the_catalogue_agree(name, dtype, curvature):
    with jax.enable_x64(dtype == "float64"):
        penalty, w = sgl.PENALTIES[name](0.375), jnp.asarray(W, dtype)
        for step in STEPS:
            found = [run(each, w, step) for each in (penalty, twin(name, curvature))]
            assert found[1].dtype == dtype
            z = np.asarray(found, float)
            shape = {key: float(value) for key, value in vars(penalty).items() if key != "lam"}
            costs = step * oracles.SCALARS[name].phi(np.abs(z), 0.375, **shape)
            costs += (z - W.astype(float)) ** 2 / 2
            share = {"float32": 1e-6, "float64": 1e-12}[dtype]
            rounding = (8 * np.finfo(dtype).eps * np.abs(W.astype(float))) ** 2
            np.testing.assert_array_less(np.ptp(costs, axis=0), share * costs.min(0) + rounding)


@pytest.mark.parametrize("axes", usual([(), (1,)], [(1,)]))
def test_scalar_penalty_differentiates_and_groups(axes):
    penalty = sgl.ScalarPenalty(jnp.arctan, 0.5, "concave")
    with jax.enable_x64(True):
        w = jnp.array([[3.0, -0.9], [0.1, 0.05], [0.0, 0.0]])
        prox = jax.jit(functools.partial(penalty.prox, axes=axes))
        z = prox(w, 0.7)
        assert np.any(z[0] != 0)
        assert not np.any(z[1:])
        check_grads(prox, (w, 0.7), order=1, atol=1e-6, rtol=1e-6, eps=1e-6)


def test_penalty_that_is_smooth_at_zero_shrinks_what_leaves_a_zero_group():
    penalty = sgl.ScalarPenalty(jnp.square, 0.5, "convex")
    slopes = jax.jit(jax.jacfwd(lambda w: penalty.prox(w, 3.0, (1,))))(jnp.zeros((1, 2)))
    np.testing.assert_allclose(slopes[0, :, 0], np.eye(2) / 4, rtol=1e-6)


def test_scalar_penalty_keeps_what_is_not_finite_and_the_sign():
    penalty = sgl.ScalarPenalty(jnp.tanh, 0.5)
    found = run(penalty, jnp.array([np.nan, np.inf, -np.inf, -4.0, -0.0], jnp.bfloat16), 1.0)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found[:3].astype(float), [np.nan, np.inf, -np.inf])
    assert found[3] < -3.9
    assert found[4] == 0


def test_scalar_penalty_without_strength_is_the_identity():
    w = jnp.array([1.5, 0.0, -2.0])
    for penalty, step in (
        (sgl.ScalarPenalty(jnp.tanh, 0.0), 1.0),
        (sgl.ScalarPenalty(jnp.tanh), 0.0),
    ):
        np.testing.assert_array_equal(run(penalty, w, step), w)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((jnp.cosh,), "needs a function that is 0 at 0, got 1.0 there"),
        ((jnp.tanh, 1.0, "flat"), "needs a curvature among concave, convex, unknown, got 'flat'."),
        ((jnp.tanh, -1.0), "needs lam >= 0, got lam=-1.0."),
    ],
)
def test_scalar_penalty_refuses(arguments, sentence):
    with pytest.raises(ValueError, match="ScalarPenalty") as raised:
        sgl.ScalarPenalty(*arguments)
    assert sentence in str(raised.value)
