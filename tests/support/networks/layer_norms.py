"""Transformers in Equinox and Haiku, whose norms take the mean of the squared deviations.

Their norms divide by the width of the stream, so no narrow one answers like the full one.
"""

import dataclasses
import functools

import equinox
import haiku
import jax

from support.networks import in_equinox, in_haiku
from support.networks._base import Spec, Unit, Widths
from support.networks._wiring import Wiring, flattened_first


FEATURES, LENGTH, SIZE = 4, 5, 2


class Transformer(equinox.Module):
    """A block on one sequence, and a dense layer.

    Args:
      widths: channels of the stream, heads, hidden units.
    """

    embed: equinox.nn.Linear
    norm1: equinox.nn.LayerNorm
    attention: equinox.nn.MultiheadAttention
    norm2: equinox.nn.LayerNorm
    mlp1: equinox.nn.Linear
    mlp2: equinox.nn.Linear
    norm: equinox.nn.LayerNorm
    fc: equinox.nn.Linear

    def __init__(self, widths: Widths, key: jax.Array) -> None:
        stream, heads, hidden = widths
        self.embed = equinox.nn.Linear(FEATURES, stream, key=key)
        self.norm1 = equinox.nn.LayerNorm(stream)
        self.attention = equinox.nn.MultiheadAttention(
            heads, stream, qk_size=SIZE, vo_size=SIZE, key=key
        )
        self.norm2 = equinox.nn.LayerNorm(stream)
        self.mlp1 = equinox.nn.Linear(stream, hidden, key=key)
        self.mlp2 = equinox.nn.Linear(hidden, stream, key=key)
        self.norm = equinox.nn.LayerNorm(stream)
        self.fc = equinox.nn.Linear(stream, 10, key=key)

    def __call__(self, x: jax.Array, state: equinox.nn.State) -> jax.Array:
        x = jax.vmap(self.embed)(x)
        y = jax.vmap(self.norm1)(x)
        x = x + self.attention(y, y, y)
        y = jax.vmap(self.mlp1)(jax.vmap(self.norm2)(x))
        x = x + jax.vmap(self.mlp2)(jax.nn.gelu(y))
        return self.fc(jax.vmap(self.norm)(x).mean(axis=0))


def transformer(widths: Widths, x: jax.Array, is_training: bool) -> jax.Array:
    """The same in Haiku."""
    stream, heads, hidden = widths

    def linear(width, name):
        return haiku.Linear(width, name=name)

    def norm(name):
        return haiku.LayerNorm(-1, create_scale=True, create_offset=True, name=name)

    x = linear(stream, "embed")(x)
    y = norm("norm1")(x)
    init = haiku.initializers.VarianceScaling()
    attention = haiku.MultiHeadAttention(
        heads, SIZE, w_init=init, model_size=stream, name="attention"
    )
    x = x + attention(y, y, y)
    y = linear(hidden, "mlp1")(norm("norm2")(x))
    x = x + linear(stream, "mlp2")(jax.nn.gelu(y))
    return linear(10, "fc")(norm("norm")(x).mean(axis=1))


def units(widths: Widths, wiring: Wiring, projections: tuple[str, ...], bias: bool) -> list[Unit]:
    """The stream, the heads and the hidden units."""
    stream, heads, hidden = widths
    query, key, value, output = (f"attention/{name}" for name in projections)
    rows = flattened_first(heads, SIZE)
    wide = wiring.unit(
        stream,
        writes=["embed", "mlp2"],
        norms=["norm1", "norm2", "norm"],
        reads=[query, key, value, "mlp1", "fc"],
    )
    joined = wiring.unit(stream, writes=[output], bias=bias)
    made, *passed = (
        wiring.unit(heads, writes=[(name, rows)], bias=bias).writers for name in (value, query, key)
    )
    read = wiring.unit(heads, reads=[(output, rows)]).followers
    return [
        Unit(wide.writers + joined.writers, wide.followers),
        Unit(made, sum(passed, read)),
        wiring.unit(hidden, writes=["mlp1"], reads=["mlp2"]),
    ]


LAYER_NORMS = {
    "equinox_transformer": Spec(
        in_equinox.make(Transformer),
        functools.partial(
            units,
            wiring=in_equinox.EQUINOX,
            projections=("query_proj", "key_proj", "value_proj", "output_proj"),
            bias=False,
        ),
        (LENGTH, FEATURES),
        (8, 4, 6),
        counting=True,
    ),
    "haiku_transformer": Spec(
        in_haiku.make(transformer, (LENGTH, FEATURES)),
        functools.partial(
            units,
            wiring=dataclasses.replace(in_haiku.HAIKU, statistics=()),
            projections=("query", "key", "value", "linear"),
            bias=True,
        ),
        (LENGTH, FEATURES),
        (8, 4, 6),
        counting=True,
    ),
}
