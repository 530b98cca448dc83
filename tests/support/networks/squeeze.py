"""Squeeze-and-excitation: blocks with gates on their channels (Hu et al., 1709.01507)."""

import jax
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


class Block(nnx.Module):
    """Conv-BN-ReLU, conv-BN, times the gates, plus the input, ReLU."""

    def __init__(self, stream: int, inner: int, squeezed: int, *, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(stream, inner, (3, 3), use_bias=False, rngs=rngs)
        self.bn1 = nnx.BatchNorm(inner, rngs=rngs)
        self.conv2 = nnx.Conv(inner, stream, (3, 3), use_bias=False, rngs=rngs)
        self.bn2 = nnx.BatchNorm(stream, rngs=rngs)
        self.squeeze = nnx.Linear(stream, squeezed, rngs=rngs)
        self.excite = nnx.Linear(squeezed, stream, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        gates = nnx.sigmoid(self.excite(nnx.relu(self.squeeze(y.mean(axis=(1, 2))))))
        return nnx.relu(x + y * gates[:, None, None])


class SqueezeExcite(nnx.Module):
    """A convolution, blocks, the mean over all pixels, a dense layer.

    Args:
      widths: channels between the blocks, then for each block those inside, and the units that
        its gates are made of.
    """

    def __init__(self, widths: Widths, *, rngs: nnx.Rngs) -> None:
        stream, inner = widths[0], widths[1:]
        self.stem = nnx.Conv(3, stream, (3, 3), use_bias=False, rngs=rngs)
        self.bn = nnx.BatchNorm(stream, rngs=rngs)
        self.blocks = nnx.List(
            Block(stream, *inner[i : i + 2], rngs=rngs) for i in range(0, len(inner), 2)
        )
        self.fc = nnx.Linear(stream, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.bn(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(axis=(1, 2)))


def squeeze_units(widths: Widths) -> list[Unit]:
    """A gate of a dead channel is none of its writers: it is live, and multiplies zero."""
    names = [f"blocks/{i}" for i in range(len(widths) // 2)]
    stream = unit(
        widths[0],
        writes=["stem", *(f"{name}/conv2" for name in names)],
        bias=False,
        norms=["bn", *(f"{name}/bn2" for name in names)],
        reads=[*(f"{name}/{layer}" for name in names for layer in ("conv1", "squeeze")), "fc"],
        gates=[f"{name}/excite" for name in names],
    )
    units = [stream]
    for name, inner, squeezed in zip(names, widths[1::2], widths[2::2], strict=True):
        inside = {"writes": [f"{name}/conv1"], "norms": [f"{name}/bn1"]}
        units.append(unit(inner, **inside, bias=False, reads=[f"{name}/conv2"]))
        units.append(unit(squeezed, writes=[f"{name}/squeeze"], reads=[f"{name}/excite"]))
    return units


SQUEEZE = {
    "squeeze_excite": Spec(in_nnx(SqueezeExcite), squeeze_units, (16, 16, 3), (8, 6, 8, 7, 10))
}
