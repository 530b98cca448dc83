"""Small networks with loops and branches, each with dead channels, in double precision."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class Looped(NamedTuple):
    """A network with a loop.

    Attributes:
      apply: the network, of inputs (batch, 6, 5).
      shapes: for every parameter its shape.
      dead: for some of them an axis and the positions along it that are zero.
      narrow: their shapes without what can go.
    """

    apply: Callable[..., Any]
    shapes: dict[str, tuple[int, ...]]
    dead: dict[str, tuple[int, list[int]]]
    narrow: dict[str, tuple[int, ...]]

    def params(self) -> dict[str, jax.Array]:
        """Draws the parameters, with the zeros in their places."""
        generator, params = np.random.default_rng(7), {}
        for name, shape in self.shapes.items():
            leaf = generator.standard_normal(shape)
            if name in self.dead:
                axis, positions = self.dead[name]
                np.moveaxis(leaf, axis, 0)[positions] = 0.0
            params[name] = jnp.asarray(leaf)
        return params


def _blocks(p, x):
    def block(h, w):
        return h + jax.nn.relu(h @ w["up"] + w["b"]) @ w["down"], None

    layers = {name: p[name] for name in ("up", "b", "down")}
    return lax.scan(block, x @ p["in"], layers)[0] @ p["out"]


def _transformer(p, x):
    def block(h, w):
        scaled = h * lax.rsqrt(jnp.square(h).sum(-1, keepdims=True) + 1.0) * w["scale"]
        q, k, v = (jnp.einsum("btd,dhk->bthk", scaled, w[name]) for name in ("q", "k", "v"))
        weights = jax.nn.softmax(jnp.einsum("bthk,bshk->bhts", q, k))
        h = h + jnp.einsum("bhts,bshk,hkd->btd", weights, v, w["o"])
        return h + jax.checkpoint(jax.nn.relu)(h @ w["up"]) @ w["down"], h.mean(1)

    layers = {name: p[name] for name in ("scale", "q", "k", "v", "o", "up", "down")}
    h, means = lax.scan(block, x @ p["in"], layers, unroll=2)
    return h[:, -1] @ p["out"] + means.sum(0) @ p["early"]


def _over_time(cell, width, carried):
    def apply(p, x):
        start = jnp.zeros((x.shape[0], width), x.dtype)
        start = (start,) * carried if carried > 1 else start
        h, seen = lax.scan(lambda h, x: cell(p, h, x), start, x.swapaxes(0, 1), reverse=True)
        return jnp.concatenate([jax.tree.leaves(h)[0], seen[0]], axis=-1) @ p["out"]

    return apply


def _rnn(p, h, x):
    h = jnp.tanh(x @ p["wx"] + h @ p["wh"] + p["b"])
    return h, h


def _lstm(p, state, x):
    c, h = state
    i, f, g, o = jnp.split(x @ p["wx"] + h @ p["wh"] + p["b"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (c, h), h


def _gru(p, h, x):
    r, z = jnp.split(jax.nn.sigmoid(x @ p["wg"] + h @ p["ug"]), 2, axis=-1)
    h = (1 - z) * h + z * jnp.tanh(x @ p["wx"] + (r * h) @ p["wh"])
    return h, h


def _fori(p, x):
    step = lambda k, h: h * p["decay"] + jnp.tanh(h @ p["mix"]) / (k + 1)  # noqa: E731
    return lax.fori_loop(0, 3, step, x @ p["in"]) @ p["out"]


def _while(p, x):
    going = lambda state: (state[0] < 9) & (jnp.square(state[1]).sum() < 1e6)  # noqa: E731
    step = lambda state: (state[0] + 1, 1.5 * state[1] + state[1] @ p["mix"])  # noqa: E731
    return lax.while_loop(going, step, (0, x @ p["in"]))[1] @ p["out"]


def _lanes(p, x):
    """Every example stops at its own time."""
    step = lambda h: 1.5 * h + h @ p["mix"]  # noqa: E731
    one = lambda h: lax.while_loop(lambda h: jnp.square(h).sum() < 1e3, step, h)  # noqa: E731
    return jax.vmap(one)(x[:, 0] @ p["in"] + p["token"]) @ p["out"]


def _cond(p, x):
    h = x @ p["in"]
    return lax.cond(h.sum() > 0, lambda h: h, lambda h: jnp.tanh(h @ p["mix"]), h) @ p["out"]


def _switch(p, x):
    experts = [lambda h, k=k: jax.nn.relu(h @ p[f"w{k}"]) @ p[f"v{k}"] for k in range(3)]
    h = x @ p["in"]
    return lax.switch(jnp.argmax(jnp.abs(x[0, 0, :3])), experts, h) @ p["out"]


def _map(p, x):
    return lax.map(lambda x: jax.nn.relu(x @ p["in"] + p["b"]), x) @ p["out"]


def _nested(p, x):
    def layer(h, w):
        return lax.fori_loop(0, 2, lambda _, h: jnp.tanh(h @ w), h), None

    return lax.scan(layer, x @ p["in"], p["mix"])[0] @ p["out"]


def _experts(p, x):
    """A scan over experts, each with a bias that stays, and a bias outside."""
    h = x.mean(1)

    def expert(total, w):
        return total + jax.nn.relu(h @ w["up"] + p["shift"]) @ w["down"] + p["b"], None

    layers = {name: p[name] for name in ("up", "down")}
    return lax.scan(expert, jnp.zeros((x.shape[0], 2), x.dtype), layers)[0]


_STREAM = {"in": (5, 6), "out": (6, 2), "mix": (6, 6)}
_ZERO = {"in": (1, [1, 4]), "mix": (1, [1, 4])}
_NARROW = {"in": (5, 4), "out": (4, 2), "mix": (4, 4)}

LOOPED: dict[str, Looped] = {
    "blocks": Looped(
        _blocks,
        {"in": (5, 4), "up": (3, 4, 8), "b": (3, 8), "down": (3, 8, 4), "out": (4, 2)},
        {"in": (1, [2]), "down": (2, [2]), "up": (2, [0, 5, 6]), "b": (1, [0, 5, 6])},
        {"in": (5, 3), "up": (3, 3, 5), "b": (3, 5), "down": (3, 5, 3), "out": (3, 2)},
    ),
    "transformer": Looped(
        _transformer,
        {
            "in": (5, 6),
            "scale": (2, 6),
            **dict.fromkeys("qkv", (2, 6, 2, 3)),
            "o": (2, 2, 3, 6),
            "up": (2, 6, 7),
            "down": (2, 7, 6),
            "out": (6, 2),
            "early": (6, 2),
        },
        {
            "in": (1, [0, 3]),
            "o": (3, [0, 3]),
            "down": (2, [0, 3]),
            "up": (2, [6]),
            "v": (3, [1]),
            "q": (3, [2]),
        },
        {
            "in": (5, 4),
            "scale": (2, 4),
            **dict.fromkeys("qk", (2, 4, 2, 2)),
            "v": (2, 4, 2, 2),
            "o": (2, 2, 2, 4),
            "up": (2, 4, 6),
            "down": (2, 6, 4),
            "out": (4, 2),
            "early": (4, 2),
        },
    ),
    "rnn": Looped(
        _over_time(_rnn, 4, 1),
        {"wx": (5, 4), "wh": (4, 4), "b": (4,), "out": (8, 2)},
        {"wx": (1, [1]), "wh": (1, [1]), "b": (0, [1])},
        {"wx": (5, 3), "wh": (3, 3), "b": (3,), "out": (6, 2)},
    ),
    "lstm": Looped(
        _over_time(_lstm, 4, 2),
        {"wx": (5, 16), "wh": (4, 16), "b": (16,), "out": (8, 2)},
        {"wx": (1, [8, 11]), "wh": (1, [8, 11]), "b": (0, [8, 11])},
        {"wx": (5, 8), "wh": (2, 8), "b": (8,), "out": (4, 2)},
    ),
    "gru": Looped(
        _over_time(_gru, 4, 1),
        {"wx": (5, 4), "wh": (4, 4), "wg": (5, 8), "ug": (4, 8), "out": (8, 2)},
        {"wx": (1, [2]), "wh": (1, [2])},
        {"wx": (5, 3), "wh": (3, 3), "wg": (5, 6), "ug": (3, 6), "out": (6, 2)},
    ),
    "fori_loop": Looped(_fori, _STREAM | {"decay": (6,)}, _ZERO, _NARROW | {"decay": (4,)}),
    "while_loop": Looped(_while, _STREAM, _ZERO, _NARROW),
    "while_loop in lanes": Looped(
        _lanes,
        _STREAM | {"token": (6,)},
        _ZERO | {"token": (0, [1, 4])},
        _NARROW | {"token": (4,)},
    ),
    "cond": Looped(_cond, _STREAM, _ZERO, _NARROW),
    "switch": Looped(
        _switch,
        {
            "in": (5, 6),
            "out": (4, 2),
            **{f"w{k}": (6, 5) for k in range(3)},
            **{f"v{k}": (5, 4) for k in range(3)},
        },
        {"in": (1, [3]), "w1": (1, [0, 1]), **{f"v{k}": (1, [2]) for k in range(3)}},
        {
            "in": (5, 5),
            "out": (3, 2),
            **{f"w{k}": (5, 3 if k == 1 else 5) for k in range(3)},
            **{f"v{k}": (3 if k == 1 else 5, 3) for k in range(3)},
        },
    ),
    "map": Looped(
        _map,
        {"in": (5, 6), "b": (6,), "out": (6, 2)},
        {"in": (1, [0, 1]), "b": (0, [0, 1])},
        {"in": (5, 4), "b": (4,), "out": (4, 2)},
    ),
    "loop in a loop": Looped(
        _nested,
        _STREAM | {"mix": (2, 6, 6)},
        {"in": (1, [1]), "mix": (2, [1])},
        {"in": (5, 5), "mix": (2, 5, 5), "out": (5, 2)},
    ),
    "constants in a loop": Looped(
        _experts,
        {"up": (1, 5, 6), "shift": (6,), "down": (1, 6, 2), "b": (2,)},
        {"up": (2, [1])},
        {"up": (1, 5, 5), "shift": (5,), "down": (1, 5, 2), "b": (2,)},
    ),
}
"""Networks by name."""
