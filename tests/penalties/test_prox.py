"""Every prox, entry by entry: it is the argmin, at every step; ties, accuracy, properties."""

import functools

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from support import minima, oracles
from support.tiers import usual

import sgl_jax as sgl


CASES = [(name, shape) for name in oracles.SHAPES for shape in oracles.SHAPES[name]]
SCALAR_CASES = [(name, shape) for name, shape in CASES if name in oracles.SCALARS]
STRENGTHS = (0.0, 0.125, 3.0)
DTYPES = ("float32", "float64")

scalar_cases = pytest.mark.parametrize(("name", "shape"), SCALAR_CASES)
ties = pytest.mark.parametrize(("name", "shape", "lam", "step", "w", "expected"), oracles.TIES)
quick = hypothesis.settings(derandomize=True, deadline=None, max_examples=60, database=None)


@functools.cache
def operator(name):
    """The compiled function of :mod:`sgl_jax.prox`, once for all parameters of one shape."""
    return jax.jit(getattr(sgl.prox, f"prox_{name}"))


prox_rows = jax.jit(jax.vmap(sgl.prox.prox_l1_minus_l2, (0, 0, None, None)))


@jax.jit
def score(penalty, z):
    """The penalty's own value of every entry by itself."""
    return jax.vmap(penalty.value)(z.ravel()).reshape(z.shape)


def run(name, shape, lam, w, step, dtype):
    """The prox in a dtype, and the package's own score of what it found, in float64."""
    with jax.enable_x64(dtype == "float64"):
        found = operator(name)(jnp.asarray(w, dtype), jnp.asarray(step, dtype), lam, **shape)
        assert found.dtype == dtype
    z = np.asarray(found, float)
    with jax.enable_x64(True):
        penalty = np.asarray(score(sgl.PENALTIES[name](lam, **shape), jnp.asarray(z)))
    return z, step * penalty + (z - w) ** 2 / 2


def assert_least(cost, least, w, dtype):
    """The cost is the least but for rounding: of the cost, and of a result of the size of w."""
    share = {"float32": 1e-6, "float64": 1e-12}[dtype]
    rounding = (4 * np.finfo(dtype).eps * np.abs(w)) ** 2
    np.testing.assert_array_less(cost - least, share * least + rounding + 1e-300)


def test_every_penalty_has_an_oracle():
    assert {*oracles.SHAPES, *oracles.MATRICES} == set(sgl.PENALTIES)
    assert set(oracles.SCALARS) == {
        name for name, cls in sgl.PENALTIES.items() if issubclass(cls, sgl.NormPenalty)
    }


def neighbours(numbers, dtype, reach=6):
    """The floating-point numbers within a few units in the last place."""
    bits = np.asarray(numbers, dtype).view(f"int{8 * np.dtype(dtype).itemsize}")
    return (bits[:, None] + np.arange(-reach, reach + 1)).view(dtype).ravel().astype(float)


@scalar_cases
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lam", STRENGTHS)
def test_prox_is_the_argmin_at_every_step(name, shape, lam, dtype):
    bounds = oracles.BOUNDS[name](**shape) if name in oracles.BOUNDS else ()
    steps = np.float32([0.0, *bounds, *oracles.STEPS]).astype(float)
    w = np.float32(oracles.inputs(name, lam, shape, steps)).astype(float)
    z, cost = run(name, shape, lam, w, steps[:, None], dtype)
    assert_least(cost, minima.least_cost(name, w, steps[:, None], lam, **shape), w, dtype)
    assert np.all(np.abs(z) <= np.abs(w))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "shape"), [case for case in CASES if case[0] in oracles.BOUNDS])
def test_prox_is_the_argmin_next_to_its_bounds(name, shape, dtype):
    lam = float(np.float32(0.7))
    bounds = np.array(oracles.BOUNDS[name](**shape))
    kinks = oracles.SCALARS[name].kinks(lam, **shape)
    steps = neighbours(bounds, dtype)[:, None]
    w = np.tile(neighbours([*kinks, *(bounds * lam)], dtype), (len(steps), 1))
    _, cost = run(name, shape, lam, w, steps, dtype)
    assert_least(cost, minima.least_cost(name, w, steps, lam, **shape), w, dtype)


@pytest.mark.parametrize("shape", oracles.SHAPES["l1_minus_l2"])
@pytest.mark.parametrize(("size", "lam"), [(1, 0.125), (2, 0.125), (2, 0.0), (3, 3.0)])
def test_l1_minus_l2_is_the_argmin_at_every_step(size, lam, shape):
    steps = np.float32(oracles.STEPS).astype(float)
    # Around the threshold, where one, some or all entries survive.
    draw = np.random.default_rng(size).normal(size=(len(steps), size)) * (lam or 1.0)
    w = np.float32(draw * steps[:, None]).astype(float)
    least = minima.least_cost_l1_minus_l2(w, steps, lam, **shape)
    for dtype in DTYPES:
        with jax.enable_x64(dtype == "float64"):
            args = jnp.asarray(w, dtype), jnp.asarray(steps, dtype)
            z = np.asarray(prox_rows(*args, lam, shape["alpha"]), float)
        with jax.enable_x64(True):
            penalty = sgl.L1MinusL2(lam, **shape)
            values = np.asarray(jax.vmap(penalty.vector_value)(jnp.asarray(z)))
        cost = steps * values + ((z - w) ** 2).sum(-1) / 2
        # The value is a difference of norms, itself rounded.
        cost -= 4 * np.finfo(float).eps * steps * lam * np.abs(z).sum(-1)
        assert_least(cost, least, np.abs(w).max(-1), dtype)


