"""The paper's iteration, transcribed in NumPy from its equations, against the Optax link.

Bui, Park, Zhang, Qi and Xin, Front. Appl. Math. Stat. 6:529564, 2021: a gradient step on W with V
held, then V by closed-form thresholding, on all the data in double precision.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.iterates import soft

import sgl_jax as sgl


LAM, BETA, RATE, STEPS = 0.01, 0.2, 0.05, 50
ALPHA, A_TL1, A_SCAD = 1.0, 1.0, 3.7
GROUP_AXES = {"conv": (0, 1, 2), "fc": (1,)}
"""A group is a filter of the convolution, and what reads one input of the dense layer."""


class Thresholding(NamedTuple):
    """A penalty with its value and the thresholding of the paper, both in NumPy."""

    penalty: type[sgl.Penalty]
    value: object
    threshold: object


def hard(w, s):
    return np.where(np.abs(w) > np.sqrt(2 * s), w, 0)


def threshold_transformed_l1(w, s, a=A_TL1):
    small = s <= a**2 / (2 * (a + 1))
    t = s * (a + 1) / a if small else np.sqrt(2 * s * (a + 1)) - a / 2
    size = np.abs(w)
    cosine = 1 - 27 * s * a * (a + 1) / (2 * (a + size) ** 3)
    angle = np.arccos(np.where(size > t, cosine, 0))
    root = 2 / 3 * (a + size) * np.cos(angle / 3) - 2 * a / 3 + size / 3
    return np.where(size > t, np.sign(w) * root, 0)


def threshold_l1_minus_l2(w, s, alpha=ALPHA):
    peak = np.abs(w).max()
    if peak > s:
        z = soft(w, s)
        return z * (np.linalg.norm(z) + alpha * s) / np.linalg.norm(z)
    found = np.zeros_like(w)
    if peak > (1 - alpha) * s:
        largest = np.unravel_index(np.argmax(np.abs(w)), w.shape)
        found[largest] = np.sign(w[largest]) * (peak + (alpha - 1) * s)
    return found


def threshold_scad(w, s, a=A_SCAD):
    middle = ((a - 1) * w - np.sign(w) * a * s) / (a - 2)
    size = np.abs(w)
    return np.where(size <= 2 * s, soft(w, s), np.where(size <= a * s, middle, w))


def value_scad(v, lam, a=A_SCAD):
    """The penalty with the knees of lam."""
    size = np.abs(v)
    middle = (2 * a * lam * size - size**2 - lam**2) / (2 * (a - 1))
    beyond = lam**2 * (a + 1) / 2
    return np.where(size <= lam, lam * size, np.where(size <= a * lam, middle, beyond)).sum()


PAPER = {
    "l1": Thresholding(sgl.L1, lambda v, lam: lam * np.abs(v).sum(), soft),
    "l0": Thresholding(sgl.L0, lambda v, lam: lam * np.count_nonzero(v), hard),
    "transformed_l1": Thresholding(
        sgl.TransformedL1,
        lambda v, lam: lam * ((A_TL1 + 1) * np.abs(v) / (A_TL1 + np.abs(v))).sum(),
        threshold_transformed_l1,
    ),
    "l1_minus_l2": Thresholding(
        sgl.L1MinusL2,
        lambda v, lam: lam * (np.abs(v).sum() - ALPHA * np.linalg.norm(v)),
        threshold_l1_minus_l2,
    ),
    "scad": Thresholding(sgl.SCAD, value_scad, threshold_scad),
}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@functools.cache
def problem():
    """Patches of ten images, labels, and the weights to start from."""
    generator = np.random.default_rng(0)
    patches = generator.standard_normal((10, 6, 18))
    labels = np.eye(3)[generator.integers(0, 3, 10)]
    weights = {
        "conv": {"kernel": 0.3 * generator.standard_normal((3, 3, 2, 4))},
        "fc": {"kernel": 0.5 * generator.standard_normal((4, 3)), "bias": np.full(3, 0.1)},
    }
    return patches, labels, weights


def loss(params):
    """Softmax regression on the mean over patches of tanh of a convolution."""
    patches, labels, _ = problem()
    hidden = jnp.tanh(patches @ params["conv"]["kernel"].reshape(18, 4)).mean(axis=1)
    logits = hidden @ params["fc"]["kernel"] + params["fc"]["bias"].reshape(1, 3)
    return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), axis=1))


def gradient_by_hand(weights):
    """The gradient of :func:`loss`, by the chain rule."""
    patches, labels, _ = problem()
    n, places, _ = patches.shape
    active = np.tanh(patches @ weights["conv"]["kernel"].reshape(18, 4))
    hidden = active.mean(axis=1)
    logits = hidden @ weights["fc"]["kernel"] + weights["fc"]["bias"]
    odds = np.exp(logits)
    back = (odds / odds.sum(axis=1, keepdims=True) - labels) / n
    inner = (back @ weights["fc"]["kernel"].T)[:, None] * (1 - active**2) / places
    kernel = np.einsum("nlp,nlc->pc", patches, inner).reshape(3, 3, 2, 4)
    return {
        "conv": {"kernel": kernel},
        "fc": {"kernel": hidden.T @ back, "bias": back.sum(axis=0)},
    }


def iterate_by_hand(name, betas):
    """W and V after a step at each of the betas, V first being the threshold of the start."""
    threshold = PAPER[name].threshold
    weights = problem()[2]
    for beta in betas:
        v = {layer: threshold(weights[layer]["kernel"], LAM / beta) for layer in GROUP_AXES}
        gradient = gradient_by_hand(weights)
        for layer, axes in GROUP_AXES.items():
            w = weights[layer]["kernel"]
            norms = np.sqrt((w**2).sum(axis=axes, keepdims=True))
            root_size = np.sqrt(np.prod([w.shape[axis] for axis in axes]))
            pull = LAM * root_size * w / norms + beta * (w - v[layer])
            gradient[layer]["kernel"] = gradient[layer]["kernel"] + pull
        weights = jax.tree.map(lambda w, g: w - RATE * g, weights, gradient)
    return weights, {layer: threshold(weights[layer]["kernel"], LAM / beta) for layer in GROUP_AXES}


def growth(count):
    """The paper's schedule of beta: 1.25 times as much at intervals."""
    return BETA * 1.25 ** jnp.asarray(count // 10, float)


@functools.cache
def history(name, beta):
    """Parameters, state, objective and least group norm after each of 200 steps."""
    tx = optax.chain(sgl.sgl_transform(PAPER[name].penalty(LAM), beta=beta), optax.sgd(RATE))

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
        squares = [
            jnp.sum(params[layer]["kernel"] ** 2, axis=axes).ravel()
            for layer, axes in GROUP_AXES.items()
        ]
        objective = sgl.objective(loss(params), state, params)
        return (params, state), (params, state, objective, jnp.sqrt(jnp.concatenate(squares).min()))

    start = jax.tree.map(jnp.asarray, problem()[2])
    run = jax.jit(lambda carry: jax.lax.scan(step, carry, None, 200)[1])
    return run((start, tx.init(start)))


def after(name, beta, steps):
    """Parameters and state after some steps."""
    return jax.tree.map(lambda path: path[steps - 1], history(name, beta)[:2])


def assert_close(found, expected):
    def compare(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max())

    jax.tree.map(compare, found, expected)


@pytest.fixture(scope="module", params=PAPER)
def name(request):
    return request.param


@pytest.mark.parametrize(
    ("beta", "betas"),
    [(BETA, np.full(STEPS, BETA)), (growth, BETA * 1.25 ** (np.arange(STEPS) // 10))],
    ids=["fixed", "growing"],
)
def test_splitting_is_the_iteration_of_the_paper(name, beta, betas):
    params, state = after(name, beta, STEPS)
    expected_w, expected_v = iterate_by_hand(name, betas)
    sparse = sgl.sparse_params(state, params)
    assert_close(params, expected_w)
    np.testing.assert_array_equal(sparse["fc"]["bias"], params["fc"]["bias"])
    for layer, v in expected_v.items():
        assert_close(sparse[layer]["kernel"], v)
        np.testing.assert_array_equal(sparse[layer]["kernel"] == 0, v == 0)
    assert 0 < sum(np.sum(v == 0) for v in expected_v.values()) < 84


def test_transcription_differentiates_the_loss():
    weights = problem()[2]
    assert_close(gradient_by_hand(weights), jax.jit(jax.grad(loss))(weights))


def test_penalty_value_is_the_split_objective(name):
    weights = jax.tree.map(jnp.asarray, problem()[2])
    state = sgl.sgl_transform(PAPER[name].penalty(LAM), beta=BETA).init(weights)
    expected = 0.0
    for layer, axes in GROUP_AXES.items():
        w = np.asarray(weights[layer]["kernel"])
        v = PAPER[name].threshold(w, LAM / BETA)
        root_size = np.sqrt(np.prod([w.shape[axis] for axis in axes]))
        expected += LAM * root_size * np.sqrt((w**2).sum(axis=axes)).sum()
        expected += BETA * PAPER[name].value(v, LAM / BETA) + BETA / 2 * ((v - w) ** 2).sum()
    np.testing.assert_allclose(jax.jit(sgl.penalty_value)(state, weights), expected, rtol=1e-12)


def test_split_objective_never_increases(name):
    _, _, objectives, norms = history(name, BETA)
    assert norms.min() > 1e-6
    assert np.diff(objectives).max() <= 0
    assert objectives[-1] < 0.9 * objectives[0]


def test_every_penalty_of_the_paper_is_in_the_catalogue():
    assert all(sgl.PENALTIES[name] is entry.penalty for name, entry in PAPER.items())
