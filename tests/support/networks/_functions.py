"""Networks that are plain functions of a tree of arrays, and the layers that they are made of.

A layer that divides by its width takes the width of the full network: what has left is zero.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from support.networks._base import Draw, Make, Unit
from support.networks._values import fill
from support.networks._wiring import Place, Wiring


FUNCTIONS = Wiring(statistics=())


def unit(
    width: int, *, makes: Sequence[Place] = (), passes: Sequence[Place] = (), **places: Any
) -> Unit:
    """As :meth:`Wiring.unit`, with leaves whose last axis makes the channels, or passes them on."""
    made, passed = (FUNCTIONS.entries(paths, width) for paths in (makes, passes))
    writers, followers = FUNCTIONS.unit(width, **places)
    return Unit(made + writers, passed + followers)


def in_functions(apply: Callable[..., Any], blank: Callable[..., Any], gain: float = 1.7) -> Make:
    """``Spec.make`` of ``apply(widths, params, x)``; the tree is ``(parameters,)``.

    ``blank(*widths)`` has the shapes of the parameters, each by its name or its layer's.
    """

    def build(widths, seed):
        def forward(variables, x):
            return apply(widths, *variables, x)

        return forward, fill((blank(*widths),), seed, gain)

    return build


def array(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def layer(fed: int, made: int, *, bias: bool = True) -> dict[str, Any]:
    """The shapes of a dense layer."""
    return {"kernel": array(fed, made)} | ({"bias": array(made)} if bias else {})


def norm(width: int) -> dict[str, Any]:
    """The shapes of a scale and a shift."""
    return {"scale": array(width), "bias": array(width)}


def along(vector: jax.Array, x: jax.Array) -> jax.Array:
    """A vector beside an array whose last axis it shares."""
    return jnp.expand_dims(vector, range(x.ndim - 1))


def dense(p: Any, x: jax.Array) -> jax.Array:
    y = x @ p["kernel"]
    return y + along(p["bias"], y) if "bias" in p else y


def layer_norm(p: Any, x: jax.Array, count: int) -> jax.Array:
    mean = x.sum(-1, keepdims=True) / count
    square = jnp.square(x).sum(-1, keepdims=True) / count
    x = (x - mean) * jax.lax.rsqrt(square - jnp.square(mean) + 1e-5)
    return x * along(p["scale"], x) + along(p["bias"], x)


def rms_norm(p: Any, x: jax.Array, count: int) -> jax.Array:
    square = jnp.square(x).sum(-1, keepdims=True) / count
    return x * jax.lax.rsqrt(square + 1e-5) * along(p["scale"], x)


def split_heads(x: jax.Array, heads: int) -> jax.Array:
    """(batch, tokens, heads x size) -> (batch, tokens, heads, size)."""
    return x.reshape(*x.shape[:-1], heads, -1)


def attend(
    q: jax.Array, k: jax.Array, v: jax.Array, size: int, *, causal: bool = False
) -> jax.Array:
    """Attention of arrays (batch, tokens, heads, size), each head by itself, with flat heads."""
    scores = jnp.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(size)
    if causal:
        seen = jnp.tril(jnp.ones(scores.shape[2:], bool))
        scores = jnp.where(seen, scores, jnp.finfo(scores.dtype).min)
    mixed = jnp.einsum("bhij,bjhd->bihd", jax.nn.softmax(scores), v)
    return mixed.reshape(*mixed.shape[:2], -1)


def words(vocabulary: int, length: int) -> Draw:
    """``Spec.draw`` of sentences."""
    return lambda key, batch: jax.random.randint(key, (batch, length), 0, vocabulary)
