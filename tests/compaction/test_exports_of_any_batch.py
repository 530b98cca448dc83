"""What counts, masks or averages the batch is exported for any batch, as the full network is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.exported import exported

import sgl_jax as sgl


PARAMS = {
    "a": np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32),
    "o": np.random.default_rng(1).normal(size=(8, 2)).astype(np.float32),
    "token": np.random.default_rng(2).normal(size=(1, 8)).astype(np.float32),
}
PARAMS["a"][:, [1, 4]] = 0.0
PARAMS["token"][:, [1, 4]] = 0.0


def hidden(p, x):
    return jax.nn.relu(x @ p["a"])


def causal(p, x):
    y = hidden(p, x)
    scores = y @ y.swapaxes(1, 2)
    mask = jnp.tril(jnp.ones(scores.shape[1:], bool))
    return jax.nn.softmax(jnp.where(mask, scores, -1e9)) @ y @ p["o"]


def last(p, x):
    return hidden(p, x)[jnp.arange(x.shape[0]), -1] @ p["o"]


def others(p, x):
    z = hidden(p, x[:, 0]) @ p["o"]
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), 0.0, z @ z.T)


def centred(p, x):
    y = hidden(p, x)
    return (y - y.mean((0, 1), keepdims=True)) @ p["o"]


def varied(p, x):
    y = hidden(p, x)
    return (y / jnp.sqrt(jnp.var(y, 0, keepdims=True) + 1.0)) @ p["o"]


def normalized(p, x):
    y = hidden(p, x)
    y = (y - y.mean(-1, keepdims=True)) / jnp.std(y, -1, keepdims=True)
    return y * p["token"][None] @ p["o"]


def spread(p, x):
    y = hidden(p, x)
    distances = y.reshape(-1) - y.mean()
    return y @ p["o"] / jnp.sqrt((distances**2).mean())


def divided(p, x):
    return hidden(p, x) @ p["o"] / x.shape[0]


def with_token(p, x):
    token = jnp.broadcast_to(p["token"], (x.shape[0], 1, 8))
    return jnp.concatenate([token, hidden(p, x)], 1) @ p["o"]


def folded(p, x):
    y = hidden(p, x.reshape(-1, 6))
    return (y @ p["o"]).reshape(x.shape[0], -1)


def mapped(p, x):
    return jax.vmap(lambda x: hidden(p, x).sum(0) @ p["o"])(x)


def numbered(p, x):
    return hidden(p, x) @ p["o"] + jnp.arange(x.shape[0], dtype=jnp.float32)[:, None, None]


def padded(p, x):
    return jnp.pad(hidden(p, x), ((0, 0), (1, 0), (0, 0))) @ p["o"]


CASES = [
    causal,
    centred,
    divided,
    folded,
    last,
    mapped,
    normalized,
    numbered,
    others,
    padded,
    spread,
    varied,
    with_token,
]


@pytest.mark.parametrize("apply", CASES, ids=lambda case: case.__name__)
def test_any_batch_is_taken_as_by_the_full_network(tmp_path, apply):
    params = jax.tree.map(jnp.asarray, PARAMS)
    small = sgl.compact(apply, params, jnp.ones((2, 4, 6)))
    assert small.params["a"].shape == (6, 6)
    found = exported(tmp_path, small)
    for size in (1, 2, 5):
        x = jnp.asarray(np.random.default_rng(3).normal(size=(size, 4, 6)), jnp.float32)
        np.testing.assert_allclose(found(x)[0], apply(params, x), rtol=1e-5, atol=1e-5)
