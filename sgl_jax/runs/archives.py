"""Networks in archives, tested on the images of a data set."""

from pathlib import Path

import jax

from sgl_jax.compaction.artifacts import load_archive
from sgl_jax.compaction.flax import fill_module
from sgl_jax.metrics import Storage, storage
from sgl_jax.runs._builders import build_model
from sgl_jax.runs._data import build_dataset
from sgl_jax.runs.config import Config
from sgl_jax.train import evaluate, split


__all__ = ["evaluate_archive"]


def evaluate_archive(path: Path, config: Config) -> tuple[float, Storage]:
    """Measures the test error and the storage of the network in an archive.

    Args:
      path: path of the file.
      config: the data set, and the network, whose widths are those of the archive.

    Raises:
      OSError: the file or the data set cannot be read.
      ValueError: the file is no archive, or one of another network, or an unknown name.
    """
    leaves = load_archive(path)
    data = build_dataset(config)
    model = build_model(config, data)
    network, params, rest = split(fill_module(model, leaves))
    found = evaluate(network.apply, (params, rest), data.x_test, data.y_test)
    full = jax.eval_shape(lambda: split(model)[1:])
    return found.error, storage(leaves, full, file_bytes=path.stat().st_size)
