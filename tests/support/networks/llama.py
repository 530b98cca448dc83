"""A language model with shared keys and values, rotary positions and gated hidden units."""

import jax
import jax.numpy as jnp
import numpy as np

from support.networks._base import Spec, Unit, Widths
from support.networks._functions import (
    array,
    attend,
    dense,
    in_functions,
    layer,
    rms_norm,
    split_heads,
    unit,
    words,
)
from support.networks._wiring import flattened, flattened_first


STREAM, SIZE, WORDS, LENGTH = 8, 4, 11, 5
NORMS = "norm1/scale", "norm2/scale", "norm/scale"


def blank(stream, shared, queries, values, hidden):
    made = {
        "q": (stream, shared * queries * SIZE),
        "k": (stream, shared * SIZE),
        "v": (stream, shared * values),
        "o": (shared * queries * values, stream),
        "gate": (stream, hidden),
        "up": (stream, hidden),
        "down": (hidden, stream),
        "head": (stream, WORDS),
    }
    norms = {name: {"scale": array(stream)} for name in ("norm1", "norm2", "norm")}
    layers = {name: layer(*shape, bias=False) for name, shape in made.items()}
    return {"table": array(WORDS, stream)} | norms | layers


def apply(widths: Widths, p, sentence: jax.Array) -> jax.Array:
    """A block as in LLaMA (Touvron et al., arXiv 2302.13971), with grouped queries."""
    _, shared, queries, *_ = widths
    x = jnp.take(p["table"], sentence, axis=0)
    y = rms_norm(p["norm1"], x, STREAM)
    q = rotated(split_heads(dense(p["q"], y), shared * queries))
    k, v = rotated(split_heads(dense(p["k"], y), shared)), split_heads(dense(p["v"], y), shared)
    k, v = (jnp.repeat(x, queries, axis=2) for x in (k, v))
    x = x + dense(p["o"], attend(q, k, v, SIZE, causal=True))
    y = rms_norm(p["norm2"], x, STREAM)
    x = x + dense(p["down"], jax.nn.silu(dense(p["gate"], y)) * dense(p["up"], y))
    return dense(p["head"], rms_norm(p["norm"], x, STREAM))


def rotated(x: jax.Array) -> jax.Array:
    """Rotary positions (Su et al., arXiv 2104.09864), of the first half with the second."""
    first, second = jnp.split(x, 2, axis=-1)
    times = jnp.arange(x.shape[1], dtype=x.dtype)[:, None]
    angles = times / 100 ** (jnp.arange(first.shape[-1], dtype=x.dtype) / SIZE)[None]
    sine, cosine = (along(angles)[None, :, None] for along in (jnp.sin, jnp.cos))
    return jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)


def units(widths: Widths) -> list[Unit]:
    """The stream, keys and values with their queries, one query of each, and the rest."""
    stream, shared, queries, values, hidden = widths
    heads = shared * queries
    return [
        unit(
            stream,
            makes=["table"],
            writes=["o", "down"],
            bias=False,
            passes=NORMS,
            reads=["q", "k", "v", "gate", "up", "head"],
        ),
        unit(
            shared,
            makes=[("v/kernel", flattened_first(shared, values))],
            passes=[
                ("q/kernel", flattened_first(shared, queries * SIZE)),
                ("k/kernel", flattened_first(shared, SIZE)),
            ],
            reads=[("o", flattened_first(shared, queries * values))],
        ),
        _queries(shared, queries, values),
        unit(
            values,
            makes=[("v/kernel", flattened(values, shared))],
            reads=[("o", flattened(values, heads))],
        ),
        unit(hidden, makes=["up/kernel"], passes=["gate/kernel"], reads=["down"]),
    ]


def _queries(shared, queries, values):
    """The queries at one place in every group, which are dead once nothing reads them."""
    rows = np.arange(shared * queries).reshape(shared, queries).T

    def entries(size):
        return (rows[..., None] * size + np.arange(size)).reshape(queries, -1)

    read = unit(queries, reads=[("o", entries(values))]).followers
    return unit(queries, passes=[("q/kernel", entries(SIZE))])._replace(writers=read)


LLAMA = {
    "llama": Spec(
        in_functions(apply, blank), units, (), (STREAM, 3, 2, 3, 6), draw=words(WORDS, LENGTH)
    )
}
