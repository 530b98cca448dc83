"""Random parameters and statistics for the leaves of any framework, drawn by their names."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from networks._base import Make
from sgl_jax._pytree import flatten_by_path
from sgl_jax.train import split


KERNELS = "kernel", "weight", "w"


def fill(blank: Any, seed: int, gain: float = 1.7, layout: str = "HWIO") -> Any:
    """Arrays in place of shapes: no bias is zero, no normalisation the identity.

    Args:
      blank: a tree of shapes.
      seed: of the random numbers.
      gain: kernels have the variance gain^2 / (entries that feed one output). With He's gain, 1.4,
        a deep network's outputs are those of its biases once half of its channels are dead.
      layout: of the kernels, or of some framework that has theirs.
    """
    generator = np.random.default_rng(seed)
    leaves, rebuild = flatten_by_path(blank)
    return rebuild({path: _draw(generator, path, x, gain, layout) for path, x in leaves.items()})


def _draw(generator: np.random.Generator, path: str, leaf: Any, gain: float, layout: str) -> Any:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key(0)
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return jnp.zeros(leaf.shape, leaf.dtype)
    name, shape = path.rsplit("/", 1)[-1], leaf.shape
    if name in KERNELS and len(shape) > 1:
        outputs = shape[0] if layout == "OIHW" else shape[-1]
        draw = generator.standard_normal(shape, np.float32)
        return jnp.asarray(draw * gain * math.sqrt(outputs / math.prod(shape)), leaf.dtype)
    if name in ("scale", "weight") or "var" in path:
        return jnp.asarray(generator.uniform(0.5, 1.5, shape), leaf.dtype)
    return jnp.asarray(0.1 * generator.standard_normal(shape), leaf.dtype)


def in_nnx(model: Callable[..., nnx.Module], gain: float = 1.7) -> Make:
    """``Spec.make`` of ``model(widths=..., rngs=...)``; the tree is ``(parameters, the rest)``."""

    def make(widths, seed):
        blank = nnx.eval_shape(lambda: model(widths=widths, rngs=nnx.Rngs(0)))
        network, params, rest = split(blank)
        return network.apply, fill((params, rest), seed, gain)

    return make
