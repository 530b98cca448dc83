"""A state-space model: a causal depthwise convolution, a recurrence as a scan, and gates."""

import jax
import jax.numpy as jnp
from jax import lax

from support.networks._base import Spec, Unit, Widths
from support.networks._functions import (
    along,
    array,
    dense,
    in_functions,
    layer,
    rms_norm,
    unit,
    words,
)


STREAM, TAPS, WORDS, LENGTH = 8, 3, 11, 6


def blank(stream, inner, rank, states):
    return {
        "table": array(WORDS, stream),
        "norm": {"scale": array(stream)},
        "in": layer(stream, 2 * inner, bias=False),
        "conv": {"kernel": array(TAPS, 1, inner), "bias": array(inner)},
        "x": layer(inner, rank + 2 * states, bias=False),
        "dt": layer(rank, inner),
        "log": {"kernel": array(states, inner)},
        "skip": array(inner),
        "out": layer(inner, stream, bias=False),
        "last": {"scale": array(stream)},
    }


def apply(widths: Widths, p, sentence: jax.Array) -> jax.Array:
    """A block of Mamba (Gu, Dao, arXiv 2312.00752), and scores by the table of the words."""
    _, _, rank, states = widths
    stream = jnp.take(p["table"], sentence, axis=0)
    x, gate = jnp.split(dense(p["in"], rms_norm(p["norm"], stream, STREAM)), 2, axis=-1)
    x = jax.nn.silu(_convolved(p["conv"], x))
    dt, b, c = jnp.split(dense(p["x"], x), [rank, rank + states], axis=-1)
    dt = jax.nn.softplus(dense(p["dt"], dt))[:, :, None]
    decay = jnp.exp(-dt * jnp.exp(p["log"]["kernel"])[None, None])
    _, state = lax.associative_scan(
        lambda one, two: (one[0] * two[0], two[0] * one[1] + two[1]),
        (decay, dt * b[..., None] * x[:, :, None]),
        axis=1,
    )
    y = jnp.einsum("btsi,bts->bti", state, c) + x * along(p["skip"], x)
    stream = stream + dense(p["out"], y * jax.nn.silu(gate))
    return rms_norm(p["last"], stream, STREAM) @ p["table"].T


def _convolved(p, x):
    """Each channel with its own filter of the last times."""
    y = lax.conv_general_dilated(
        x,
        p["kernel"],
        (1,),
        [(TAPS - 1, 0)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=x.shape[-1],
    )
    return y + along(p["bias"], y)


def units(widths: Widths) -> list[Unit]:
    """The stream, the channels inside, the inputs of the step sizes, and the states of each."""
    stream, inner, rank, states = widths
    return [
        unit(
            stream,
            makes=["table", "out/kernel"],
            passes=["norm/scale", "last/scale"],
            reads=["in"],
        ),
        unit(
            inner,
            makes=["conv/kernel", "conv/bias"],
            passes=["in/kernel", ("in/kernel", inner), "log/kernel", "skip"],
            gates=["dt"],
            reads=["x", "out"],
        ),
        unit(rank, makes=["x/kernel"], reads=["dt"]),
        unit(
            states,
            makes=[("x/kernel", rank)],
            passes=[("x/kernel", rank + states)],
            reads=["log"],
        ),
    ]


MAMBA = {
    "mamba": Spec(
        in_functions(apply, blank), units, (), (STREAM, 7, 4, 5), draw=words(WORDS, LENGTH)
    )
}
