"""A network of messages along the edges of graphs."""

import jax
import jax.numpy as jnp

from support.networks._base import Spec, Unit, Widths
from support.networks._functions import dense, in_functions, layer, unit


NODES, EDGES, FEATURES = 6, 9, 4


def blank(stream, message, hidden):
    return {
        "embed": layer(FEATURES, stream),
        "source": layer(stream, message, bias=False),
        "target": layer(stream, message),
        "up": layer(stream + message, hidden),
        "down": layer(hidden, stream),
        "fc": layer(stream, 3),
    }


def apply(widths: Widths, p, graphs: tuple[jax.Array, ...]) -> jax.Array:
    """Message passing (Gilmer et al., arXiv 1704.01212), graph by graph of a batch."""
    return jax.vmap(lambda *graph: _one(p, *graph))(*graphs)


def _one(p, nodes, senders, receivers):
    x = dense(p["embed"], nodes)
    messages = jax.nn.relu(dense(p["source"], x)[senders] + dense(p["target"], x)[receivers])
    total = jax.ops.segment_sum(messages, receivers, NODES)
    y = jax.nn.silu(dense(p["up"], jnp.concatenate([x, total], axis=-1)))
    x = x + dense(p["down"], y)
    return dense(p["fc"], x.max(axis=0))


def units(widths: Widths) -> list[Unit]:
    """The features of the nodes, the messages, and the hidden units of the update."""
    stream, message, hidden = widths
    return [
        unit(stream, writes=["embed", "down"], reads=["source", "target", "up", "fc"]),
        unit(message, makes=["source/kernel"], writes=["target"], reads=[("up", stream)]),
        unit(hidden, writes=["up"], reads=["down"]),
    ]


def draw(key: jax.Array, batch: int) -> tuple[jax.Array, ...]:
    """Features of the nodes, and for every edge where it starts and where it ends."""
    nodes, *ends = jax.random.split(key, 3)
    senders, receivers = (jax.random.randint(end, (batch, EDGES), 0, NODES) for end in ends)
    return jax.random.normal(nodes, (batch, NODES, FEATURES)), senders, receivers


GRAPH = {"graph": Spec(in_functions(apply, blank), units, (), (7, 6, 8), draw=draw)}
