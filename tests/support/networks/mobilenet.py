"""A network of depthwise-separable convolutions (MobileNet, Howard et al., arXiv 1704.04861)."""

import functools

import jax
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


class Separable(nnx.Module):
    """A 3x3 filter per channel, BN, ReLU, then a 1x1 convolution, BN, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs) -> None:
        options = {"use_bias": False, "rngs": rngs}
        self.depthwise = nnx.Conv(
            inputs, inputs, (3, 3), stride, feature_group_count=inputs, **options
        )
        self.bn1 = nnx.BatchNorm(inputs, rngs=rngs)
        self.pointwise = nnx.Conv(inputs, outputs, (1, 1), **options)
        self.bn2 = nnx.BatchNorm(outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.relu(self.bn2(self.pointwise(nnx.relu(self.bn1(self.depthwise(x))))))


class MobileNet(nnx.Module):
    """A convolution, separable ones, the mean over all pixels, a dense layer.

    Args:
      widths: channels of the first convolution and of each separable one.
      strides: of the separable convolutions.
    """

    def __init__(self, widths: Widths, strides: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, widths[0], (3, 3), use_bias=False, rngs=rngs)
        self.bn = nnx.BatchNorm(widths[0], rngs=rngs)
        self.blocks = nnx.List(
            Separable(widths[i], widths[i + 1], stride, rngs=rngs)
            for i, stride in enumerate(strides)
        )
        self.fc = nnx.Linear(widths[-1], 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.bn(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(axis=(1, 2)))


def mobilenet_units(widths: Widths) -> list[Unit]:
    """What a layer writes and the depthwise filters behind it are one unit."""
    units, writes, norms = [], ["stem"], ["bn"]
    for i, width in enumerate(widths[:-1]):
        block = f"blocks/{i}"
        writes, norms = [*writes, f"{block}/depthwise"], [*norms, f"{block}/bn1"]
        reads = [f"{block}/pointwise"]
        units.append(unit(width, writes=writes, bias=False, norms=norms, reads=reads))
        writes, norms = [f"{block}/pointwise"], [f"{block}/bn2"]
    return [*units, unit(widths[-1], writes=writes, bias=False, norms=norms, reads=["fc"])]


MOBILE = {
    "mobilenet": Spec(
        in_nnx(functools.partial(MobileNet, strides=(1, 2, 1))),
        mobilenet_units,
        (16, 16, 3),
        (8, 9, 10, 12),
        (32, 64, 128, 128),
        (32, 32, 3),
    )
}
