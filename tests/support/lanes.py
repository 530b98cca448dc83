"""Lanes of small networks, each with its single run to compare with."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import sgl_jax as sgl
from sgl_jax.data import DATASETS
from sgl_jax.train import init_state, split, train_epoch
from sgl_jax.train.many import grid, init_many, stack, train_many
from support.tiny import Tiny


SEEDS = 5
LANES = grid(seed=range(SEEDS), lam=[0.0, 1e-4, 3e-4, 1e-3])
NAMES = {"lam": LANES["lam"]}
KEYS = jax.vmap(jax.random.key)(LANES["seed"])
LASSO = sgl.SparseGroup(sgl.L1(1e-4), sgl.L1(1e-4))


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


def zeros(states):
    """How many parameters of each lane are zero."""
    leaves = jax.tree.leaves(states.params)
    return sum(np.sum(np.asarray(leaf) == 0, axis=tuple(range(1, leaf.ndim))) for leaf in leaves)
