"""The images that a Config names, and what changes them at random."""

from typing import Any

import numpy as np

from sgl_jax.data import Augmentation, Dataset
from sgl_jax.runs.config import Config
from sgl_jax.runs.optimizers import bind_accepted
from sgl_jax.runs.parts import find_parts


__all__ = ["build_augmentation", "build_dataset"]


def build_dataset(config: Config) -> Dataset:
    """Loads the data set; with ``holdout``, its training images alone, split in two.

    Raises:
      OSError: the data set cannot be found, read or fetched.
      ValueError: an unknown name, something else than a data set, or too many images to hold out.
    """
    load = find_parts(vars(config))["data"]
    options: dict[str, Any] = {"root": config.data_root, "download": config.download}
    if config.image_shape is not None:
        options["image_shape"] = config.image_shape
    data = bind_accepted(load, **options)()
    if not isinstance(data, Dataset):
        raise ValueError(
            f"A data set needs to be a function that returns a sgl_jax.data.Dataset, got "
            f"{type(data).__name__} from {config.data!r}."
        )
    return _hold_out(data, config.holdout) if config.holdout else data


def _hold_out(data: Dataset, count: int) -> Dataset:
    """Splits the training images: ``count`` of them, the same in every run, to test on."""
    total = len(data.y_train)
    if count >= total:
        raise ValueError(f"A run needs holdout < {total} training images, got holdout={count}.")
    order = np.random.default_rng(0).permutation(total)
    test, kept = order[:count], np.sort(order[count:])
    x, y = data.x_train, data.y_train
    parts = {"x_train": x[kept], "y_train": y[kept], "x_test": x[test], "y_test": y[test]}
    return data._replace(**parts)


def build_augmentation(config: Config) -> Augmentation:
    """Builds the augmentation of the training images.

    Raises:
      ValueError: an unknown name.
    """
    return find_parts(vars(config))["augment"]
