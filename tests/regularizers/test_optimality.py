"""The optimality residual: zero where it should be, else the rate of the steepest descent."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import lasso, oracles
from support.problems import draw, small_lasso
from support.refusals import complaint

import sgl_jax as sgl
from sgl_jax._util.pytree import pytree_dataclass


optimality = jax.jit(sgl.optimality)

ANGLES = np.linspace(0, 2 * np.pi, 7201)
DIRECTIONS = np.round(np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1), 12)
POINTS = [(0.0, 0.0), (0.7, 0.0), (0.7, -0.4), (0.0, -1e-2)]
GRADIENTS = [(0.9, -0.2), (-0.05, 3.0), (0.0, 0.0)]


@jax.jit
def values(regularizer, points):
    return jax.vmap(lambda w: regularizer.value({"w": w[None]}))(points)


def steepest_descent(regularizer, w, grad):
    """The rate at which the objective falls in the best of many directions, at least 0."""
    reach = 1e-9
    points = np.concatenate([w[None], w + reach * DIRECTIONS])
    at, *around = np.asarray(values(regularizer, points))
    rates = (np.array(around) - at) / reach + DIRECTIONS @ grad
    return max(-rates.min(), 0.0)


def assert_is_the_steepest_descent(regularizer, points=POINTS):
    for w in np.array(points):
        for grad in np.array(GRADIENTS):
            found = optimality(regularizer, {"w": w[None]}, {"w": grad[None]})
            expected = steepest_descent(regularizer, w, grad)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=f"{w} {grad}")


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("rule", ["entries", "groups"])
@pytest.mark.parametrize("name", oracles.SHAPES)
def test_it_is_the_rate_of_the_steepest_descent(name, rule):
    grouping = sgl.by_entry() if rule == "entries" else sgl.by_layer()
    # At zero l1 - l2 has no convex derivative, so that the two differ.
    points = POINTS[1:3] if name == "l1_minus_l2" else POINTS
    for shape in oracles.SHAPES[name][:2]:
        penalty = sgl.PENALTIES[name](0.4, **shape)
        assert_is_the_steepest_descent(sgl.Regularizer(penalty, grouping, {"w": 1.5}), points)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("entry", "group"), [("l1", "l1"), ("lq", "scad"), ("mcp", "l0")])
def test_entries_and_groups_are_taken_together(entry, group):
    penalties = sgl.PENALTIES[entry](0.3), sgl.PENALTIES[group](0.4)
    assert_is_the_steepest_descent(sgl.SparseGroup(*penalties, sgl.by_layer()))


@pytest.mark.usefixtures("double")
def test_it_is_zero_at_the_solution_of_a_lasso():
    solution, _ = lasso.solve(sgl.prox_sgd(lasso.RATE, lasso.L1), lasso.start())
    gradient = jax.grad(small_lasso().loss)
    first = optimality(lasso.L1, lasso.start(), gradient(lasso.start()))
    assert optimality(lasso.L1, solution, gradient(solution)) < 1e-5 * first


def test_without_a_penalty_it_is_the_norm_of_the_gradient():
    params, grads = draw(0), draw(1)
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(grads)))
    for regularizer in (sgl.Regularizer(sgl.L1(0.0)), sgl.SparseGroup(sgl.L0(0.0), sgl.L1(0.0))):
        np.testing.assert_allclose(optimality(regularizer, params, grads), norm, rtol=1e-6)
    # Leaves without a group count with their gradient.
    kernels = sgl.Regularizer(sgl.L0(1e9), sgl.by_entry(only="kernel"))
    zeros, biases = jax.tree.map(jnp.zeros_like, params), [grads[k]["bias"] for k in ("conv", "fc")]
    norm = np.sqrt(sum(np.sum(np.square(bias)) for bias in biases))
    np.testing.assert_allclose(optimality(kernels, zeros, grads), norm, rtol=1e-6)


@pytest.mark.parametrize("penalty", [sgl.NuclearNorm(0.4), sgl.Spectral(sgl.Lq(0.4))])
def test_singular_values_are_treated_as_entries_in_their_basis(penalty):
    turns = [np.linalg.qr(draw(seed, shapes=(3, 3)))[0] for seed in (0, 1)]
    turned = lambda w: {"w": jnp.asarray(turns[0] @ w @ turns[1], np.float32)}  # noqa: E731
    values, grad = np.diag([2.0, 0.5, 0.0]), np.asarray(draw(3, shapes=(3, 3)))
    found = optimality(sgl.Regularizer(penalty), turned(values), turned(grad))
    slopes = {"NuclearNorm": [0.4] * 3, "Spectral": [0.2 / 2**0.5, 0.2 / 0.5**0.5, np.inf]}
    one, two, at_zero = slopes[type(penalty).__name__]
    residual = grad + np.diag([one, two, 0.0])
    residual[2, 2] = np.sign(grad[2, 2]) * max(abs(grad[2, 2]) - at_zero, 0.0)
    np.testing.assert_allclose(found, np.linalg.norm(residual), rtol=1e-5)


@pytree_dataclass()
class Silent(sgl.VectorPenalty):
    """A penalty that has a prox, and no more."""

    lam: float
    ranges: ClassVar = {}

    def vector_value(self, w):
        return self.lam * jnp.max(jnp.abs(w))

    def vector_prox(self, w, step_size):
        return w


@pytest.mark.parametrize(
    ("regularizer", "words"),
    [
        (sgl.Regularizer(sgl.TopK(3)), "a penalty, got the constraint TopK"),
        (sgl.Regularizer(Silent(0.1)), "a penalty with subgradients, got Silent"),
        (sgl.Regularizer(sgl.L1(sgl.warmup(1.0, 3))), "numbers as strengths, got a schedule"),
        (sgl.SparseGroup(sgl.Exclusive(0.1), sgl.L1(0.1)), "a penalty of single entries"),
        (sgl.L1(0.1), "a regularizer, got the penalty L1"),
    ],
)
@pytest.mark.usefixtures("as_for_users")
def test_thing_without_subgradients_is_refused(regularizer, words):
    params = {"kernel": jnp.ones((2, 3))}
    assert words in complaint(lambda: sgl.optimality(regularizer, params, params))
