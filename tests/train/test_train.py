"""The loop: one step against Optax by hand, learning, determinism, and what it refuses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sgl_jax as sgl
from sgl_jax._util.compilation import NO_YNNPACK, YNNPACK_SUMS, option_sets
from sgl_jax.data import DATASETS
from sgl_jax.models import LeNet5, ResNet
from sgl_jax.train import compiled, evaluate, init_state, split, train_epoch, train_step
from sgl_jax.train._epoch import compile_step


class Counting(nnx.Module):
    """A dense layer behind dropout, with a running count: a model with a rest."""

    def __init__(self, rngs):
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.fc = nnx.Linear(784, 10, param_dtype=float, rngs=rngs)
        self.calls = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        self.calls[...] += 1
        return self.fc(self.dropout(x.reshape(x.shape[0], -1)))


@pytest.fixture(scope="module")
def digits():
    return DATASETS["digits"]()


@pytest.fixture(scope="module")
def narrow():
    return split(nnx.jit(lambda: LeNet5(widths=(4, 6, 16), rngs=nnx.Rngs(0)))())


def test_train_step_is_the_optimizer_on_the_mean_loss(narrow, double):
    network, params, rest = narrow
    params = jax.tree.map(lambda w: w.astype(float), params)
    tx = optax.sgd(0.1)
    images = jax.random.uniform(jax.random.key(0), (3, 28, 28, 1), float)
    labels = jnp.array([1, 2, 3])

    def loss_fn(params):
        log_p = jax.nn.log_softmax(network.apply((params, rest), images))
        return -log_p[jnp.arange(3), labels].mean()

    expected_loss, grads = jax.jit(jax.value_and_grad(loss_fn))(params)
    step = jax.jit(partial(train_step, network.forward, tx))
    state, loss = step(init_state(tx, params, rest), images, labels)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-12)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12),
        state.params,
        expected,
    )
    assert int(state.step) == 1


@pytest.fixture(scope="module")
def two_runs(narrow, digits):
    network, params, rest = narrow
    tx = optax.adam(3e-3)

    def run():
        state = init_state(tx, params, rest)
        losses = []
        for key in jax.random.split(jax.random.key(0), 4):
            state, loss = train_epoch(
                key, network.forward, tx, state, digits.x_train, digits.y_train, batch_size=64
            )
            losses.append(float(loss))
        return state, losses

    return run(), run()


def test_train_epoch_learns_the_digits(narrow, digits, two_runs):
    network, params, rest = narrow
    (state, losses), _ = two_runs
    before = evaluate(network.apply, (params, rest), digits.x_test, digits.y_test)
    after = evaluate(network.apply, (state.params, state.rest), digits.x_test, digits.y_test)
    assert losses == sorted(losses, reverse=True)
    assert int(state.step) == 4 * (1397 // 64)
    assert before.error > 0.5
    assert after.error < 0.15
    assert after.loss < before.loss / 3


def test_train_epoch_repeats_itself_bit_for_bit(two_runs):
    (first, first_losses), (second, second_losses) = two_runs
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert first_losses == second_losses


@pytest.mark.parametrize("options", option_sets())
def test_compiler_options_change_nothing_but_rounding(options, narrow, double):
    network, params, rest = narrow
    params = jax.tree.map(lambda w: w.astype(float), params)
    images = jax.random.uniform(jax.random.key(0), (3, 28, 28, 1), float)
    grad = jax.grad(lambda params: jnp.sum(network.apply((params, rest), images) ** 2))
    found = (jax.tree.leaves(each(params)) for each in (jax.jit(grad), compiled(grad, options)))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


def test_an_epoch_takes_the_compiler_options_that_it_is_given(narrow, digits):
    """The loss of its only step is that of the parameters before it."""
    network, params, rest = narrow
    tx, few = optax.sgd(0.1), (digits.x_train[:64], digits.y_train[:64])
    losses = [
        train_epoch(
            jax.random.key(0),
            network.forward,
            tx,
            init_state(tx, params, rest),
            *few,
            batch_size=64,
            options=options,
        )[1]
        for options in option_sets()
    ]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)
    assert len({id(compile_step(options)) for options in option_sets()}) == len(option_sets())


def test_a_network_has_the_compiler_options_of_its_model():
    plain, residual = LeNet5(widths=(1, 1, 1), rngs=nnx.Rngs(0)), ResNet(depth=8, rngs=nnx.Rngs(0))
    assert split(plain)[0].options == NO_YNNPACK
    assert split(residual)[0].options == ResNet.compiler_options == YNNPACK_SUMS


@pytest.mark.usefixtures("double", "standard_promotion")
@pytest.mark.parametrize("regularized", [False, True])
def test_scan_takes_the_same_steps_as_the_loop(regularized, digits):
    network, params, rest = split(Counting(nnx.Rngs(0)))
    lasso = sgl.SparseGroup(sgl.L1(1e-3), sgl.L1(1e-3))
    tx = sgl.prox_sgd(0.1, lasso if regularized else None, momentum=0.9)
    found = []
    for scan in (False, True):
        state, loss = train_epoch(
            jax.random.key(3),
            network.forward,
            tx,
            init_state(tx, params, rest),
            digits.x_train[:200],
            digits.y_train[:200],
            batch_size=20,
            scan=scan,
        )
        found.append((state.params, int(state.rest["calls"][...]), int(state.step), loss))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), *found)
    assert found[0][1:3] == (10, 10)


@pytest.mark.parametrize("scan", [False, True])
def test_every_batch_is_augmented_with_a_key_of_its_own(scan, digits):
    network, params, rest = split(Counting(nnx.Rngs(0)))
    seen, tx = [], optax.sgd(0.0)

    def augment(key, images):
        jax.debug.callback(lambda *got: seen.append(got), jax.random.key_data(key), images.sum())
        return images

    x, y = digits.x_train[:40], digits.y_train[:40]
    for epoch in (0, 1, 1):
        state = init_state(tx, params, rest)
        key = jax.random.key(epoch)
        options = {"batch_size": 10, "scan": scan, "augment": augment}
        train_epoch(key, network.forward, tx, state, x, y, **options)
        jax.effects_barrier()
    keys = [tuple(key.tolist()) for key, _ in seen]
    assert len(keys) == 12
    assert len(set(keys)) == 8
    assert sorted(keys[4:8]) == sorted(keys[8:])
    np.testing.assert_allclose(sum(total for _, total in seen[:4]), x.sum() / 255, rtol=1e-5)


@pytest.mark.parametrize("chunk_size", [0, -3])
def test_evaluate_needs_chunks_of_an_image_at_least(digits, chunk_size):
    with pytest.raises(ValueError, match=f"at least 1, got chunk_size={chunk_size}"):
        evaluate(lambda w, x: x, {}, digits.x_test, digits.y_test, chunk_size=chunk_size)


@pytest.mark.usefixtures("double", "standard_promotion")
def test_evaluate_does_not_depend_on_the_chunks(narrow, digits):
    network, params, rest = narrow
    params = jax.tree.map(lambda w: w.astype(float), params)
    x, y = digits.x_test[:50], digits.y_test[:50]
    whole = evaluate(network.apply, (params, rest), x, y)
    parts = evaluate(network.apply, (params, rest), x, y, chunk_size=16)
    logits = network.apply((params, rest), jnp.asarray(x, float) / 255)
    assert whole.error == parts.error == np.mean(np.argmax(logits, axis=1) != y)
    assert whole.loss == pytest.approx(parts.loss, rel=1e-12)


def test_split_keeps_the_rest_of_a_model(digits):
    model = Counting(nnx.Rngs(0))
    network, params, rest = split(model)
    tx = optax.sgd(0.1)
    state = init_state(tx, params, rest)
    x, y = digits.x_train[:40], digits.y_train[:40]
    state, _ = train_epoch(jax.random.key(0), network.forward, tx, state, x, y, batch_size=10)
    assert int(state.rest["calls"][...]) == 4
    assert int(model.calls[...]) == 0
    images = jnp.ones((2, 28, 28, 1))
    variables = (state.params, state.rest)
    once, again = network.apply(variables, images), network.apply(variables, images)
    np.testing.assert_array_equal(once, again)
    in_training, _ = network.forward(state.params, state.rest, images)
    assert (in_training != once).any()


def test_train_epoch_takes_an_optimizer_that_holds_its_parameters(narrow, digits):
    network, params, rest = narrow
    tx = optax.contrib.schedule_free_sgd(0.1)
    state = init_state(tx, params, rest)
    x, y = digits.x_train[:20], digits.y_train[:20]
    state, loss = train_epoch(jax.random.key(0), network.forward, tx, state, x, y, batch_size=10)
    assert np.isfinite(loss)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_an_empty_split_is_refused(narrow, digits):
    network, params, rest = narrow
    with pytest.raises(ValueError, match="got 0 images and 0 labels"):
        evaluate(network.apply, (params, rest), digits.x_test[:0], digits.y_test[:0])
