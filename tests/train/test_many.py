"""Many lanes at once: each is its single run, in turn, side by side, in chunks, over a mesh."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.tiers import usual
from support.tiny import Tiny

import sgl_jax as sgl
from sgl_jax.data import DATASETS
from sgl_jax.models import LeNet5
from sgl_jax.train import init_state, split, train_epoch
from sgl_jax.train.many import grid, init_many, lane, memory_of, stack, train_many
from sgl_jax.train.many._program import compiled_epoch


SEEDS = 5
LANES = grid(seed=range(SEEDS), entry_lam=[0.0, 1e-4, 3e-4, 1e-3])
NAMES = {"entry_lam": LANES["entry_lam"]}
KEYS = jax.vmap(jax.random.key)(LANES["seed"])
LASSO = sgl.SparseGroup(sgl.L1(1e-4), sgl.L1(1e-4))


@pytest.fixture(scope="module", autouse=True)
def double():
    """Lanes side by side round otherwise than one by itself; images stay what they are."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


class Problem:
    """A network from several seeds, some digits, and the traces of its forward function."""

    def __init__(self, make, images, batch_size):
        digits = DATASETS["digits"]()
        self.x, self.y = digits.x_train[:images], digits.y_train[:images]
        self.batch_size, self.traces = batch_size, 0
        models = [split(make(nnx.Rngs(seed))) for seed in range(SEEDS)]
        self.network, self.variables = (
            models[0][0],
            [(jax.tree.map(lambda w: w.astype(float), params), rest) for _, params, rest in models],
        )

    def forward(self, params, rest, images):
        self.traces += 1
        return self.network.forward(params, rest, images)

    def states(self, tx, seeds=LANES["seed"], hyperparams=NAMES):
        return init_many(tx, *stack([self.variables[seed] for seed in seeds]), hyperparams)

    def train(self, tx, states, keys=KEYS, **options):
        forward, batch = self.forward, self.batch_size
        return train_many(keys, forward, tx, states, self.x, self.y, batch_size=batch, **options)

    def single(self, tx, seed, epochs=1, **hyperparams):
        """One run by itself, and the loss of each of its epochs."""
        state, losses = init_state(tx, *self.variables[seed]), []
        strengths = {name: jnp.asarray(value, float) for name, value in hyperparams.items()}
        state = state._replace(opt_state=optax.tree.set(state.opt_state, **strengths))
        for epoch in range(1, epochs + 1):
            key = jax.random.fold_in(jax.random.key(seed), epoch)
            state, loss = train_epoch(
                key, self.forward, tx, state, self.x, self.y, batch_size=self.batch_size
            )
            losses.append(loss)
        return state, jnp.stack(losses)

    def singles(self, tx, epochs=1, lanes=LANES):
        rows = [dict(zip(lanes, row, strict=True)) for row in zip(*lanes.values(), strict=True)]
        return stack([self.single(tx, epochs=epochs, **row) for row in rows])


