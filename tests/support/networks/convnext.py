"""Blocks of depthwise convolutions, a norm over the channels and a scale for each of them."""

import jax
from jax import lax

from support.networks._base import Spec, Unit, Widths
from support.networks._functions import (
    along,
    array,
    dense,
    in_functions,
    layer,
    layer_norm,
    norm,
    unit,
)


STREAMS = 8, 9


def blank(first, hidden1, second, hidden2):
    return {
        "stem": layer(12, first),
        "norm": norm(first),
        "block1": _block(first, hidden1),
        "between": norm(first),
        "down": {"kernel": array(2, 2, first, second), "bias": array(second)},
        "block2": _block(second, hidden2),
        "last": norm(second),
        "fc": layer(second, 10),
    }


def _block(stream, hidden):
    return {
        "depthwise": {"kernel": array(7, 7, 1, stream), "bias": array(stream)},
        "norm": norm(stream),
        "fc1": layer(stream, hidden),
        "fc2": layer(hidden, stream),
        "gamma": array(stream),
    }


def apply(widths: Widths, p, x: jax.Array) -> jax.Array:
    """ConvNeXt (Liu et al., arXiv 2201.03545), two stages of a block."""
    x = x.reshape(-1, 8, 2, 8, 2, 3).swapaxes(2, 3).reshape(-1, 8, 8, 12)
    x = layer_norm(p["norm"], dense(p["stem"], x), STREAMS[0])
    x = layer_norm(p["between"], _through(p["block1"], x, STREAMS[0]), STREAMS[0])
    x = _through(p["block2"], _convolved(p["down"], x, (2, 2), "VALID", 1), STREAMS[1])
    return dense(p["fc"], layer_norm(p["last"], x.mean(axis=(1, 2)), STREAMS[1]))


def _through(p, x, count):
    y = _convolved(p["depthwise"], x, (1, 1), "SAME", x.shape[-1])
    y = jax.nn.gelu(dense(p["fc1"], layer_norm(p["norm"], y, count)))
    return x + dense(p["fc2"], y) * along(p["gamma"], x)


def _convolved(p, x, strides, padding, groups):
    dims = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, p["kernel"], strides, padding, dimension_numbers=dims, feature_group_count=groups
    )
    return y + along(p["bias"], y)


def units(widths: Widths) -> list[Unit]:
    """Channels of the stages and hidden units of the blocks.

    A channel of a block is dead if its gamma is zero, whatever the layer before it writes.
    """
    first, hidden1, second, hidden2 = widths

    def stage(width, block, writes, norms, reads):
        return unit(
            width,
            makes=[f"{block}/gamma", f"{block}/depthwise/bias"],
            passes=[f"{block}/depthwise/kernel"],
            writes=writes,
            norms=[f"{block}/norm", *norms],
            gates=[f"{block}/fc2"],
            reads=[f"{block}/fc1", *reads],
        )

    def hidden(width, block):
        return unit(width, writes=[f"{block}/fc1"], reads=[f"{block}/fc2"])

    return [
        stage(first, "block1", ["stem"], ["norm", "between"], ["down"]),
        hidden(hidden1, "block1"),
        stage(second, "block2", ["down"], ["last"], ["fc"]),
        hidden(hidden2, "block2"),
    ]


CONVNEXT = {
    "convnext": Spec(in_functions(apply, blank), units, (16, 16, 3), (STREAMS[0], 7, STREAMS[1], 8))
}
