"""Exclusive sparsity: the prox of the squared l1 norm against a search over all active sets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sgl_jax as sgl


DTYPES = ("float32", "float64")
rows = jax.jit(jax.vmap(sgl.prox.prox_exclusive, (0, 0, None)))


def exact(w, c):
    """Soft thresholding at the threshold of the best of all sets of the largest entries."""
    ordered = np.sort(np.abs(w))[::-1]
    taus = c * np.cumsum(ordered) / (1 + c * np.arange(1, w.size + 1))
    candidates = [np.maximum(np.abs(w) - tau, 0) for tau in (*taus, np.inf)]
    costs = [c / 2 * z.sum() ** 2 + ((z - np.abs(w)) ** 2).sum() / 2 for z in candidates]
    return np.sign(w) * candidates[int(np.argmin(costs))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lam", [0.0, 0.125, 3.0])
@pytest.mark.parametrize("size", [1, 2, 7, 300])
def test_prox_is_the_argmin_at_every_step(size, lam, dtype):
    steps = np.float32(np.logspace(-6, 6, 100))
    draw = np.random.default_rng(size)
    w = np.float32(draw.normal(size=(100, size)) * 10 ** draw.uniform(-2, 2, (100, 1)))
    with jax.enable_x64(dtype == "float64"):
        found = np.asarray(rows(w.astype(dtype), steps.astype(dtype), lam))
    assert found.dtype == dtype
    expected = [exact(*row) for row in zip(w.astype(float), lam * steps.astype(float), strict=True)]
    slack = 8 * np.finfo(dtype).eps * np.maximum(np.abs(w), np.abs(w).max(1, keepdims=True) / 4)
    np.testing.assert_array_less(np.abs(found - expected), slack)
    if lam:
        # The largest entry keeps all its digits, however strong the penalty; the oracle loses some.
        off = np.abs(np.abs(found).max(1) - np.abs(expected).max(1))
        slack = 64 * np.finfo(dtype).eps * np.abs(found).max(1) + 1e-15 * np.abs(w).max(1)
        np.testing.assert_array_less(off, slack)


@pytest.mark.parametrize("dtype", DTYPES)
def test_prox_at_the_threshold_is_zero(dtype):
    with jax.enable_x64(dtype == "float64"):
        w, penalty = jnp.array([3.0, -1.5, 1.5, 0.0], dtype), sgl.Exclusive(1.0)
        prox = jax.jit(lambda w: penalty.prox(w, 1.0, (0,)))
        np.testing.assert_array_equal(prox(w), [1.5, 0, 0, 0])
        slope = jax.jit(jax.jacrev(prox))(w)
        np.testing.assert_array_equal(slope, np.diag([0.5, 0, 0, 0]))


def test_equal_entries_share():
    found = sgl.prox.prox_exclusive(jnp.array([2.0, -2.0, 2.0, -2.0]), 1.0, 0.25)
    np.testing.assert_array_equal(found, [1.0, -1.0, 1.0, -1.0])


@pytest.mark.parametrize("c", [1e-30, 1e8, 1e30, 3e38])
def test_any_strength_keeps_the_digits_of_a_lone_entry(c):
    w = np.float32([[2.0, 0.0, 1e-3], [0.0, 0.0, 0.0]])
    found = rows(w, jnp.full(2, c, jnp.float32), 1.0)
    np.testing.assert_allclose(found[0, 0], 2.0 / (1.0 + c), rtol=1e-6, atol=1e-37)
    np.testing.assert_array_equal(found[1], 0)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (), (1, 1)])
def test_empty_and_single_leaves_work(shape):
    w, penalty = jnp.full(shape, 2.0), sgl.Exclusive(0.5)
    for axes in {(), tuple(range(len(shape))), tuple(range(1, len(shape)))}:
        found, value = jax.jit(
            lambda w, axes=axes: (penalty.prox(w, 2.0, axes), penalty.value(w, axes))
        )(w)
        np.testing.assert_allclose(found, np.full(shape, 1.0), rtol=1e-6)
        np.testing.assert_allclose(value, w.size * 1.0, rtol=1e-6)


def test_default_groups_are_those_of_the_group_lasso():
    kernels = {"conv": jnp.arange(36.0).reshape(3, 1, 3, 4), "fc": jnp.ones((3, 2))}
    found = sgl.Regularizer(sgl.Exclusive(0.5)).value(kernels)
    filters = np.asarray(kernels["conv"]).sum((0, 1, 2))
    np.testing.assert_allclose(found, 0.25 * (np.sum(filters**2) + 3 * 4), rtol=1e-6)


def test_long_groups_have_digits_and_derivatives():
    w = jax.random.normal(jax.random.key(0), (2_000,))
    prox = functools.partial(sgl.prox.prox_exclusive, lam=0.01)
    _, slope = jax.jvp(prox, (w, 1.0), (jnp.zeros_like(w), 1.0))
    z, h = np.asarray(prox(w, 1.0), float), 1e-3
    with jax.enable_x64(True):
        wide = np.asarray(w, float)
        np.testing.assert_allclose(z, exact(wide, 0.01), atol=1e-5)
        change = (exact(wide, 0.01 * (1 + h)) - exact(wide, 0.01 * (1 - h))) / (2 * h)
    alive = np.abs(z) > 0.1
    np.testing.assert_allclose(slope[alive], change[alive], rtol=2e-2)


def test_derivative_at_zero_is_the_zero_side_of_a_group_and_smooth_alone():
    penalty = sgl.Exclusive(0.5)
    for axes, expected in (((), 0.5), ((0,), 0.0)):
        slope = jax.jacfwd(lambda w: penalty.prox(w, 2.0, axes))(jnp.zeros(2))  # noqa: B023
        np.testing.assert_array_equal(slope, expected * np.eye(2))


def test_cges_is_the_group_lasso_and_exclusive_sparsity_split():
    w, lam, mu, beta = np.random.default_rng(0).normal(size=(5, 4)), 0.3, 0.4, 2.0
    with jax.enable_x64(True):
        params = {"fc": {"kernel": jnp.asarray(w)}}
        both = sgl.SparseGroup(sgl.Exclusive(mu * lam), sgl.L1((1 - mu) * lam), weight=None)
        norms, sums = np.linalg.norm(w, axis=1), np.abs(w).sum(1)
        expected = lam * ((1 - mu) * norms + mu / 2 * sums**2).sum()
        np.testing.assert_allclose(both.value(params), expected, rtol=1e-12)
        lasso = sgl.Regularizer(sgl.L1((1 - mu) * lam), sgl.by_neuron(), weight=None)
        link = sgl.sgl_transform(sgl.Exclusive(mu * lam), beta=beta, group_lam=0)
        tx = optax.chain(sgl.add_penalty_gradient(lasso), link)
        zero = jax.tree.map(jnp.zeros_like, params)
        updates, _ = jax.jit(tx.update)(zero, tx.init(params), params)
        v = np.stack([exact(row, mu * lam / beta) for row in w])
        pull = lam * (1 - mu) * w / norms[:, None] + beta * (w - v)
        np.testing.assert_allclose(updates["fc"]["kernel"], pull, atol=1e-12)


def test_neither_composition_is_the_prox_of_cges():
    w = jnp.array([2.0, 1.0])
    grid = np.stack(np.meshgrid(np.linspace(0, 2, 801), np.linspace(0, 1, 401)), -1).reshape(-1, 2)

    def cost(z):
        norms, sums = np.sqrt((z**2).sum(-1)), z.sum(-1)
        return 0.5 * norms + 0.25 * sums**2 + ((z - np.asarray(w)) ** 2).sum(-1) / 2

    group, exclusive = (lambda z: sgl.L1(0.5).prox(z, 1.0, (0,))), sgl.Exclusive(0.5)
    for z in (group(exclusive.prox(w, 1.0, (0,))), exclusive.prox(group(w), 1.0, (0,))):
        assert cost(np.asarray(z, float)) > cost(grid).min() + 1e-4
