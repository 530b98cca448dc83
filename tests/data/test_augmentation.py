"""Augmentations: crops and mirror images of what was there, the same for the same key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgl_jax.data import AUGMENTATIONS
from sgl_jax.data._augmentation import crop_flip, shift


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_keeps_shape_dtype_and_range(name):
    images = jax.random.uniform(jax.random.key(0), (5, 8, 10, 3))
    found = jax.jit(AUGMENTATIONS[name])(jax.random.key(1), images)
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    assert found.min() >= 0
    assert found.max() <= 1


def test_every_image_is_a_crop_of_itself_or_of_its_mirror_image():
    images = np.asarray(jax.random.uniform(jax.random.key(0), (200, 4, 5, 2), minval=0.5))
    found = np.asarray(jax.jit(crop_flip, static_argnames="pad")(jax.random.key(1), images, pad=2))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    crops = {
        (row, column, flip): padded[:, row : row + 4, column : column + 5][:, :, ::flip]
        for row in range(5)
        for column in range(5)
        for flip in (1, -1)
    }
    drawn = [
        next(key for key, crop in crops.items() if np.array_equal(found[number], crop[number]))
        for number in range(200)
    ]
    for place in range(2):
        assert {key[place] for key in drawn} == set(range(5))
    assert 60 < sum(key[2] == -1 for key in drawn) < 140


def test_without_a_border_images_are_at_most_mirrored():
    images = jax.random.uniform(jax.random.key(0), (50, 3, 3, 1))
    found = crop_flip(jax.random.key(0), images, pad=0)
    same = jnp.all(found == images, axis=(1, 2, 3))
    mirrored = jnp.all(found == images[:, :, ::-1], axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert same.any()
    assert mirrored.any()


def test_images_are_shifted_by_up_to_two_pixels_each_by_itself():
    images = np.asarray(jax.random.uniform(jax.random.key(0), (400, 6, 5, 1), minval=0.5))
    found = np.asarray(jax.jit(shift)(jax.random.key(1), images))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    drawn = [
        next(
            (down, right)
            for down in range(5)
            for right in range(5)
            if np.array_equal(padded[number, down : down + 6, right : right + 5], found[number])
        )
        for number in range(400)
    ]
    assert len(set(drawn)) == 25
    with pytest.raises(ValueError, match="at most 0 pixels or more, got most=-1"):
        shift(jax.random.key(1), images, most=-1)


def test_negative_border_is_refused():
    with pytest.raises(ValueError, match="at least 0 pixels, got pad=-1"):
        crop_flip(jax.random.key(0), jnp.ones((1, 2, 2, 1)), pad=-1)
