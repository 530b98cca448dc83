"""Training on eight devices: the numbers of one device, where arrays lie, what is compiled."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.problems import assert_same_support
from support.tiers import usual
from support.tiny import Tiny

import sgl_jax as sgl
from sgl_jax.data import DATASETS, keep
from sgl_jax.data._augmentation import crop_flip
from sgl_jax.models import LeNet5
from sgl_jax.train import evaluate, init_state, split, train_epoch
from sgl_jax.train.placement import data_parallel, fully_sharded, gathered


pytestmark = [
    pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices"),
    pytest.mark.usefixtures("double", "standard_promotion"),
]

PLACEMENTS = {"data_parallel": data_parallel, "fully_sharded": fully_sharded}

LASSO = sgl.SparseGroup(sgl.L1(1e-2), sgl.L1(5e-3))

# Adam divides by the gradient's size: with its usual eps of 1e-8 a gradient that is rounding only
# makes a whole step.
METHODS = {
    "prox_adam": lambda: sgl.prox_adam(1e-3, LASSO, eps=1e-3),
    "prox_sgd": lambda: sgl.prox_sgd(1e-2, LASSO, momentum=0.9),
    "splitting": lambda: sgl.splitting(
        1e-3,
        sgl.SparseGroup(sgl.TransformedL1(1e-4), sgl.L1(1e-4)),
        beta=3e-2,
        base=functools.partial(optax.adam, eps=1e-3),
    ),
}

BATCH, STEPS = 16, 30


# LeNet-5 with few filters: at full width all methods take minutes on two cores.
MODELS = {"tiny": Tiny, "lenet5": functools.partial(LeNet5, (6, 10, 40))}


@functools.cache
def network(model):
    net, params, rest = split(nnx.jit(lambda: model(classes=10, rngs=nnx.Rngs(0)))())
    return net, jax.tree.map(lambda w: w.astype(float), params), rest


@functools.cache
def images():
    digits = DATASETS["digits"]()
    return digits.x_train[: BATCH * STEPS], digits.y_train[: BATCH * STEPS]


def trained(tx, placement=None, model=Tiny, augment=keep):
    """Trains for an epoch; returns state and loss."""
    net, params, rest = network(model)
    state, key = init_state(tx, params, rest), jax.random.key(1)
    options = {"batch_size": BATCH, "placement": placement, "augment": augment}
    return train_epoch(key, net.forward, tx, state, *images(), **options)


@functools.cache
def trained_on_one_device(method, model):
    state, loss = trained(METHODS[method](), model=MODELS[model])
    return state, sgl.sparse_params(state.opt_state, state.params), loss


@pytest.mark.parametrize("model", usual(MODELS, ["tiny"]))
@pytest.mark.parametrize("place", usual(PLACEMENTS, ["fully_sharded"]))
@pytest.mark.parametrize("method", usual(METHODS, ["splitting"]))
def test_training_on_eight_devices_is_that_on_one(method, place, model):
    expected, expected_sparse, expected_loss = trained_on_one_device(method, model)
    state, loss = trained(METHODS[method](), PLACEMENTS[place](), MODELS[model])
    assert int(state.step) == STEPS
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-9)
    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-9)
    jax.tree.map(close, state.params, expected.params)
    found = gathered(state)
    sparse = sgl.sparse_params(found.opt_state, found.params)
    assert_same_support(sparse, expected_sparse, within=1e-9)
    assert 0.002 < sgl.sparsity(sparse).weights < 0.98


def test_images_are_changed_on_eight_devices_as_on_one():
    expected, first = trained(optax.sgd(0.1), augment=crop_flip)
    found, second = trained(optax.sgd(0.1), data_parallel(), augment=crop_flip)
    np.testing.assert_allclose(first, second, rtol=1e-9)
    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-9)
    jax.tree.map(close, found.params, expected.params)


def blocks(leaf):
    """Counts the devices of a leaf; returns that and the shape of the block on each."""
    (shape,) = {shard.data.shape for shard in leaf.addressable_shards}
    return len({shard.device for shard in leaf.addressable_shards}), shape


def test_state_is_split_over_the_devices_and_its_moments_like_it():
    state, _ = trained(sgl.prox_adam(1e-3, LASSO), fully_sharded())
    kernel = state.params["fc"]["kernel"][...]
    assert (kernel.shape, blocks(kernel)) == ((72, 10), (8, (9, 10)))
    assert blocks(state.opt_state.direction.mu["fc"]["kernel"][...]) == (8, (9, 10))
    assert blocks(state.params["conv"]["kernel"][...]) == (8, (5, 5, 1, 2))
    whole = gathered(state.params)["fc"]["kernel"][...]
    assert len(whole.sharding.device_set) == 1
    np.testing.assert_array_equal(whole, kernel)


def test_state_is_copied_to_the_devices():
    state, _ = trained(sgl.prox_adam(1e-3, LASSO), data_parallel())
    kernel = state.params["fc"]["kernel"][...]
    assert blocks(kernel) == (8, (72, 10))


@pytest.mark.parametrize("scan", [False, True])
def test_only_the_first_step_compiles(scan, caplog):
    tx, placement = sgl.prox_adam(1e-3, LASSO), fully_sharded()
    net, params, rest = network(Tiny)
    x, y = placement.copy(jax.tree.map(jnp.asarray, images()))
    state = init_state(tx, params, rest)
    compiled = []
    for key in jax.random.split(jax.random.key(0), 3):
        with jax.log_compiles():
            state, _ = train_epoch(
                key, net.forward, tx, state, x, y, batch_size=160, scan=scan, placement=placement
            )
        names = re.findall(r"Compiling jit\((\w+)\)", caplog.text)
        compiled.append([name for name in names if name in ("_take_step", "_epoch")])
        caplog.clear()
    assert compiled == [["_epoch" if scan else "_take_step"], [], []]


@pytest.mark.parametrize("place", PLACEMENTS)
def test_evaluation_on_eight_devices_is_that_on_one(place):
    net, params, rest = network(Tiny)
    x, y = images()
    expected = evaluate(net.apply, (params, rest), x[:150], y[:150])
    for chunk_size in (1000, 60):
        found = evaluate(
            net.apply,
            (params, rest),
            x[:150],
            y[:150],
            chunk_size=chunk_size,
            placement=PLACEMENTS[place](),
        )
        assert found.error == expected.error
        assert found.loss == pytest.approx(expected.loss, rel=1e-12)


def test_keys_and_numbers_are_placed_and_gathered():
    tree = {"key": jax.random.key(3), "number": 2.0, "half": jnp.ones(1024, jnp.bfloat16)}
    placed = fully_sharded().place(tree)
    assert all(len(leaf.sharding.device_set) == 8 for leaf in jax.tree.leaves(placed))
    assert blocks(placed["half"]) == (8, (128,))
    whole = gathered(placed)
    assert all(len(leaf.sharding.device_set) == 1 for leaf in jax.tree.leaves(whole))
    assert jax.random.key_data(whole["key"]).tolist() == jax.random.key_data(tree["key"]).tolist()
    assert whole["half"].dtype == jnp.bfloat16


def test_some_of_the_devices_are_enough():
    placement = fully_sharded(jax.devices()[2:6])
    assert placement.place(jnp.ones((3, 256))).sharding.device_set == set(jax.devices()[2:6])


def test_a_batch_that_the_devices_cannot_share_is_refused():
    net, params, rest = network(Tiny)
    tx = sgl.prox_adam(1e-3, LASSO)
    state = init_state(tx, params, rest)
    with pytest.raises(ValueError, match=r"divisible by the 8 devices .* got 20 examples: choose"):
        train_epoch(
            jax.random.key(0),
            net.forward,
            tx,
            state,
            *images(),
            batch_size=20,
            placement=data_parallel(),
        )
