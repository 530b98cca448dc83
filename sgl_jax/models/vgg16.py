"""VGG-16 with batch normalisation, in the form that pruning for CIFAR is measured on."""

from typing import ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from sgl_jax.models._base import BATCH_NORM, check_widths, kernel_init, max_pool, standardize
from sgl_jax.models._conv import conv


__all__ = ["VGG16"]

_POOLED = (1, 3, 6, 9, 12)
"""Convolutions behind which the maps get half as high and wide."""


class VGG16(nnx.Module):
    """Thirteen convolutions of 3x3 and two dense layers, 14,991,946 parameters at full width.

    All have biases, and all but the last are followed by batch normalisation and ReLU.

    Args:
      widths: filters of the convolutions, and units of the first dense layer, each at least 1.
      classes: number of logits, at least 1.
      mean: is subtracted from the channels of the images; nothing by default.
      std: divides the channels of the images, then.
      rngs: source of the initial parameters.

    Raises:
      ValueError: if ``widths`` are not fourteen numbers of at least 1.

    References:
      Simonyan, Zisserman: Very deep convolutional networks, 2015.
      Li, Kadav, Durdanovic, Samet, Graf: Pruning filters for efficient convnets, 2017, for CIFAR.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)

    published: ClassVar[tuple[int, ...]] = (64, 64, 128, 128, *[256] * 3, *[512] * 6, 512)

    def __init__(
        self,
        widths: tuple[int, ...] | None = None,
        classes: int = 10,
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
        *,
        rngs: nnx.Rngs,
    ) -> None:
        *filters, units = check_widths("VGG16", widths, self.published)
        plain = {"kernel_init": kernel_init, "conv_general_dilated": conv, "rngs": rngs}
        inputs = (3, *filters)
        self.mean, self.std = mean, std
        self.convs = nnx.List(
            nnx.Conv(inputs[number], width, (3, 3), padding=1, **plain)
            for number, width in enumerate(filters)
        )
        self.norms = nnx.List(nnx.BatchNorm(width, **BATCH_NORM, rngs=rngs) for width in filters)
        self.fc1 = nnx.Linear(filters[-1], units, kernel_init=kernel_init, rngs=rngs)
        self.norm = nnx.BatchNorm(units, **BATCH_NORM, rngs=rngs)
        self.fc2 = nnx.Linear(units, classes, kernel_init=kernel_init, rngs=rngs)

    @property
    def widths(self) -> tuple[int, ...]:
        """The filters of the convolutions, and the units of the first dense layer."""
        return (*(layer.out_features for layer in self.convs), self.fc1.out_features)

    def __call__(self, images: Float[Array, "batch h w c"]) -> Float[Array, "batch classes"]:
        """Computes the logits of a batch of images with values in [0, 1]."""
        x = standardize(images, self.mean, self.std)
        for number, (layer, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = jax.nn.relu(norm(layer(x)))
            if number in _POOLED:
                x = max_pool(x)
        x = x.reshape(x.shape[0], -1)
        return self.fc2(jax.nn.relu(self.norm(self.fc1(x))))
