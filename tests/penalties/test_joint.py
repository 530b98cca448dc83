"""The joint prox of entries and groups: least everywhere, certified, and differentiable."""

import functools

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from jax.test_util import check_grads
from support import minima, oracles
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.groups import Group
from sgl_jax.penalties._search import joint_prox


GROUPS = 40
FAMILY = Group.of_array((GROUPS, 2), (1,))


@functools.partial(jax.jit, static_argnames="in_metric")
def run(entry, norm, w, step, group_step, d, in_metric):
    metrics = [d] if in_metric else None
    (z,), gap = joint_prox([w], FAMILY, [entry], norm, step, group_step, metrics)
    return z, gap


def cases():
    """Each penalty of entries, in a metric beside the group lasso, without one beside its like."""
    for number, name in enumerate(oracles.SCALARS):
        for turn, case in enumerate([(name, "l1", "float64"), (name, name, "float32")]):
            yield pytest.param(*case, marks=[pytest.mark.slow] * (turn != number % 2))


@pytest.mark.parametrize(("entry", "group", "dtype"), [*cases()])
@hypothesis.settings(derandomize=True, deadline=None, max_examples=16, database=None)
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    exponents=st.tuples(*[st.floats(-6, 3)] * 2, st.floats(-6, 6)),
)
def test_joint_prox_is_the_least_of_a_grid(entry, group, dtype, seed, exponents):
    draw, in_metric = np.random.default_rng(seed), dtype == "float64"
    lam, group_lam, step = (float(np.float32(10.0**exponent)) for exponent in exponents)
    shapes = [draw.choice(oracles.SHAPES[name]) for name in (entry, group)]
    # Around what the two penalties take off, over several orders.
    size = (1 + step * (lam + group_lam)) ** draw.uniform(-0.2, 1.2, (GROUPS, 1))
    w = np.float32(draw.normal(size=(GROUPS, 2)) * size).astype(float)
    d = np.float32(np.exp(draw.normal(size=w.shape))).astype(float) if in_metric else 1.0 + 0 * w
    with jax.enable_x64(dtype == "float64"):
        penalties = (
            sgl.PENALTIES[entry](lam, **shapes[0]),
            sgl.PENALTIES[group](group_lam, **shapes[1]),
        )
        arrays = [jnp.asarray(array, dtype) for array in (w, step, step, d)]
        found, gap = run(*penalties, *arrays, in_metric)
        assert found.dtype == dtype
    z = np.asarray(found, float)
    problem = (entry, lam, shapes[0]), (group, group_lam, shapes[1])
    cost = minima.joint_cost(*problem, z, w, step, step, d)
    least = minima.least_joint_cost(*problem, w, step, step, d)
    share = {"float32": 1e-6, "float64": 1e-12}[dtype]
    rounding = (8 * np.finfo(dtype).eps * np.abs(w).max(1)) ** 2 * d.max(1)
    np.testing.assert_array_less(cost - least, share * least + rounding + 1e-300)
    assert np.all(np.abs(z) <= np.abs(w) * (1 + 1e-6))
    assert np.all(np.asarray(gap) >= 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", usual(["scad", "lq"], ["lq"]))
def test_sparse_groups_in_a_metric_differentiate(name):
    # One group of each kind: live, dead, and of zeros.
    w = np.array([[3.0, -2.5, 0.4], [0.03, 0.02, -0.01], [0.0, 0.0, 0.0]]).T
    d = np.array([[1.2, 0.7, 1.9], [0.4, 1.0, 1.1], [1.0, 2.0, 3.0]]).T
    with jax.enable_x64(True):
        penalty = sgl.PENALTIES[name](0.3, **oracles.SHAPES[name][0])
        family = Group.of_array(w.shape, (0,))

        @jax.jit
        def run(penalty, norm, w, step, d):
            (z,), _ = joint_prox([w], family, [penalty], norm, step, 1.3 * step, [d])
            return z

        args = penalty, sgl.MCP(0.4), jnp.asarray(w), 0.6, jnp.asarray(d)
        z = run(*args)
        assert np.any(z[:, 0])
        assert not np.any(z[:, 1:])
        check_grads(run, args, order=1, atol=1e-6, rtol=1e-6, eps=1e-6)


def test_not_finite_groups_stay_and_do_not_spread():
    w = jnp.array([[np.nan, 2.0], [np.inf, 0.1], [3.0, -2.0], [1e30, 1e30], [1e-30, 1e-41]])
    family = Group.of_array(w.shape, (1,))

    @functools.partial(jax.jit, static_argnums=1)
    def run(w, family):
        return joint_prox([w], family, [sgl.L0(0.5)], sgl.L1(0.5), 1.0, 1.0)

    (z,), gap = run(w, family)
    alone = run(w[2:3], Group.of_array((1, 2), (1,)))
    assert np.isnan(z[0, 0])
    assert z[1, 0] == np.inf
    np.testing.assert_array_equal(z[2], alone[0][0][0])
    np.testing.assert_array_equal(z[3:], np.float32([[1e30, 1e30], [0.0, 0.0]]))
    assert np.isfinite(gap).all()


def test_composition_is_not_the_joint_prox_of_l0_but_is_of_l1():
    w = jnp.array([[1.4, 0.9, -2.0, 0.3]])
    plan = {"grouping": sgl.by_layer(), "weight": None}
    for entry, same in ((sgl.L1(0.4), True), (sgl.L0(0.4), False)):
        composed = sgl.L1(0.8).prox(entry.prox(w, 1.0), 1.0, (0, 1))
        family = Group.of_array(w.shape, (0, 1))
        joint, gap = jax.jit(
            lambda w, entry=entry, family=family: joint_prox(
                [w], family, [entry], sgl.L1(0.8), 1.0, 1.0
            )
        )(w)
        assert np.allclose(composed, joint[0], atol=1e-4) == same
        both = sgl.SparseGroup(entry, sgl.L1(0.8), **plan)
        found = jax.jit(lambda w, both=both: both.prox({"kernel": w}, 1.0)["kernel"])(w)
        np.testing.assert_allclose(found, joint[0], atol=1e-4)
        assert gap.max() <= 1e-6


def test_certificate_is_per_group_and_small():
    params = {"a": {"kernel": jnp.ones((2, 2, 3, 4))}, "b": {"kernel": jnp.ones((5, 6))}}
    for entry in (sgl.L1(0.1), sgl.TransformedL1(0.1)):
        both = sgl.SparseGroup(entry, sgl.L1(0.1))
        found = jax.jit(lambda params, both=both: both.certificate(params, 0.5))(params)
        assert {path: gap.shape for path, gap in found.items()} == {
            "a/kernel": (1, 1, 1, 4),
            "b/kernel": (5, 1),
        }
        assert all(np.all(gap <= 1e-6) for gap in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("curvature", ["convex", "unknown"])
def test_search_ends_for_entries_of_unknown_semiconcavity(curvature):
    w = jnp.asarray(np.random.default_rng(0).normal(size=(GROUPS, 2)), jnp.float32)
    declared = sgl.ScalarPenalty(sgl.ElasticNet(1.0).phi, 0.3, curvature)
    search = lambda entry: run(entry, sgl.L1(1.0), w, 0.7, 0.7, jnp.ones_like(w), False)  # noqa: E731
    z, gap = search(declared)
    np.testing.assert_allclose(z, search(sgl.ElasticNet(0.3))[0], atol=1e-4)
    assert np.all(gap <= 2e-6)


def test_group_penalty_must_be_half_quadratic():
    class Square(sgl.ElasticNet):
        half_quadratic = False

    family = Group.of_array((2, 2), (1,))
    with pytest.raises(ValueError, match="concave in the square of the norm, got Square"):
        joint_prox([jnp.ones((2, 2))], family, [None], Square(1.0), 1.0, 1.0)


def test_joint_prox_maps_over_data_and_strengths_and_scans():
    w = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 4)), jnp.float32)
    strengths = jnp.array([0.0, 0.1, 0.6])

    def prox(w, lam):
        both = sgl.SparseGroup(sgl.L0(lam), sgl.MCP(lam), sgl.by_filter(), None)
        return both.prox({"kernel": w}, 0.8)["kernel"]

    alone = jax.jit(prox)
    single = np.array([[alone(rows, lam) for rows in w] for lam in strengths])
    over_data = jax.vmap(prox, (0, None))
    mapped = jax.jit(jax.vmap(over_data, (None, 0)))(w, strengths)
    step = lambda w, lam: (w, over_data(w, lam))  # noqa: E731
    _, scanned = jax.jit(functools.partial(jax.lax.scan, step))(w, strengths)
    for found in (mapped, scanned):
        np.testing.assert_allclose(found, single, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(found == 0, single == 0)
    assert 0 < np.mean(single == 0) < 1
