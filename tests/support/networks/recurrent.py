"""Classifiers of sequences: an LSTM in Flax and a GRU in Haiku."""

import haiku
import jax
import jax.numpy as jnp
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import Wiring, unit
from support.networks.in_haiku import HAIKU, make


FEATURES, LENGTH = 4, 6


class LSTM(nnx.Module):
    """An LSTM (Hochreiter, Schmidhuber, 1997), one that reads it backwards, and a dense layer."""

    def __init__(self, widths: Widths, *, rngs: nnx.Rngs) -> None:
        first, second = widths
        self.ahead = _layer(FEATURES, first, rngs)
        self.back = _layer(first, second, rngs, reverse=True)
        self.fc = nnx.Linear(first + second, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        ahead = self.ahead(x, initial_carry=_start(self.ahead, x))
        back = self.back(ahead, initial_carry=_start(self.back, x))
        return self.fc(jnp.concatenate([ahead[:, -1], back[:, -1]], axis=-1))


def _layer(inputs, width, rngs, **options):
    return nnx.RNN(nnx.OptimizedLSTMCell(inputs, width, rngs=rngs), rngs=False, **options)


def _start(layer, x):
    """Zeros like the inputs: Flax has them in float32."""
    zeros = jnp.zeros((x.shape[0], layer.cell.hidden_features), x.dtype)
    return zeros, zeros


def lstm_units(widths: Widths) -> list[Unit]:
    first, second = widths
    return [
        _cells("ahead", first, ["back/cell/dense_i", "fc"]),
        _cells("back", second, [("fc", first)]),
    ]


def _cells(layer, width, reads):
    """Cells, which stay zero if their input does, whatever their three gates are."""
    kernel, recurrent = f"{layer}/cell/dense_i", f"{layer}/cell/dense_h"
    gates = [entry for k in (0, 1, 3) for entry in _columns(kernel, recurrent, width, k)]
    read = unit(width, reads=[recurrent, *reads]).followers
    return Unit(_columns(kernel, recurrent, width, 2), (*gates, *read))


def _columns(kernel, recurrent, width, k):
    """The columns of gate k; the bias is that of the recurrent kernel."""
    made = unit(width, writes=[(kernel, k * width)], bias=False)
    return made.writers + unit(width, writes=[(recurrent, k * width)]).writers


def gru(widths: Widths, x: jax.Array, is_training: bool) -> jax.Array:
    """A GRU (Cho et al., arXiv 1406.1078) on features of a dense layer, and a dense layer."""
    features, cells = widths
    x = jax.nn.relu(haiku.Linear(features, name="embed")(x))
    core = haiku.GRU(cells, name="gru")
    x, _ = haiku.dynamic_unroll(core, x, core.initial_state(x.shape[0]), time_major=False)
    return haiku.Linear(10, name="fc")(x.mean(axis=1))


def gru_units(widths: Widths) -> list[Unit]:
    """Features, and cells: of their columns z, r and a the last make them."""
    features, cells = widths
    into, again = Wiring(kernel="0/{}/w_i", bias="0/{}/b"), Wiring(kernel="0/{}/w_h")
    z, r, a = (
        into.unit(cells, writes=[("gru", k * cells)]).writers
        + again.unit(cells, writes=[("gru", k * cells)], bias=False).writers
        for k in range(3)
    )
    read = again.unit(cells, reads=["gru"]).followers + HAIKU.unit(cells, reads=["fc"]).followers
    made = HAIKU.unit(features, writes=["embed"])
    return [
        made._replace(followers=into.unit(features, reads=["gru"]).followers),
        Unit(a, z + r + read),
    ]


RECURRENT = {
    "lstm": Spec(in_nnx(LSTM), lstm_units, (LENGTH, FEATURES), (6, 5)),
    "haiku_gru": Spec(make(gru, (LENGTH, FEATURES)), gru_units, (LENGTH, FEATURES), (5, 6)),
}
