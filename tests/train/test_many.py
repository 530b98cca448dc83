"""Many lanes at once: each is its single run, in turn, side by side, in chunks, over a mesh."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.lanes import KEYS, LASSO, SEEDS, Problem, assert_same_training, zeros
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.models import LeNet5
from sgl_jax.train.many import grid, lane, memory_of
from sgl_jax.train.many._program import compiled_epoch


pytestmark = pytest.mark.usefixtures("double_lanes")


@pytest.mark.slow
def test_grid_of_lenet5_is_its_single_runs(adam):
    # With few filters, here and below: at full width they take minutes on two cores.
    lenet5 = Problem(lambda rngs: LeNet5((6, 10, 40), rngs=rngs), images=480, batch_size=16)
    lanes = grid(seed=[0, 1], lam=[0.0, 1e-3])
    states = lenet5.states(adam, lanes["seed"], {"lam": lanes["lam"]})
    found = lenet5.train(adam, states, jax.vmap(jax.random.key)(lanes["seed"]))
    assert int(found[0].step[0]) == 30
    assert lenet5.traces == 1
    assert_same_training(found, lenet5.singles(adam, lanes=lanes))
    assert lenet5.traces == 1
    assert np.all(np.diff(zeros(found[0]).reshape(2, 2)) > 0)


@pytest.mark.slow
def test_grid_of_narrow_lenet5_in_turn_is_its_single_runs(adam):
    narrow = Problem(lambda rngs: LeNet5((4, 6, 16), rngs=rngs), images=480, batch_size=16)
    found = narrow.train(adam, narrow.states(adam), vectorize=False)
    assert found[0].params["fc1"]["kernel"].dtype == jnp.float64
    assert narrow.traces == 1
    assert int(found[0].step[0]) == 30
    assert_same_training(found, narrow.singles(adam))
    assert np.all(np.diff(zeros(found[0]).reshape(SEEDS, 4)) > 0)


@pytest.mark.slow
@pytest.mark.parametrize("vectorize", usual([None, True], [None]))
def test_dropout_and_epochs_are_those_of_the_single_runs(vectorize, tiny, adam, expected):
    states = tiny.states(adam)
    tiny.traces = 0
    found = tiny.train(adam, states, epochs=2, vectorize=vectorize)
    assert tiny.traces <= 1
    assert found[1].shape == (20, 2)
    assert_same_training(found, expected)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states))


@pytest.mark.parametrize("vectorize", usual([False, True], [False]))
def test_training_goes_on_where_it_ended(vectorize, tiny, adam, expected):
    states, first = tiny.train(adam, tiny.states(adam), vectorize=vectorize)
    states, second = tiny.train(adam, states, done=1, vectorize=vectorize)
    assert_same_training((states, jnp.hstack([first, second])), expected)


@pytest.mark.parametrize("vectorize", usual([False, True], [False]))
def test_lanes_have_an_order_of_their_own(vectorize, tiny, adam):
    states = functools.partial(tiny.states, adam, [0, 0, 0], {})
    keys = jax.vmap(jax.random.key)(jnp.array([7, 8, 7]))
    _, losses = tiny.train(adam, states(), keys, vectorize=vectorize)
    assert losses[0] == losses[2] != losses[1]


@pytest.mark.slow
@pytest.mark.parametrize("chunk_size", [8, 10])
def test_chunks_change_nothing_and_share_one_program(chunk_size, tiny, adam, expected):
    states = tiny.states(adam)
    tiny.traces = 0
    found = tiny.train(adam, states, epochs=2, vectorize=True, chunk_size=chunk_size)
    assert tiny.traces == 1
    assert_same_training(found, expected)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states))


def mesh_of(devices):
    return jax.make_mesh((devices,), ("lanes",), devices=jax.devices()[:devices])


@pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices")
@pytest.mark.parametrize(
    ("devices", "options"),
    [
        pytest.param(8, {}, id="in turn", marks=[pytest.mark.slow, pytest.mark.exhaustive]),
        pytest.param(8, {"vectorize": True}, id="padded", marks=pytest.mark.slow),
        pytest.param(4, {"vectorize": True}, id="even"),
        pytest.param(2, {"chunk_size": 8}, id="in chunks", marks=pytest.mark.slow),
    ],
)
def test_mesh_changes_nothing(devices, options, tiny, adam, expected):
    mesh = mesh_of(devices)
    options = options if devices == 8 else {"vectorize": True, **options}
    found = tiny.train(adam, tiny.states(adam), epochs=2, mesh=mesh, **options)
    assert_same_training(found, expected)
    again = tiny.train(adam, found[0], mesh=mesh, done=2, **options)
    assert int(again[0].step[-1]) == 15
    if devices == 4:
        kernel = again[0].params["fc"]["kernel"][...]
        assert [shard.data.shape[0] for shard in kernel.addressable_shards] == [5] * 4


OPTIMIZERS = {
    "splitting": (
        optax.chain(sgl.sgl_transform(sgl.TransformedL1(1e-3), beta=0.1), optax.sgd(0.1)),
        grid(lam=[1e-3, 1e-2], beta=[0.1, 0.5]),
    ),
    "prox": (sgl.prox_sgd(0.1, LASSO), grid(step_size=[0.05, 0.2], group_lam=[1e-3, 1e-2])),
    "injected": (
        optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.9),
        grid(learning_rate=[0.05, 0.1], momentum=[0.0, 0.9]),
    ),
    "injected link": (
        optax.chain(
            optax.inject_hyperparams(sgl.sgl_transform, static_args="penalty")(
                sgl.TransformedL1(1e-3), beta=0.1
            ),
            optax.sgd(0.1),
        ),
        grid(lam=[1e-3, 1e-2], beta=[0.1, 0.5]),
    ),
}


@pytest.mark.parametrize("name", usual(OPTIMIZERS, ["injected link"]))
def test_any_number_of_the_optimizer_is_a_lane(name, tiny):
    tx, values = OPTIMIZERS[name]
    keys = jax.vmap(jax.random.key)(jnp.arange(4))
    found = tiny.train(tx, tiny.states(tx, range(4), values), keys, vectorize=True)
    lanes = {"seed": range(4), **values}
    assert_same_training(found, tiny.singles(tx, lanes=lanes))
    same = tiny.train(tx, tiny.states(tx, range(4), {}), keys, vectorize=True)
    assert np.all(np.abs(np.asarray(same[1] - found[1]))[1:3] > 0)


@pytest.mark.slow
def test_estimated_memory_is_what_the_program_takes(tiny, adam):
    states = tiny.states(adam)
    x, y = map(jnp.asarray, (tiny.x, tiny.y))
    batch, number = tiny.batch_size, jnp.zeros((), jnp.int32)
    use = (
        compiled_epoch.lower(tiny.forward, adam, batch, None, states, KEYS, x, y, number)
        .compile()
        .memory_analysis()
    )
    real = use.argument_size_in_bytes + use.temp_size_in_bytes
    estimate = memory_of(tiny.forward, adam, states, tiny.x, tiny.y, batch_size=batch)
    assert real / 1.5 < estimate < real * 1.5
    fewer = memory_of(tiny.forward, adam, states, tiny.x, tiny.y, batch_size=batch, lanes=5)
    assert fewer < estimate / 2


@pytest.mark.slow
def test_grid_beyond_the_memory_is_trained_in_chunks(tiny, adam, expected, monkeypatch):
    states = tiny.states(adam)
    batch = tiny.batch_size
    seven = memory_of(tiny.forward, adam, states, tiny.x, tiny.y, batch_size=batch, lanes=7)
    limit = seven + sum(leaf.nbytes for leaf in jax.tree.leaves(states))
    sizes = []

    def watched(forward, tx, batch_size, mesh, states, *rest):
        sizes.append(len(states.step))
        return compiled_epoch(forward, tx, batch_size, mesh, states, *rest)

    monkeypatch.setattr("sgl_jax.train.many._vectorized.compiled_epoch", watched)
    found = tiny.train(adam, states, epochs=2, vectorize=True, memory_limit=limit)
    assert sizes == [7] * 6
    assert_same_training(found, expected)
    for chunk_size in (None, 20):
        options = {"vectorize": True, "memory_limit": 10, "chunk_size": chunk_size}
        with pytest.raises(ValueError, match="lane beside the states of all 20, got 10"):
            tiny.train(adam, tiny.states(adam), **options)


def test_lane_is_a_state_of_a_single_run(tiny, adam, expected):
    one = lane(expected[0], 3)
    assert one.params["fc"]["kernel"].shape == (72, 10)
    sparse = sgl.sparse_params(one.opt_state, one.params)
    jax.tree.map(np.testing.assert_array_equal, sparse, one.params)
