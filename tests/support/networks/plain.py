"""Networks in which one layer follows the other."""

from collections.abc import Callable

import numpy as np

from sgl_jax.models import VGG16, Conv4, LeNet5
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


def conv4_units(widths: Widths) -> list[Unit]:
    filters1, filters2, units = widths
    return [
        unit(filters1, writes=["conv1"], bias=False, reads=["conv2"]),
        unit(filters2, writes=["conv2"], bias=False, reads=[("fc1", flattened(filters2, 16))]),
        unit(units, writes=["fc1"], reads=["fc2"]),
    ]


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
    "conv4": Spec(in_nnx(Conv4), conv4_units, (28, 28, 1), (6, 8, 12), (32, 64, 1000), (28, 28, 1)),
    "vgg16": Spec(
        in_nnx(VGG16, gain=2.5),
        vgg16_units,
        (32, 32, 3),
        (8, 9, 10, 8, 9, 10, 8, 9, 10, 8, 9, 10, 11, 12),
        VGG16.published,
        (32, 32, 3),
    ),
}
