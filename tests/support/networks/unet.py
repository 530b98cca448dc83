"""A network that shrinks, grows and reads across (U-Net, Ronneberger et al., arXiv 1505.04597)."""

import jax
import jax.numpy as jnp
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


def double(x: jax.Array) -> jax.Array:
    """Repeats every pixel two by two."""
    batch, height, width, channels = x.shape
    return jax.image.resize(x, (batch, 2 * height, 2 * width, channels), "nearest")


class Pair(nnx.Module):
    """Conv-ReLU twice."""

    def __init__(self, inputs: int, widths: Widths, *, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(inputs, widths[0], (3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(widths[0], widths[1], (3, 3), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.relu(self.conv2(nnx.relu(self.conv1(x))))


class UNet(nnx.Module):
    """Two levels down, two up, of which each reads the one of its size; a dense layer per pixel.

    Args:
      widths: channels of the two convolutions of each: down, down, bottom, up, up.
    """

    def __init__(self, widths: Widths, *, rngs: nnx.Rngs) -> None:
        pairs = [widths[i : i + 2] for i in range(0, 10, 2)]
        down1, down2, bottom, up2, up1 = pairs
        self.down1 = Pair(3, down1, rngs=rngs)
        self.down2 = Pair(down1[1], down2, rngs=rngs)
        self.bottom = Pair(down2[1], bottom, rngs=rngs)
        self.up2 = Pair(down2[1] + bottom[1], up2, rngs=rngs)
        self.up1 = Pair(down1[1] + up2[1], up1, rngs=rngs)
        self.out = nnx.Linear(up1[1], 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        fine = self.down1(x)
        coarse = self.down2(nnx.max_pool(fine, (2, 2), (2, 2)))
        x = self.bottom(nnx.max_pool(coarse, (2, 2), (2, 2)))
        x = self.up2(jnp.concatenate([coarse, double(x)], axis=-1))
        x = self.up1(jnp.concatenate([fine, double(x)], axis=-1))
        return self.out(x)


def unet_units(widths: Widths) -> list[Unit]:
    fine, coarse = widths[1], widths[3]
    reads = {
        "down1": ["down2/conv1", "up1/conv1"],
        "down2": ["bottom/conv1", "up2/conv1"],
        "bottom": [("up2/conv1", coarse)],
        "up2": [("up1/conv1", fine)],
        "up1": ["out"],
    }
    units = []
    for i, (pair, readers) in enumerate(reads.items()):
        first, second = widths[2 * i : 2 * i + 2]
        units.append(unit(first, writes=[f"{pair}/conv1"], reads=[f"{pair}/conv2"]))
        units.append(unit(second, writes=[f"{pair}/conv2"], reads=readers))
    return units


UNETS = {
    "unet": Spec(
        in_nnx(UNet),
        unet_units,
        (16, 16, 3),
        (5, 6, 7, 8, 9, 10, 8, 6, 5, 7),
        (32, 32, 64, 64, 128, 128, 64, 64, 32, 32),
        (64, 64, 3),
    )
}
