"""A text classifier with types of words, norms behind sums, and a pooler; heads on an axis."""

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


STREAM, SIZE, WORDS, TYPES, LENGTH = 8, 2, 11, 2, 5


def blank(stream, heads, hidden, pooled):
    projection = {"kernel": array(stream, heads, SIZE), "bias": array(heads, SIZE)}
    return {
        "words": array(WORDS, stream),
        "types": array(TYPES, stream),
        "positions": array(LENGTH, stream),
        "norm": norm(stream),
        **dict.fromkeys("qkv", projection),
        "o": {"kernel": array(heads, SIZE, stream), "bias": array(stream)},
        "norm1": norm(stream),
        "fc1": layer(stream, hidden),
        "fc2": layer(hidden, stream),
        "norm2": norm(stream),
        "pooler": layer(stream, pooled),
        "fc": layer(pooled, 3),
    }


def apply(widths: Widths, p, x: tuple[jax.Array, jax.Array]) -> jax.Array:
    """BERT (Devlin et al., arXiv 1810.04805), of words and their types."""
    words, types = x
    x = jnp.take(p["words"], words, axis=0) + jnp.take(p["types"], types, axis=0)
    x = layer_norm(p["norm"], x + p["positions"][None], STREAM)
    q, k, v = (_projected(p[name], x) for name in "qkv")
    y = attend(q, k, v, SIZE)
    y = dense(p["o"] | {"kernel": p["o"]["kernel"].reshape(y.shape[-1], -1)}, y)
    x = layer_norm(p["norm1"], x + y, STREAM)
    y = dense(p["fc2"], jax.nn.gelu(dense(p["fc1"], x), approximate=False))
    x = layer_norm(p["norm2"], x + y, STREAM)
    return dense(p["fc"], jnp.tanh(dense(p["pooler"], x[:, 0])))


def _projected(p, x):
    return jnp.einsum("btf,fhd->bthd", x, p["kernel"]) + p["bias"][None, None]


def units(widths: Widths) -> list[Unit]:
    """The stream, the heads, the hidden units and those of the pooler."""
    stream, heads, hidden, pooled = widths
    qkv = unit(stream, reads=["q", "k", "v"]).followers
    found = unit(
        stream,
        makes=["words", "types", "positions"],
        writes=["o", "fc2"],
        norms=["norm", "norm1", "norm2"],
        reads=["fc1", "pooler"],
    )
    found = found._replace(followers=found.followers + tuple(e._replace(axis=0) for e in qkv))

    def along_heads(*names):
        entries = unit(heads, gates=names).writers + unit(heads, gates=names).followers
        return tuple(entry._replace(axis=-2) for entry in entries)

    (rows,) = unit(heads, reads=["o"]).followers
    return [
        found,
        Unit(along_heads("v"), (*along_heads("q", "k"), rows._replace(axis=0))),
        unit(hidden, writes=["fc1"], reads=["fc2"]),
        unit(pooled, writes=["pooler"], reads=["fc"]),
    ]


def draw(key: jax.Array, batch: int) -> tuple[jax.Array, jax.Array]:
    """Words, and their types, 0 up to a place and 1 behind it."""
    words, places = jax.random.split(key)
    places = jax.random.randint(places, (batch, 1), 0, LENGTH)
    types = (jnp.arange(LENGTH)[None] >= places).astype(jnp.int32)
    return jax.random.randint(words, (batch, LENGTH), 0, WORDS), types


BERT = {"bert": Spec(in_functions(apply, blank), units, (), (STREAM, 4, 6, 5), draw=draw)}