def numbers(tree):
    """The tree with keys as numbers."""

    def of(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return jax.tree.map(of, tree)


def assert_same_training(found, expected, atol=1e-9):
    """The same states and losses, and the same zeros but where the other entry is within atol."""

    def close(a, b):
        np.testing.assert_allclose(a, b, rtol=atol, atol=atol)

    def same_zeros(a, b):
        differ = (a == 0) != (b == 0)
        assert np.all(np.maximum(np.abs(a), np.abs(b))[differ] <= atol)

    (state, losses), (expected_state, expected_losses) = numbers(found), numbers(expected)
    close(losses, expected_losses)
    np.testing.assert_array_equal(state.step, expected_state.step)
    jax.tree.map(close, (state.params, state.rest), (expected_state.params, expected_state.rest))
    jax.tree.map(same_zeros, state.params, expected_state.params)


class Dropping(Tiny):
    """The small network behind dropout, whose stream of random numbers is in the rest."""

    def __init__(self, classes, *, rngs):
        super().__init__(classes, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)

    def __call__(self, images):
        return super().__call__(self.dropout(images))


@pytest.fixture(scope="module")
def tiny():
    return Problem(lambda rngs: Dropping(10, rngs=rngs), images=100, batch_size=20)


@pytest.fixture(scope="module")
def adam():
    return sgl.prox_adam(3e-3, LASSO)


@pytest.fixture(scope="module")
def expected(tiny, adam):
    return tiny.singles(adam, epochs=2)


def zeros(states):
    """How many parameters of each lane are zero."""
    leaves = jax.tree.leaves(states.params)
    return sum(np.sum(np.asarray(leaf) == 0, axis=tuple(range(1, leaf.ndim))) for leaf in leaves)


@pytest.mark.slow
def test_grid_of_lenet5_is_its_single_runs(adam):
    lenet5 = Problem(lambda rngs: LeNet5(rngs=rngs), images=480, batch_size=16)
    lanes = grid(seed=[0, 1], entry_lam=[0.0, 1e-3])
    states = lenet5.states(adam, lanes["seed"], {"entry_lam": lanes["entry_lam"]})
    found = lenet5.train(adam, states, jax.vmap(jax.random.key)(lanes["seed"]))
    assert int(found[0].step[0]) == 30
    assert lenet5.traces == 1
    assert_same_training(found, lenet5.singles(adam, lanes=lanes))
    assert lenet5.traces == 1
    assert np.all(np.diff(zeros(found[0]).reshape(2, 2)) > 0)


@pytest.mark.parametrize("vectorize", usual([False, True], [True]))
def test_grid_of_narrow_lenet5_is_its_single_runs(vectorize, adam):
    # With few filters: twenty at full width take a minute side by side on two cores.
    narrow = Problem(lambda rngs: LeNet5((4, 6, 16), rngs=rngs), images=480, batch_size=16)
    found = narrow.train(adam, narrow.states(adam), vectorize=vectorize)
    assert found[0].params["fc1"]["kernel"].dtype == jnp.float64
    assert narrow.traces == 1
    assert int(found[0].step[0]) == 30
    assert_same_training(found, narrow.singles(adam))
    assert np.all(np.diff(zeros(found[0]).reshape(SEEDS, 4)) > 0)


@pytest.mark.parametrize("vectorize", [None, True])
def test_dropout_and_epochs_are_those_of_the_single_runs(vectorize, tiny, adam, expected):
    states = tiny.states(adam)
    tiny.traces = 0
    found = tiny.train(adam, states, epochs=2, vectorize=vectorize)
    assert tiny.traces <= 1
    assert found[1].shape == (20, 2)
    assert_same_training(found, expected)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states))


@pytest.mark.parametrize("vectorize", [False, True])
def test_training_goes_on_where_it_ended(vectorize, tiny, adam, expected):
    states, first = tiny.train(adam, tiny.states(adam), vectorize=vectorize)
    states, second = tiny.train(adam, states, done=1, vectorize=vectorize)
    assert_same_training((states, jnp.hstack([first, second])), expected)


@pytest.mark.parametrize("vectorize", [False, True])
def test_lanes_have_an_order_of_their_own(vectorize, tiny, adam):
    states = functools.partial(tiny.states, adam, [0, 0, 0], {})
    keys = jax.vmap(jax.random.key)(jnp.array([7, 8, 7]))
    _, losses = tiny.train(adam, states(), keys, vectorize=vectorize)
    assert losses[0] == losses[2] != losses[1]


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
        pytest.param(8, {}, id="in turn", marks=pytest.mark.slow),
        pytest.param(8, {"vectorize": True}, id="padded"),
        pytest.param(4, {"vectorize": True}, id="even"),
        pytest.param(2, {"chunk_size": 8}, id="in chunks"),
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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_number_of_the_optimizer_is_a_lane(name, tiny):
    tx, values = OPTIMIZERS[name]
    keys = jax.vmap(jax.random.key)(jnp.arange(4))
    found = tiny.train(tx, tiny.states(tx, range(4), values), keys, vectorize=True)
    lanes = {"seed": range(4), **values}
    assert_same_training(found, tiny.singles(tx, lanes=lanes))
    same = tiny.train(tx, tiny.states(tx, range(4), {}), keys, vectorize=True)
    assert np.all(np.abs(np.asarray(same[1] - found[1]))[1:3] > 0)


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
    with pytest.raises(ValueError, match="to train one lane beside the states of all 20, got 10"):
        tiny.train(adam, tiny.states(adam), vectorize=True, memory_limit=10)


