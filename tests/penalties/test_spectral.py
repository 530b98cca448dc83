"""Penalties of singular values: exact against NumPy's decomposition, derivatives without NaN."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from support import minima, oracles
from support.tiers import usual

import sgl_jax as sgl


SCALARS = [(name, oracles.SHAPES[name][0]) for name in oracles.SCALARS]
scalars = pytest.mark.parametrize(("name", "shape"), SCALARS)
DTYPES = ("float32", "float64")

prox = jax.jit(lambda penalty, w, step: penalty.prox(w, step, tuple(range(w.ndim))))
value = jax.jit(lambda penalty, w: penalty.value(w, tuple(range(w.ndim))))


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def matrix(values, rows=6, seed=0):
    """A matrix with these singular values."""
    draw = np.random.default_rng(seed).normal
    u, _ = np.linalg.qr(draw(size=(rows, rows)))
    v, _ = np.linalg.qr(draw(size=(len(values), len(values))))
    return (u[:, : len(values)] * np.array(values, float)) @ v.T


def cost(name, z, w, step, lam, **shape):
    values = np.linalg.svd(z, compute_uv=False)
    values[values < 1e-12 * values.max(initial=0)] = 0
    return step * oracles.SCALARS[name].phi(values, lam, **shape).sum() + ((z - w) ** 2).sum() / 2


@scalars
@pytest.mark.parametrize("dtype", DTYPES)
def test_prox_is_the_argmin_at_every_step(name, shape, dtype):
    penalty = sgl.Spectral(sgl.PENALTIES[name](0.5, **shape))
    share = {"float32": 1e-5, "float64": 1e-11}[dtype]
    for seed, step in enumerate((0.0, 0.01, 0.7, 3.0, 40.0)):
        w = np.float32(matrix([4.0, 1.5, 0.6, 0.05], seed=seed)).astype(float)
        w = w.T if dtype == "float32" else w
        with jax.enable_x64(dtype == "float64"):
            z = np.asarray(prox(penalty, jnp.asarray(w, dtype), step), float)
        # Singular values are rounded; the zeros of the exact minimiser are still zeros.
        u, s, vt = np.linalg.svd(z, full_matrices=False)
        z = (u * np.where(s > 1e-6 * np.linalg.norm(w), s, 0)) @ vt
        least = minima.least_cost_of_matrix(name, w, step, 0.5, **shape)
        assert cost(name, z, w, step, 0.5, **shape) <= least + share * max(least, 1.0)


def test_no_matrix_nearby_is_better(x64):
    w, draw = matrix([3.0, 1.0, 0.9, 0.1]), np.random.default_rng(1).normal
    for name, shape in SCALARS:
        z = np.asarray(prox(sgl.Spectral(sgl.PENALTIES[name](0.5, **shape)), jnp.asarray(w), 0.8))
        least = cost(name, z, w, 0.8, 0.5, **shape)
        for size in (1e-3, 0.1, 1.0):
            for _ in range(20):
                other = z + size * draw(size=w.shape)
                assert cost(name, other, w, 0.8, 0.5, **shape) >= least, name


def test_nuclear_norm_is_soft_thresholding_of_singular_values(x64):
    w = matrix([3.0, 2.0, 0.5])
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    expected = (u * np.maximum(s - 0.75, 0)) @ vt
    for penalty in (sgl.NuclearNorm(1.5), sgl.Spectral(sgl.L1(1.5))):
        np.testing.assert_allclose(prox(penalty, w, 0.5), expected, atol=1e-13)
        np.testing.assert_allclose(value(penalty, w), 1.5 * s.sum(), rtol=1e-13)
    np.testing.assert_allclose(
        sgl.prox.prox_nuclear(jnp.asarray(w), 0.5, 1.5), expected, atol=1e-13
    )
    assert np.linalg.matrix_rank(prox(sgl.NuclearNorm(1.5), w, 0.5)) == 2
    np.testing.assert_array_equal(prox(sgl.NuclearNorm(1.5), w, 3.0), 0)


def test_kernels_unfold_with_their_outputs_last():
    w = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 4, 5)), "float32")
    flat = w.reshape(24, 5)
    regularizer = sgl.Regularizer(sgl.NuclearNorm(0.5))
    assert (regularizer.grouping, regularizer.weight) == (sgl.by_layer(), None)
    found = regularizer.prox({"kernel": w}, 1.0)["kernel"]
    expected = prox(sgl.NuclearNorm(0.5), flat, 1.0).reshape(w.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    expected = 0.5 * np.linalg.svd(flat, compute_uv=False).sum()
    np.testing.assert_allclose(regularizer.value({"kernel": w}), expected, rtol=1e-5)
    # A group of fewer axes is a matrix too: here one for every output.
    by_output = sgl.NuclearNorm(0.5).prox(w, 1.0, (0, 1, 2))
    np.testing.assert_allclose(
        by_output[..., 1], prox(sgl.NuclearNorm(0.5), w[..., 1], 1.0), rtol=1e-5, atol=1e-6
    )


SPECTRA = {
    "distinct": [3.0, 2.0, 1.0, 0.2],
    "repeated": [2.0, 2.0, 2.0, 0.1],
    "rank_deficient": [3.0, 2.0, 0.0, 0.0],
    "both": [2.0, 2.0, 0.0, 0.0],
    "zero": [0.0, 0.0, 0.0, 0.0],
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("name", ["l1", "transformed_l1"])
def test_derivatives_equal_finite_differences(name, spectrum, x64):
    penalty, tall = sgl.Spectral(sgl.PENALTIES[name](0.7)), matrix(SPECTRA[spectrum])
    for w in (tall, tall.T):
        args = penalty, jnp.asarray(w), 0.9
        check_grads(prox, args, order=1, atol=1e-6, rtol=1e-6, eps=1e-6)


@pytest.mark.parametrize("name", usual(oracles.SCALARS, ["l1", "lq", "mcp"]))
def test_derivatives_are_finite_in_float32(name):
    penalty = sgl.Spectral(sgl.PENALTIES[name](0.5, **oracles.SHAPES[name][0]))
    slopes = jax.jit(jax.jacrev(functools.partial(prox, penalty), (0, 1)))
    gradient = jax.jit(jax.grad(functools.partial(value, penalty)))
    for w in (*map(matrix, SPECTRA.values()), np.eye(6, 4), np.ones((6, 4))):
        for step in (0.0, 0.4, 50.0):
            assert all(np.isfinite(slope).all() for slope in slopes(np.float32(w), step))
        assert np.isfinite(gradient(np.float32(w))).all()


def test_derivative_of_the_value_is_zero_at_singular_values_of_zero(x64):
    w = matrix([3.0, 2.0, 0.0, 0.0])
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    slopes = {"l1": np.ones(2), "log_sum": 1 / (1 + s[:2]), "lq": 0.5 / np.sqrt(s[:2])}
    for name, slope in slopes.items():
        penalty = sgl.Spectral(sgl.PENALTIES[name](1.0))
        found = jax.grad(lambda w, p=penalty: p.value(w, (0, 1)))(jnp.asarray(w))
        np.testing.assert_allclose(found, (u[:, :2] * slope) @ vt[:2], atol=1e-12)
    zero = jnp.zeros((3, 2))
    np.testing.assert_array_equal(jax.grad(functools.partial(value, penalty))(zero), 0)


def test_strength_zero_changes_no_digit_and_has_derivative_one(x64):
    w = jnp.asarray(matrix([2.0, 2.0, 0.5, 0.0]))
    for lam, step in ((0.0, 0.6), (0.5, 0.0)):
        penalty = sgl.NuclearNorm(lam)
        np.testing.assert_array_equal(prox(penalty, w, step), w)
        slope = jax.jacrev(functools.partial(prox, penalty))(w, step).reshape(24, 24)
        np.testing.assert_allclose(slope, np.eye(24), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_prox_keeps_the_dtype_and_rounds_once(dtype, x64):
    w = jnp.asarray(matrix([3.0, 1.0, 0.5]), dtype)
    wide = "float64" if dtype == "float64" else "float32"
    found = prox(sgl.NuclearNorm(0.5), w, 0.5)
    assert found.dtype == dtype
    assert value(sgl.NuclearNorm(0.5), w).dtype == wide
    exact = prox(sgl.NuclearNorm(0.5), w.astype(wide), 0.5).astype(dtype)
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_neither_overflows_nor_vanishes(scale):
    w, lam = matrix([3.0, 2.0, 0.5]), 0.5
    large = np.float32(w * scale)
    found = prox(sgl.NuclearNorm(lam * scale), large, 1.0) / scale
    np.testing.assert_allclose(found, prox(sgl.NuclearNorm(lam), np.float32(w), 1.0), atol=1e-6)
    np.testing.assert_allclose(value(sgl.NuclearNorm(1.0), large) / scale, 5.5, rtol=1e-6)
    slope = jax.jacrev(functools.partial(prox, sgl.NuclearNorm(lam * scale)))(large, 1.0)
    same = jax.jacrev(functools.partial(prox, sgl.NuclearNorm(lam)))(np.float32(w), 1.0)
    np.testing.assert_allclose(slope, same, atol=1e-5)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_leaf_that_is_not_finite_stays(number):
    w = np.float32([[number, 1.0], [2.0, 3.0]])
    np.testing.assert_array_equal(prox(sgl.NuclearNorm(0.5), w, 1.0), w)
    assert not np.isfinite(value(sgl.NuclearNorm(0.5), w))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 3)])
def test_empty_leaves_work(shape):
    assert prox(sgl.NuclearNorm(0.5), jnp.zeros(shape), 1.0).shape == shape
    assert value(sgl.NuclearNorm(0.5), jnp.zeros(shape)) == 0


def test_rank_counts_no_rounding_errors():
    w = np.float32(matrix([3.0, 2.0, 0.0, 0.0]))
    np.testing.assert_allclose(value(sgl.Spectral(sgl.L0(0.5)), w), 1.0)


def test_vmap_and_scan_change_nothing():
    w = [matrix([3.0, 1.0, 0.2], seed=seed) for seed in range(3)]
    w = jnp.asarray(np.stack(w), "float32")
    strengths = jnp.array([0.0, 0.3, 2.0])
    shrink = lambda w, lam: sgl.NuclearNorm(lam).prox(w, 0.9, (0, 1))  # noqa: E731
    alone = np.stack([shrink(*pair) for pair in zip(w, strengths, strict=True)])
    np.testing.assert_allclose(jax.jit(jax.vmap(shrink))(w, strengths), alone, atol=1e-6)
    _, scanned = jax.lax.scan(lambda _, pair: (None, shrink(*pair)), None, (w, strengths))
    np.testing.assert_allclose(scanned, alone, atol=1e-6)


def test_links_read_its_strength():
    params = {"kernel": jnp.asarray(matrix([3.0, 1.0, 0.2]), "float32")}
    for penalty in (sgl.NuclearNorm(0.5), sgl.Spectral(sgl.L1(lambda count: 0.5))):
        tx = sgl.prox_sgd(1.0, sgl.Regularizer(penalty))
        state = tx.init(params)
        updates, state = tx.update(jax.tree.map(jnp.zeros_like, params), state, params)
        expected = prox(sgl.NuclearNorm(0.5), params["kernel"], 1.0)
        np.testing.assert_allclose(params["kernel"] + updates["kernel"], expected, atol=1e-6)
    split = sgl.sgl_transform(sgl.Spectral(sgl.MCP(0.5)), beta=2.0)
    v = sgl.sparse_params(split.init(params), params)["kernel"]
    assert np.linalg.matrix_rank(v, tol=1e-5) < 3
    assert sgl.Spectral(sgl.MCP(0.5)).rescaled(2.0) == sgl.Spectral(sgl.MCP(1.0))


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            lambda: sgl.NuclearNorm(0.5).prox(jnp.ones(3), 1.0, (0,)),
            r"NuclearNorm needs groups with two axes or more, .* got one of shape \(3,\); give",
        ),
        (
            lambda: sgl.Spectral(sgl.L1(0.5)).value(jnp.ones((3, 2))),
            r"Spectral needs groups with two axes or more, .* got one of shape \(\); give",
        ),
        (
            lambda: sgl.NuclearNorm(0.5).prox(jnp.ones((3, 2)), 1.0, (0, 1), jnp.ones((3, 2))),
            "A prox in a diagonal metric needs .*, got NuclearNorm; take Euclidean steps",
        ),
        (
            lambda: sgl.Spectral.__post_init__(
                type("Asked", (), {"penalty": sgl.L1MinusL2(0.5)})()
            ),
            "Spectral needs a penalty that is a function of a norm, got L1MinusL2",
        ),
        (lambda: sgl.Spectral(sgl.L1(-1.0)), r"L1 needs lam >= 0, got lam=-1\.0"),
    ],
)
def test_misuse_is_refused(act, sentence):
    with pytest.raises(ValueError, match=sentence):
        act()


def test_outputs_of_another_layout_are_the_first_axis(x64):
    w = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    turned = np.moveaxis(w, (2, 3), (1, 0))
    for make in (sgl.NuclearNorm, lambda lam, **layout: sgl.Spectral(sgl.L0(lam), **layout)):
        last, first = make(0.5), make(0.5, layout="OIHW")
        np.testing.assert_allclose(value(first, turned), value(last, w), rtol=1e-12)
        found = np.moveaxis(prox(first, turned, 2.0), (1, 0), (2, 3))
        np.testing.assert_allclose(found, prox(last, w, 2.0), atol=1e-12)
        assert first.rescaled(2.0) == make(1.0, layout="OIHW")
