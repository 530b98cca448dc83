"""Networks in which one layer follows the other."""

from collections.abc import Callable

import jax
import numpy as np
from flax import nnx

from sgl_jax.models import LeNet5
from sgl_jax.models._base import max_pool
from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import NNX, Wiring, flattened, unit


def lenet5_units(
    widths: Widths, wiring: Wiring = NNX, rows: Callable[[int, int], np.ndarray] = flattened
) -> list[Unit]:
    filters1, filters2, units = widths
    return [
        wiring.unit(filters1, writes=["conv1"], reads=["conv2"]),
        wiring.unit(filters2, writes=["conv2"], reads=[("fc1", rows(filters2, 16))]),
        wiring.unit(units, writes=["fc1"], reads=["fc2"]),
    ]


class CNN4(nnx.Module):
    """The 4-layer CNN of Xue and Xin (arXiv 1912.07868): the filters have no biases."""

    def __init__(self, widths: Widths = (32, 64, 1000), *, rngs: nnx.Rngs) -> None:
        filters1, filters2, units = widths
        plain = {"kernel_size": (5, 5), "padding": "VALID", "use_bias": False, "rngs": rngs}
        self.conv1 = nnx.Conv(1, filters1, **plain)
        self.conv2 = nnx.Conv(filters1, filters2, **plain)
        self.fc1 = nnx.Linear(16 * filters2, units, rngs=rngs)
        self.fc2 = nnx.Linear(units, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(max_pool(self.conv1(x)))
        x = nnx.relu(max_pool(self.conv2(x)))
        return self.fc2(nnx.relu(self.fc1(x.reshape(x.shape[0], -1))))


def cnn4_units(widths: Widths) -> list[Unit]:
    filters1, filters2, units = widths
    return [
        unit(filters1, writes=["conv1"], bias=False, reads=["conv2"]),
        unit(filters2, writes=["conv2"], bias=False, reads=[("fc1", flattened(filters2, 16))]),
        unit(units, writes=["fc1"], reads=["fc2"]),
    ]


VGG_WIDTHS = (64, 64, 128, 128, 256, 256, 256, *[512] * 6, 512)


class VGG16(nnx.Module):
    """VGG-16 with batch norm for CIFAR: thirteen convolutions and two dense layers, with biases.

    Simonyan and Zisserman (arXiv 1409.1556), Li et al. (arXiv 1608.08710).
    """

    pooled = (1, 3, 6, 9, 12)

    def __init__(self, widths: Widths = VGG_WIDTHS, *, rngs: nnx.Rngs) -> None:
        *filters, units = widths
        inputs = (3, *filters)
        self.convs = nnx.List(
            nnx.Conv(inputs[i], width, (3, 3), rngs=rngs) for i, width in enumerate(filters)
        )
        self.norms = nnx.List(nnx.BatchNorm(width, rngs=rngs) for width in filters)
        self.fc1 = nnx.Linear(filters[-1], units, rngs=rngs)
        self.norm = nnx.BatchNorm(units, rngs=rngs)
        self.fc2 = nnx.Linear(units, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = nnx.relu(norm(conv(x)))
            if i in self.pooled:
                x = nnx.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        return self.fc2(nnx.relu(self.norm(self.fc1(x))))


def vgg16_units(widths: Widths) -> list[Unit]:
    *filters, units = widths
    readers = [*(f"convs/{i}" for i in range(1, len(filters))), "fc1"]
    return [
        unit(width, writes=[f"convs/{i}"], norms=[f"norms/{i}"], reads=[readers[i]])
        for i, width in enumerate(filters)
    ] + [unit(units, writes=["fc1"], norms=["norm"], reads=["fc2"])]


PLAIN = {
    "lenet5": Spec(
        in_nnx(LeNet5), lenet5_units, (28, 28, 1), (6, 8, 12), (20, 50, 500), (28, 28, 1)
    ),
    "cnn4": Spec(in_nnx(CNN4), cnn4_units, (28, 28, 1), (6, 8, 12), (32, 64, 1000), (28, 28, 1)),
    "vgg16": Spec(
        in_nnx(VGG16, gain=2.5),
        vgg16_units,
        (32, 32, 3),
        (8, 9, 10, 8, 9, 10, 8, 9, 10, 8, 9, 10, 11, 12),
        VGG_WIDTHS,
        (32, 32, 3),
    ),
}
