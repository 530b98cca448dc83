"""A vision transformer whose heads stand behind a reshape, with a class token."""

import jax
import jax.numpy as jnp

from support.networks._base import Spec, Unit, Widths
from support.networks._functions import (
    array,
    attend,
    dense,
    in_functions,
    layer,
    layer_norm,
    norm,
    unit,
)
from support.networks._wiring import flattened_first


STREAM, SIZE = 8, 2


def blank(stream, heads, hidden):
    return {
        "embed": layer(48, stream),
        "token": array(1, 1, stream),
        "positions": array(1, 5, stream),
        "norm1": norm(stream),
        "qkv": layer(stream, 3 * heads * SIZE),
        "o": layer(heads * SIZE, stream),
        "norm2": norm(stream),
        "fc1": layer(stream, hidden),
        "fc2": layer(hidden, stream),
        "norm": norm(stream),
        "fc": layer(stream, 10),
    }


def apply(widths: Widths, p, images: jax.Array) -> jax.Array:
    """A block of ViT (Dosovitskiy et al., arXiv 2010.11929) with one kernel for q, k and v."""
    patches = images.reshape(-1, 2, 4, 2, 4, 3).swapaxes(2, 3).reshape(-1, 4, 48)
    token = jnp.broadcast_to(p["token"], (images.shape[0], 1, p["token"].shape[2]))
    x = jnp.concatenate([token, dense(p["embed"], patches)], axis=1) + p["positions"]
    y = dense(p["qkv"], layer_norm(p["norm1"], x, STREAM))
    q, k, v = jnp.moveaxis(y.reshape(*y.shape[:2], 3, widths[1], SIZE), 2, 0)
    x = x + dense(p["o"], attend(q, k, v, SIZE))
    y = dense(p["fc1"], layer_norm(p["norm2"], x, STREAM))
    x = x + dense(p["fc2"], jax.nn.gelu(y))
    return dense(p["fc"], layer_norm(p["norm"], x[:, 0], STREAM))


def units(widths: Widths) -> list[Unit]:
    """The stream, the heads and the hidden units."""
    stream, heads, hidden = widths
    rows = flattened_first(heads, SIZE)
    q, k, v = (("qkv", rows + i * heads * SIZE) for i in range(3))
    return [
        unit(
            stream,
            makes=["token", "positions"],
            writes=["embed", "o", "fc2"],
            norms=["norm1", "norm2", "norm"],
            reads=["qkv", "fc1", "fc"],
        ),
        unit(heads, writes=[v], gates=[q, k], reads=[("o", rows)]),
        unit(hidden, writes=["fc1"], reads=["fc2"]),
    ]


VIT = {"vit_flat": Spec(in_functions(apply, blank), units, (8, 8, 3), (STREAM, 4, 6))}
