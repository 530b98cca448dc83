"""Random changes of training images, drawn anew for every batch on the device.

An augmentation is a function ``(key, images) -> images`` of float images in [0, 1] that keeps their
shape, and what they show.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray


__all__ = ["AUGMENTATIONS", "Augmentation", "crop_flip", "keep", "shift"]

Images: TypeAlias = Float[Array, "batch height width channels"]

Augmentation: TypeAlias = Callable[[PRNGKeyArray, Images], Images]


def keep(key: PRNGKeyArray, images: Images) -> Images:
    """Keeps the images as they are: no augmentation."""
    del key
    return images


def crop_flip(key: PRNGKeyArray, images: Images, *, pad: int = 4) -> Images:
    """Crops images with a black border at random, and mirrors about half: CIFAR's usual one.

    Args:
      key: draws the crops and the images that are mirrored, left to right.
      images: the images.
      pad: width of the border, in pixels, at least 0.

    Raises:
      ValueError: if ``pad`` is negative.
    """
    if pad < 0:
        raise ValueError(f"crop_flip needs a pad of at least 0 pixels, got pad={pad}.")
    crops, flips = jax.random.split(key)
    images = _crop(crops, images, pad)
    mirrored = jax.random.bernoulli(flips, shape=(len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def shift(key: PRNGKeyArray, images: Images, *, most: int = 2) -> Images:
    """Shifts every image at random, up and down and to the sides; what comes in is black.

    Args:
      key: draws the shifts.
      images: the images.
      most: the longest shift, in pixels, at least 0.

    Raises:
      ValueError: if ``most`` is negative.
    """
    if most < 0:
        raise ValueError(f"shift needs a shift of at most 0 pixels or more, got most={most}.")
    return _crop(key, images, most)


def _crop(key: PRNGKeyArray, images: Array, pad: int) -> Array:
    """Crops images with a black border at random, to their size."""
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    corners = jax.random.randint(key, (len(images), 2), 0, 2 * pad + 1)
    return jax.vmap(partial(_cut, images.shape[1:]))(padded, corners)


def _cut(shape: tuple[int, ...], image: Array, corner: Array) -> Array:
    """Cuts an image of a shape out of a larger one."""
    return lax.dynamic_slice(image, (*corner, 0), shape)


AUGMENTATIONS: dict[str, Augmentation] = {"crop_flip": crop_flip, "none": keep, "shift": shift}
"""Every augmentation by name."""
