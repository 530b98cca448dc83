"""A mixture of experts, each of which has the words that a router gives it."""

import jax
import jax.numpy as jnp
from jax import lax

from support.networks._base import Spec, Unit, Widths
from support.networks._functions import array, dense, in_functions, layer, rms_norm, unit, words


STREAM, EXPERTS, WORDS, LENGTH = 8, 3, 11, 6


def blank(stream, hidden):
    return {
        "table": array(WORDS, stream),
        "norm": {"scale": array(stream)},
        "router": layer(stream, EXPERTS, bias=False),
        "up": {"kernel": array(EXPERTS, stream, hidden), "bias": array(EXPERTS, hidden)},
        "down": {"kernel": array(EXPERTS, hidden, stream), "bias": array(EXPERTS, stream)},
        "fc": layer(stream, 3),
    }


def apply(widths: Widths, p, sentence: jax.Array) -> jax.Array:
    """The best expert for every word (Fedus et al., arXiv 2101.03961), sorted by experts."""
    x = jnp.take(p["table"], sentence, axis=0)
    y = rms_norm(p["norm"], x, STREAM).reshape(-1, x.shape[2])
    shares = jax.nn.softmax(dense(p["router"], y))
    chosen, share = shares.argmax(axis=-1), shares.max(axis=-1)
    order = jnp.argsort(chosen)
    sizes = jax.nn.one_hot(chosen, EXPERTS, dtype=jnp.int32).sum(axis=0)

    def grouped(p, y):
        return lax.ragged_dot(y, p["kernel"], sizes) + p["bias"][chosen[order]]

    y = grouped(p["down"], jax.nn.relu(grouped(p["up"], y[order])))
    y = jnp.zeros_like(y).at[order].set(y) * share[:, None]
    return dense(p["fc"], (x + y.reshape(x.shape)).mean(axis=1))


def units(widths: Widths) -> list[Unit]:
    """The stream, and the hidden units at one place in all experts."""
    stream, hidden = widths
    made, reads = ["down"], ["router", "up", "fc"]
    return [
        unit(stream, makes=["table"], writes=made, passes=["norm/scale"], reads=reads),
        unit(hidden, writes=["up"], reads=["down"]),
    ]


MIXTURES = {
    "experts": Spec(in_functions(apply, blank), units, (), (STREAM, 7), draw=words(WORDS, LENGTH))
}
