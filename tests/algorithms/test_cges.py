"""Combined group and exclusive sparsity, step by step against its equations in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double")

RATE, LAM = 0.1, 1.5

SHAPES = {"a": (4, 6), "b": (6, 3), "c": (3, 2)}


def both(lam=LAM, **options):
    return sgl.SparseGroup(sgl.Exclusive(lam), sgl.L1(lam), weight=None, **options)


def drawn(seed):
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(shape) for name, shape in SHAPES.items()}


def group_step(w, c):
    """Soft thresholding of the norms of rows."""
    norms = np.linalg.norm(w, axis=1, keepdims=True)
    return np.maximum(1 - c / np.where(norms > 0, norms, 1), 0) * w


def published_step(w, c):
    """Soft thresholding of entries at c times the l1 norms of rows."""
    return np.sign(w) * np.maximum(np.abs(w) - c * np.abs(w).sum(axis=1, keepdims=True), 0)


def exact_step(w, c):
    """The prox of c / 2 times the squared l1 norms: the threshold solves t = c sum (|w| - t)_+."""
    found = np.zeros_like(w)
    for row, out in zip(w, found, strict=True):
        sizes = np.sort(np.abs(row))[::-1]
        taus = c * np.cumsum(sizes) / (1 + c * np.arange(1, len(sizes) + 1))
        out[:] = np.sign(row) * np.maximum(np.abs(row) - taus.max(), 0)
    return found


def trained(tx, start, feed):
    """Parameters after updates by gradients, and the state."""
    params = jax.tree.map(jnp.asarray, start)
    state, update = tx.init(params), jax.jit(tx.update)
    for gradient in feed:
        updates, state = update(jax.tree.map(jnp.asarray, gradient), state, params)
        params = optax.apply_updates(params, updates)
    return params, state


@pytest.mark.parametrize(
    ("options", "shares", "factors"),
    [
        ({}, (0.2, 0.5, 0.8), ((1, 1, 1), (1, 1, 1))),
        ({"least": 0.0, "exact": True}, (0.0, 0.5, 1.0), ((1, 1, 1), (1, 1, 1))),
        (
            {"shares": (0.0, 0.25, 0.5), "exclusive_factors": (1.0, 0.5, 2.0)},
            (0.0, 0.25, 0.5),
            ((1, 1, 1), (1, 0.5, 2)),
        ),
        ({"group_factors": (1.0, 0.5, 0.0)}, (0.2, 0.5, 0.8), ((1, 0.5, 0), (1, 1, 1))),
    ],
)
def test_cges_follows_its_equations(options, shares, factors):
    feed = [drawn(seed) for seed in range(1, 9)]
    params, state = trained(sgl.cges(RATE, both(), **options), drawn(0), feed)
    compete = exact_step if options.get("exact") else published_step
    expected = drawn(0)
    for gradient in feed:
        for number, (name, w) in enumerate(expected.items()):
            share, group, exclusive = shares[number], factors[0][number], factors[1][number]
            moved = group_step(w - RATE * gradient[name], RATE * LAM * (1 - share) * group)
            expected[name] = compete(moved, RATE * LAM * share * exclusive)
    value = 0.0
    for number, (name, w) in enumerate(expected.items()):
        found = np.asarray(params[name])
        np.testing.assert_array_equal(found == 0, w == 0)
        np.testing.assert_allclose(found, w, rtol=1e-9, atol=1e-12)
        norms, sums = np.linalg.norm(w, axis=1), np.abs(w).sum(axis=1)
        value += (1 - shares[number]) * factors[0][number] * norms.sum()
        value += shares[number] * factors[1][number] * (sums**2).sum() / 2
    assert sum(np.sum(w == 0) for w in expected.values()) > 0
    np.testing.assert_allclose(sgl.penalty_value(state, params), LAM * value, rtol=1e-9)


def test_published_step_can_end_a_group_that_the_prox_keeps():
    start = {"a": np.full((1, 6), 0.5)}
    still = [{"a": np.zeros((1, 6))}]
    found = {
        exact: trained(sgl.cges(1.0, both(0.4), least=0.5, exact=exact), start, still)[0]["a"]
        for exact in (False, True)
    }
    np.testing.assert_array_equal(found[False], 0.0)
    assert np.all(np.asarray(found[True]) > 0)


def test_shares_of_four_layers_are_those_of_the_published_code():
    layers = {name: np.ones((2, 2)) for name in "abcd"}
    _, state = trained(sgl.cges(RATE, both()), layers, [])
    lone = [
        sgl.penalty_value(state, {n: jnp.asarray(w * (n == name)) for n, w in layers.items()})
        for name in layers
    ]
    # Two rows of ones: norms of sqrt 2 each, squared l1 norms of 4 each.
    expected = [LAM * ((1 - mu) * 2 * np.sqrt(2) + mu * 4) for mu in (0.2, 0.4, 0.6, 0.8)]
    np.testing.assert_allclose(lone, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": 0.6}, "cges needs least in [0, 1/2] and shares in [0, 1], got least=0.6 and"),
        ({"shares": (0.5, 1.5, 0.5)}, "and shares in [0, 1], got least=0.2 and shares=(0.5, 1.5,"),
        ({"group_factors": (1.0, -1.0)}, "cges needs factors >= 0, got -1.0."),
        ({"shares": (0.5,)}, "cges needs as many shares as layers, 3 here, got 1."),
        ({"exclusive_factors": (1.0, 2.0)}, "cges needs as many factors as layers, 3 here, got 2."),
        ({"learning_rate": -1.0}, "cges needs learning_rate >= 0, got learning_rate=-1.0."),
        (
            {"regularizer": sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.1))},
            "cges needs a SparseGroup of Exclusive and L1, SparseGroup(Exclusive(lam), L1(lam)), "
            "got SparseGroup of L1, L1.",
        ),
        (
            {"regularizer": sgl.Regularizer(sgl.Exclusive(0.1))},
            "got Regularizer of Exclusive.",
        ),
    ],
)
def test_bad_options_are_refused_in_a_sentence(options, message):
    given = {"learning_rate": RATE, "regularizer": both(), **options}
    with pytest.raises(ValueError, match="cges needs") as error:
        sgl.cges(**given).init(jax.tree.map(jnp.asarray, drawn(0)))
    assert message in str(error.value)
