"""A transformer whose layers are stacked in one tree, for a loop."""

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


STREAM, SIZE, WORDS, LENGTH, DEPTH = 8, 2, 11, 5, 3


def blank(stream, heads, hidden):
    block = {
        "norm1": norm(stream),
        **{name: layer(stream, heads * SIZE) for name in "qkv"},
        "o": layer(heads * SIZE, stream),
        "norm2": norm(stream),
        "fc1": layer(stream, hidden),
        "fc2": layer(hidden, stream),
    }
    stacked = jax.tree.map(lambda leaf: array(DEPTH, *leaf.shape), block)
    return {"table": array(WORDS, stream), "blocks": stacked, "fc": layer(stream, 3)}


def apply(widths: Widths, p, sentence: jax.Array) -> jax.Array:
    """Layers as one loop over their leaves, computed anew for the gradient."""

    @jax.checkpoint
    def block(x, p):
        y = layer_norm(p["norm1"], x, STREAM)
        q, k, v = (split_heads(dense(p[name], y), widths[1]) for name in "qkv")
        x = x + dense(p["o"], attend(q, k, v, SIZE))
        y = dense(p["fc1"], layer_norm(p["norm2"], x, STREAM))
        return x + dense(p["fc2"], jax.nn.gelu(y)), None

    x, _ = lax.scan(block, jnp.take(p["table"], sentence, axis=0), p["blocks"])
    return dense(p["fc"], x.mean(axis=1))


def units(widths: Widths) -> list[Unit]:
    """The stream, and the heads and hidden units that are dead in all layers."""
    stream, heads, hidden = widths
    q, k, v, o = ((f"blocks/{name}", flattened_first(heads, SIZE)) for name in "qkvo")
    return [
        unit(
            stream,
            makes=["table"],
            writes=["blocks/o", "blocks/fc2"],
            norms=["blocks/norm1", "blocks/norm2"],
            reads=[*(f"blocks/{name}" for name in ("q", "k", "v", "fc1")), "fc"],
        ),
        unit(heads, writes=[v], gates=[q, k], reads=[o]),
        unit(hidden, writes=["blocks/fc1"], reads=["blocks/fc2"]),
    ]


SCANNED = {
    "scanned": Spec(
        in_functions(apply, blank), units, (), (STREAM, 4, 6), draw=words(WORDS, LENGTH)
    )
}