@ties
@pytest.mark.parametrize("dtype", DTYPES)
def test_prox_at_a_tie_is_the_smaller_one(name, shape, lam, step, w, expected, dtype):
    with jax.enable_x64(dtype == "float64"):
        found = operator(name)(jnp.array([w, -w], dtype), step, lam, **shape)
    np.testing.assert_array_equal(found, [expected, -expected])


@pytest.mark.parametrize(
    ("w", "expected"),
    [
        ([-1.0, 1.0, 0.5], [-0.5, 0.0, 0.0]),
        ([0.5, 1.0, -1.0], [0.0, 0.5, 0.0]),
        ([0.25, 0.75, -0.75], [0.0, 0.25, 0.0]),
        ([0.5, -0.5, 0.5], [0.0, 0.0, 0.0]),
    ],
)
def test_l1_minus_l2_at_a_tie_keeps_the_first_entry(w, expected):
    found = operator("l1_minus_l2")(jnp.array(w), 2.0, 0.5, alpha=0.5)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_prox_without_strength_changes_no_digit(name, shape):
    w = np.linspace(-4, 4, 1001, dtype=np.float32)
    for step, lam in ((0.0, 0.9), (0.9, 0.0), (0.0, 0.0)):
        np.testing.assert_array_equal(operator(name)(w, step, lam, **shape), w)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_prox_is_odd(name, shape):
    w = jnp.linspace(-4.0, 3.0, 30)
    np.testing.assert_array_equal(
        operator(name)(-w, 0.7, 0.9, **shape), -operator(name)(w, 0.7, 0.9, **shape)
    )


@pytest.mark.parametrize("name", usual(oracles.SHAPES, ["l1", "lq", "scad", "exclusive"]))
def test_prox_does_not_depend_on_how_it_is_called(name):
    shape = oracles.SHAPES[name][0]
    prox = functools.partial(getattr(sgl.prox, f"prox_{name}"), **shape)
    w = jnp.linspace(-4.0, 3.0, 12).reshape(3, 4)
    steps, strengths = jnp.array([0.0, 0.3, 6.0]), jnp.array([0.8, 0.0, 0.4])
    rows = list(zip(w, steps, strict=True))
    plain = [[prox(*row, lam) for row in rows] for lam in strengths]
    over_rows = jax.vmap(prox, (0, 0, None))
    over_all = jax.jit(jax.vmap(over_rows, (None, None, 0)))(w, steps, strengths)
    in_scan = lambda _, lam: (None, [prox(*row, lam) for row in rows])  # noqa: E731
    _, scanned = jax.lax.scan(in_scan, None, strengths)
    np.testing.assert_allclose(over_all, np.array(plain), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(np.stack(scanned, 1), np.array(plain), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("a", [0.0625, 1.0, 100.0])
def test_transformed_l1_keeps_the_digits_of_small_weights_and_steps(a, dtype):
    draw, lam, eps = np.random.default_rng(0).uniform, 0.25, np.finfo(dtype).eps
    t, step = (10.0 ** draw(-12, top, 20_000) for top in (4, 3))
    step = step.astype(dtype).astype(float)
    near = oracles.threshold("transformed_l1", step, lam, a=a)
    # Half of them near the threshold, where the published closed form cancels.
    t[::2] = (near * 10.0 ** draw(-3, 0.5, t.size))[::2]
    t = t.astype(dtype).astype(float)
    with jax.enable_x64(dtype == "float64"):
        args = jnp.asarray(t, dtype), jnp.asarray(step, dtype), lam, a
        z = np.asarray(operator("transformed_l1")(*args), float)
    exact, gain = oracles.transformed_l1_prox(t, step, lam, a)
    clear = np.abs(t - near) > 8 * eps * near
    np.testing.assert_array_less(np.abs(z - exact)[clear], (8 * eps * t * gain)[clear])
    np.testing.assert_array_equal((z == 0)[clear], (exact == 0)[clear])


@quick
@hypothesis.given(
    st.sampled_from(SCALAR_CASES),
    st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8),
    st.floats(0, 1e3),
    st.floats(0, 1e2),
)
def test_prox_is_a_monotone_shrinkage_that_no_grid_beats(case, w, step, lam):
    name, shape = case
    w = np.sort(w)
    z, cost = run(name, shape, lam, w, step, "float64")
    assert np.all(np.abs(z) <= np.abs(w))
    assert np.all(z * w >= 0)
    slack = 8 * np.finfo(float).eps * np.abs(w).max()
    assert np.all(np.diff(z) >= -slack)
    assert_least(cost, minima.least_cost(name, w, step, lam, **shape), w, "float64")


@quick
@hypothesis.given(
    st.sampled_from(oracles.SHAPES["l1_minus_l2"]),
    st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3),
    st.floats(0, 1e3),
)
def test_l1_minus_l2_shrinks_every_entry_and_keeps_their_order(shape, w, step):
    with jax.enable_x64(True):
        z = np.asarray(operator("l1_minus_l2")(jnp.array(w), step, 1.0, **shape))
    slack = 8 * np.finfo(float).eps * np.abs(w)
    assert np.all(np.abs(z) <= np.abs(w) + slack)
    assert np.all(z * w >= 0)
    order = np.argsort(-np.abs(w), kind="stable")
    assert np.all(np.diff(np.abs(z[order])) <= slack.max())


@pytest.mark.parametrize("name", oracles.SCALARS)
@pytest.mark.parametrize("in_metric", [False, True])
def test_prox_is_one_kernel_without_temporaries(name, in_metric):
    def run(w, metric):
        return sgl.PENALTIES[name](0.3).prox(w, 1.0, metric=metric if in_metric else None)

    leaf = jax.ShapeDtypeStruct((64, 130), jnp.float32)
    memory = jax.jit(run).lower(leaf, leaf).compile().memory_analysis()
    assert memory.temp_size_in_bytes == 0
