"""Data of a user's own, small enough to write in a test: IDX files, an NPZ file, images."""

import numpy as np
from PIL import Image

from support.idx_files import draw, write


def draw_arrays(seed=0, shape=(28, 28, 1)):
    """Thirty training and twenty test images of ten classes, whose brightness tells the class."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", 30), ("test", 20)):
        labels = np.arange(count) % 10
        noise = generator.integers(0, 30, (count, *shape), dtype=np.uint8)
        arrays[f"x_{part}"] = noise + (25 * labels).astype(np.uint8)[:, None, None, None]
        arrays[f"x_{part}"][0, 0, :2] = [[0], [255]]
        arrays[f"y_{part}"] = labels
    return arrays


def write_npz(folder, **changed):
    """Writes an NPZ file; returns its path."""
    path = folder / "own.npz"
    arrays = {**draw_arrays(), **changed}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def write_idx(folder):
    """Writes four IDX files; returns their folder."""
    return write(folder, draw())


def write_images(folder, arrays=None, split=("train", "test"), ending="png"):
    """Writes a folder per part, in it a folder per class; returns the folder of both."""
    arrays = draw_arrays() if arrays is None else arrays
    for part, name in zip(("train", "test"), split, strict=True):
        for row, (image, label) in enumerate(
            zip(arrays[f"x_{part}"], arrays[f"y_{part}"], strict=True)
        ):
            of_class = folder / name / f"class{label}"
            of_class.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(of_class / f"{part}{row:03}.{ending}")
    return folder


EXAMPLES = {"idx": write_idx, "npz": write_npz, "images": write_images}
"""Writers of a small example of each entry that takes a path."""
