"""A network whose layers read all before them (DenseNet, Huang et al., arXiv 1608.06993)."""

import jax
import jax.numpy as jnp
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


LAYERS = 3


class Layer(nnx.Module):
    """BN-ReLU-conv."""

    def __init__(self, inputs: int, outputs: int, size: int, *, rngs: nnx.Rngs) -> None:
        self.bn = nnx.BatchNorm(inputs, rngs=rngs)
        self.conv = nnx.Conv(inputs, outputs, (size, size), use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.conv(nnx.relu(self.bn(x)))


class DenseNet(nnx.Module):
    """Two blocks of three layers, a transition between them, batch norm before the mean.

    Args:
      widths: channels of the first convolution, of the layers of the first block, of the
        transition, of the layers of the second block.
    """

    def __init__(self, widths: Widths, *, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, widths[0], (3, 3), use_bias=False, rngs=rngs)
        self.layers, inputs = nnx.List(), widths[0]
        for i, width in enumerate(widths[1:]):
            transition = i == LAYERS
            self.layers.append(Layer(inputs, width, 1 if transition else 3, rngs=rngs))
            inputs = width if transition else inputs + width
        self.bn = nnx.BatchNorm(inputs, rngs=rngs)
        self.fc = nnx.Linear(inputs, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.stem(x)
        for i, layer in enumerate(self.layers):
            y = layer(x)
            if i == LAYERS:
                x = nnx.pool(y, 0.0, jax.lax.add, (2, 2), (2, 2), "VALID") / 4.0
            else:
                x = jnp.concatenate([x, y], axis=-1)
        return self.fc(nnx.relu(self.bn(x)).mean(axis=(1, 2)))


def densenet_units(widths: Widths) -> list[Unit]:
    """One unit per layer, in a slice of every norm and kernel behind it up to the block's end."""
    writers = ["stem", *(f"layers/{i}/conv" for i in range(len(widths) - 1))]
    units = []
    for i, width in enumerate(widths):
        begin = 0 if i <= LAYERS else LAYERS + 1
        offset = sum(widths[begin:i])
        readers = range(i, LAYERS + 1) if i <= LAYERS else range(i, len(widths) - 1)
        norms = [(f"layers/{j}/bn", offset) for j in readers]
        reads = [(f"layers/{j}/conv", offset) for j in readers]
        if i > LAYERS:
            norms, reads = [*norms, ("bn", offset)], [*reads, ("fc", offset)]
        units.append(unit(width, writes=[writers[i]], bias=False, norms=norms, reads=reads))
    return units


DENSE = {
    "densenet": Spec(
        in_nnx(DenseNet),
        densenet_units,
        (16, 16, 3),
        (6, 4, 5, 4, 7, 4, 5, 4),
        (24, 12, 12, 12, 60, 12, 12, 12),
        (32, 32, 3),
    )
}
