"""A language model with a tied table, as one pass under a mask or word by word with a cache."""

import jax
import jax.numpy as jnp
from jax import lax

from support.networks._base import Spec, Unit, Widths
from support.networks._functions import (
    array,
    attend,
    dense,
    in_functions,
    layer,
    layer_norm,
    norm,
    split_heads,
    unit,
    words,
)
from support.networks._wiring import flattened_first


STREAM, SIZE, WORDS, LENGTH = 8, 2, 11, 5


def blank(stream, *pairs):
    blocks = [_block(stream, *pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
    positions, table = array(LENGTH, stream), array(WORDS, stream)
    return {"table": table, "positions": positions, "blocks": blocks, "norm": norm(stream)}


def _block(stream, heads, hidden):
    return {
        "norm1": norm(stream),
        **{name: layer(stream, heads * SIZE) for name in "qkv"},
        "o": layer(heads * SIZE, stream),
        "norm2": norm(stream),
        "fc1": layer(stream, hidden),
        "fc2": layer(hidden, stream),
    }


def masked(widths: Widths, p, sentence: jax.Array) -> jax.Array:
    """GPT-2 (Radford et al., 2019); scores of the next words, by the table of the words."""
    x = jnp.take(p["table"], sentence, axis=0) + p["positions"][None]
    for heads, block in zip(widths[1::2], p["blocks"], strict=True):
        x = _block_of(block, x, lambda q, k, v: attend(q, k, v, SIZE, causal=True), heads)
    return layer_norm(p["norm"], x, STREAM) @ p["table"].T


def _block_of(p, x, mix, heads):
    y = layer_norm(p["norm1"], x, STREAM)
    x = x + dense(p["o"], mix(*(split_heads(dense(p[name], y), heads) for name in "qkv")))
    return x + dense(p["fc2"], jax.nn.gelu(dense(p["fc1"], layer_norm(p["norm2"], x, STREAM))))


def cached(widths: Widths, p, sentence: jax.Array) -> jax.Array:
    """The same network, in a loop over the words that keeps keys and values."""
    heads, dtype = widths[1::2], p["table"].dtype
    empty = [jnp.zeros((2, sentence.shape[0], LENGTH, count, SIZE), dtype) for count in heads]

    def step(caches, at):
        x = jnp.take(p["table"], lax.dynamic_index_in_dim(sentence, at, 1), axis=0)
        x = x + lax.dynamic_slice_in_dim(p["positions"], at, 1)[None]
        filled = []

        def mix(q, k, v):
            new = jnp.stack([k, v])
            cache = lax.dynamic_update_slice(caches[len(filled)], new, (0, 0, at, 0, 0))
            filled.append(cache)
            return _attend_before(q, *cache, at)

        for count, block in zip(heads, p["blocks"], strict=True):
            x = _block_of(block, x, mix, count)
        return filled, layer_norm(p["norm"], x[:, 0], STREAM) @ p["table"].T

    return lax.scan(step, empty, jnp.arange(LENGTH))[1].swapaxes(0, 1)


def _attend_before(q, k, v, at):
    """Attention of one word to those up to it."""
    scores = jnp.einsum("bihd,bjhd->bhij", q, k) / SIZE**0.5
    scores = jnp.where(jnp.arange(LENGTH) <= at, scores, jnp.finfo(scores.dtype).min)
    mixed = jnp.einsum("bhij,bjhd->bihd", jax.nn.softmax(scores), v)
    return mixed.reshape(*mixed.shape[:2], -1)


def units(widths: Widths) -> list[Unit]:
    """The stream, and for each block the heads and the hidden units."""
    names = [f"blocks/{i}" for i in range(len(widths) // 2)]
    found = [
        unit(
            widths[0],
            makes=["table", "positions"],
            writes=[f"{name}/{layer}" for name in names for layer in ("o", "fc2")],
            norms=[*(f"{name}/norm{i}" for name in names for i in (1, 2)), "norm"],
            reads=[f"{name}/{layer}" for name in names for layer in ("q", "k", "v", "fc1")],
        )
    ]
    for name, heads, hidden in zip(names, widths[1::2], widths[2::2], strict=True):
        q, k, v, o = ((f"{name}/{layer}", flattened_first(heads, SIZE)) for layer in "qkvo")
        found.append(unit(heads, writes=[v], gates=[q, k], reads=[o]))
        found.append(unit(hidden, writes=[f"{name}/fc1"], reads=[f"{name}/fc2"]))
    return found


SENTENCES = words(WORDS, LENGTH)
GPTS = {
    name: Spec(in_functions(apply, blank), units, (), widths, draw=SENTENCES)
    for name, apply, widths in (
        ("gpt", masked, (STREAM, 3, 6, 4, 5)),
        ("gpt_cached", cached, (STREAM, 4, 6)),
    )
}
