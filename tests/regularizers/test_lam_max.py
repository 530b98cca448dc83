"""The least strength at which a proximal step is zero: formulas against the prox itself."""

import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import oracles
from support.problems import draw
from support.refusals import complaint

import sgl_jax as sgl
from sgl_jax._util.pytree import pytree_dataclass


PARAMS, GRADS = ({"w": jnp.asarray(draw(seed, shapes=(5, 4)))} for seed in (0, 1))
GROUPINGS = {"entries": sgl.by_entry(), "groups": sgl.by_filter(), "leaf": sgl.by_layer()}

lam_max = jax.jit(sgl.lam_max)


@jax.jit
def is_zero(regularizer, step):
    """True if one proximal step of the strengths given ends in zero."""
    moved = jax.tree.map(lambda w, g: w - step * g, PARAMS, GRADS)
    return jnp.all(regularizer.prox(moved, step)["w"] == 0)


def assert_is_least(make, least, step):
    """The step ends in zero at the strength, and not right below it."""
    assert is_zero(make(least * (1 + 1e-5)), step)
    assert not is_zero(make(least * (1 - 1e-5)), step)


CASES = [
    (name, shape, rule)
    for name in sgl.PENALTIES
    for shape in oracles.SHAPES.get(name, [{}])[:2]
    for rule in (["leaf"] if name in oracles.MATRICES else ["entries", "groups"])
]


@pytest.mark.parametrize(("name", "shape", "rule"), CASES)
def test_it_is_where_the_prox_becomes_zero(name, shape, rule):
    make = lambda lam: sgl.Regularizer(sgl.PENALTIES[name](lam, **shape), GROUPINGS[rule])  # noqa: E731
    for step in (0.03, 0.7, 9.0):
        least = lam_max(make(0.0), PARAMS, GRADS, step)
        if jnp.isinf(least):
            assert not is_zero(make(1e12), step)
        else:
            assert_is_least(make, least, step)


NEVER = [("exclusive", {}), ("l1_minus_l2", {"alpha": 1.0})]


@pytest.mark.parametrize(("name", "shape"), NEVER)
def test_penalty_that_keeps_its_largest_entry_has_none(name, shape):
    regularizer = sgl.Regularizer(sgl.PENALTIES[name](1.0, **shape), sgl.by_layer())
    assert lam_max(regularizer, PARAMS, GRADS) == jnp.inf
    assert lam_max(regularizer, *[jax.tree.map(jnp.zeros_like, PARAMS)] * 2) == 0


@pytest.mark.parametrize("name", oracles.SCALARS)
def test_threshold_at_this_strength_is_the_norm(name):
    t, step = np.logspace(-3, 2, 6), np.array([[1e-3], [0.8], [30.0]])
    with jax.enable_x64(True):
        for shape in oracles.SHAPES[name]:
            penalty = sgl.PENALTIES[name](1.0, **shape)
            found = np.asarray(penalty.lam_max_phi(*map(jnp.asarray, np.broadcast_arrays(t, step))))
            for row, lams in zip(step[:, 0], found, strict=True):
                most = np.where(lams < np.inf, lams, 1e9)
                expected = [oracles.threshold(name, row, lam, **shape) for lam in most]
                reached = np.where(lams < np.inf, t, 0.0)
                np.testing.assert_allclose(reached, expected, rtol=1e-6, err_msg=f"{shape}")


@pytree_dataclass()
class Largest(sgl.VectorPenalty):
    """A penalty with a prox that is zero like that of the maximum norm, and no formula for it."""

    lam: float
    ranges: ClassVar = {}
    default_grouping: ClassVar = sgl.by_layer()

    def vector_value(self, w):
        return self.lam * jnp.max(jnp.abs(w))

    def vector_prox(self, w, step_size):
        return jnp.where(jnp.sum(jnp.abs(w)) <= step_size * self.lam, 0.0, w)


def test_strength_of_another_penalty_is_bisected():
    least = lam_max(sgl.Regularizer(Largest(0.1)), PARAMS, GRADS, 0.5)
    moved = np.asarray(PARAMS["w"]) - 0.5 * np.asarray(GRADS["w"])
    np.testing.assert_allclose(least, np.abs(moved).sum() / 0.5, rtol=1e-5)


def test_from_zero_it_is_the_dual_norm_at_every_step():
    zeros, rule = jax.tree.map(jnp.zeros_like, PARAMS), GROUPINGS["groups"]
    norms = np.linalg.norm(np.asarray(GRADS["w"]), axis=0)
    for step in (1e-3, 1.0, 1e3):
        found = lam_max(sgl.Regularizer(sgl.L1(0.1), rule, {"w": 3.0}), zeros, GRADS, step)
        np.testing.assert_allclose(found, norms.max() / 3.0, rtol=1e-5)


def test_strengths_of_groups_are_shares_of_their_largest():
    shares = np.array([1.0, 0.5, 0.25, 0.125])[None]
    make = lambda lam: sgl.Regularizer(sgl.MCP(lam * shares), GROUPINGS["groups"])  # noqa: E731
    least = lam_max(make(7.0), PARAMS, GRADS, 0.7)
    np.testing.assert_allclose(least, lam_max(make(0.1), PARAMS, GRADS, 0.7), rtol=1e-6)
    assert_is_least(make, least, 0.7)


def both(entry, group, shares, lam):
    one, other = (lam * share for share in shares)
    return sgl.SparseGroup(entry(one), group(other), GROUPINGS["groups"])


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("entry", "group", "shares"),
    [
        (sgl.L1, sgl.L1, (1.0, 0.4)),
        (sgl.L1, sgl.L1, (0.0, 1.0)),
        (sgl.L1, sgl.MCP, (0.3, 1.0)),
        pytest.param(sgl.L0, sgl.L1, (0.5, 1.0), marks=slow),
        pytest.param(sgl.SCAD, sgl.TransformedL1, (1.0, 0.1), marks=slow),
    ],
)
def test_entries_and_groups_become_zero_together(entry, group, shares):
    make = functools.partial(both, entry, group, shares)
    for step in (0.05, 3.0):
        least = lam_max(make(0.2), PARAMS, GRADS, step)
        assert_is_least(make, least, step)


def test_one_strength_is_not_looked_at():
    found = [lam_max(sgl.Regularizer(sgl.SCAD(lam)), PARAMS, GRADS) for lam in (0.0, 1e-3, 50.0)]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("regularizer", "words"),
    [
        (sgl.Regularizer(sgl.TopK(3)), "a penalty, got the constraint TopK, which has none"),
        (sgl.Regularizer(sgl.L1(sgl.warmup(1.0, 3))), "numbers as strengths, got a schedule"),
        (sgl.L1(0.1), "a regularizer, got the penalty L1"),
    ],
)
@pytest.mark.usefixtures("as_for_users")
def test_thing_without_a_strength_is_refused(regularizer, words):
    assert words in complaint(lambda: sgl.lam_max(regularizer, PARAMS, GRADS))
