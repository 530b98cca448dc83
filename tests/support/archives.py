"""Networks on levels, as arrays by path, to be archived."""

import math

import numpy as np


SHAPES = {"conv1": (5, 5, 1, 20), "conv2": (5, 5, 20, 49), "fc1": (784, 244), "fc2": (244, 10)}
KEPT = {"conv1": 211, "conv2": 720, "fc1": 3132, "fc2": 369}
"""Weights that are left of a LeNet-5 of 430,500 by magnitude, without dead channels."""

SHARES = (0.05, 0.40, 0.35, 0.20)
"""Shares of the levels among them."""


def on_levels(generator, shape, kept, shares=SHARES):
    """An array on levels with so many nonzero entries in places drawn at random."""
    array = np.zeros(math.prod(shape), np.float32)
    codes = generator.choice(len(shares), kept, p=shares) + 1
    places = generator.choice(array.size, kept, replace=False)
    interval = np.float32(generator.uniform(0.02, 0.1))
    array[places] = interval * np.float32(codes * generator.choice([-1, 1], kept))
    return array.reshape(shape)


def lenet(seed=0, shares=SHARES):
    """The arrays of a narrow LeNet-5 with kernels on levels and drawn biases."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, shape in SHAPES.items():
        arrays[f"0/{name}/kernel"] = on_levels(generator, shape, KEPT[name], shares)
        arrays[f"0/{name}/bias"] = generator.normal(0.0, 0.1, shape[-1]).astype(np.float32)
    return arrays


def small():
    """Arrays of every form: on levels, drawn, of zeros, without entries, of integers, a number."""
    generator = np.random.default_rng(1)
    return {
        "conv/kernel": on_levels(generator, (3, 3, 2, 5), 40),
        "conv/bias": generator.normal(0.0, 1.0, 5).astype(np.float32),
        "empty": np.zeros((0, 3), np.float32),
        "fc/kernel": on_levels(generator, (20, 10), 30, (1.0,)),
        "key": np.arange(2, dtype=np.uint32),
        "step": np.int32(7),
        "zeros": np.zeros((4, 4), np.float32),
    }


def entropy(array):
    """The bits of positions and codes of an array on levels, if both are drawn independently."""
    codes = np.abs(array[array != 0])
    _, counts = np.unique(codes, return_counts=True)
    size, kept = array.size, codes.size
    places = math.lgamma(size + 1) - math.lgamma(kept + 1) - math.lgamma(size - kept + 1)
    return places / math.log(2) + kept - float((counts * np.log2(counts / kept)).sum())


def same(found, arrays):
    """True if arrays by path are the same, bit for bit."""
    return found.keys() == arrays.keys() and all(
        found[path].dtype == array.dtype
        and found[path].shape == array.shape
        and found[path].tobytes() == np.asarray(array).tobytes()
        for path, array in arrays.items()
    )