def test_lane_is_a_state_of_a_single_run(tiny, adam, expected):
    one = lane(expected[0], 3)
    assert one.params["fc"]["kernel"].shape == (72, 10)
    sparse = sgl.sparse_params(one.opt_state, one.params)
    jax.tree.map(np.testing.assert_array_equal, sparse, one.params)


def test_grid_lists_every_combination():
    found = grid(seed=[0, 1], lam=[0.1, 0.2, 0.3])
    np.testing.assert_array_equal(found["seed"], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found["lam"], [0.1, 0.2, 0.3] * 2)


def test_numbers_in_the_rest_are_the_same_in_all_lanes():
    rest = {"rate": 0.5, "calls": np.zeros(3, np.int32)}
    states = init_many(optax.sgd(0.1), jnp.zeros((3, 2)), rest)
    np.testing.assert_array_equal(states.rest["rate"], [0.5] * 3)
    assert isinstance(states.rest["calls"], jax.Array)


SCHEDULE = optax.linear_schedule(1e-4, 1e-3, 10)


@pytest.mark.parametrize(
    ("tx", "hyperparams", "words"),
    [
        (sgl.prox_sgd(0.1, LASSO), {"lam": [0.1] * 3}, "'lam'.*entry_lam, group_lam, step_size"),
        (sgl.prox_sgd(0.1, LASSO), {"entry_lam": [0.1] * 2}, r"shapes \{'entry_lam': \(2,\)\}"),
        (sgl.prox_sgd(0.1, LASSO), {"entry_lam": 0.1}, r"shapes \{'entry_lam': \(\)\}"),
        (sgl.prox_sgd(0.1, LASSO), {"entry_lam": np.ones((3, 2))}, r"shape \(3,\), got \(3, 2\)"),
        (sgl.prox_sgd(SCHEDULE, LASSO), {"step_size": [1e-4] * 3}, "every update overwrites"),
        (sgl.prox_sgd(jnp.array(0.1), LASSO), {"step_size": [0.2] * 3}, "a Python number in"),
        (sgl.prox_sgd(0.1, LASSO), {"count": [0] * 3}, "every update overwrites"),
        (sgl.prox_sgd(0.1, LASSO), {"strengths": [0] * 3}, "its name in the optimizer's state"),
    ],
)
def test_hyperparameter_that_would_not_count_is_refused(tx, hyperparams, words):
    params = {"kernel": jnp.ones((3, 4, 2))}
    with pytest.raises(ValueError, match=words):
        init_many(tx, params, hyperparams=hyperparams)


def test_leaves_that_differ_in_lanes_are_refused():
    with pytest.raises(ValueError, match=r"got leaves with \[2, 3\]"):
        init_many(optax.sgd(0.1), {"a": jnp.ones((3, 2)), "b": jnp.ones(2)})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keys": KEYS[:3]}, "a key per lane, 20 of them, got 3"),
        ({"epochs": 0}, "at least 1, got epochs=0"),
        ({"chunk_size": 0}, "chunk_size=0"),
    ],
)
def test_arguments_out_of_range_are_refused(options, words, tiny, adam):
    with pytest.raises(ValueError, match=words):
        tiny.train(adam, tiny.states(adam), **options)


def test_state_of_a_single_run_is_refused(tiny, adam):
    with pytest.raises(ValueError, match="make them with init_many"):
        tiny.train(adam, init_state(adam, *tiny.variables[0]))
