"""Random parameters and statistics for the leaves of any framework, drawn by their names."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.train import split
from support.networks._base import Apply, Widths


KERNELS = "kernel", "weight", "w"
SCALES = "scale", "weight"
ZEROS = "below", "above"


def fill(
    blank: Any, seed: int, gain: float = 1.7, outputs: int = -1, variances: str = "var"
) -> Any:
    """Arrays in place of shapes: no bias is zero, no normalisation the identity.

    A kernel has the variance gain^2 / (entries that feed one output), its ``outputs`` along that
    axis; with He's gain, 1.4, the outputs of a deep network of which half is dead are those of its
    biases. ``variances`` is a regular expression that is found in the paths of running variances.
    """
    generator = np.random.default_rng(seed)
    leaves, rebuild = flatten_by_path(blank)
    for path, leaf in leaves.items():
        name, shape = path.rsplit("/", 1)[-1], leaf.shape
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            leaves[path] = _constant(leaf)
        elif name in KERNELS and len(shape) > 1:
            scale = gain * math.sqrt(shape[outputs] / math.prod(shape))
            leaves[path] = jnp.asarray(scale * generator.standard_normal(shape, np.float32))
        elif name in ZEROS:
            leaves[path] = jnp.zeros(shape, np.float32)
        elif name in SCALES or re.search(variances, path):
            leaves[path] = jnp.asarray(generator.uniform(0.5, 1.5, shape), np.float32)
        else:
            leaves[path] = jnp.asarray(0.1 * generator.standard_normal(shape), np.float32)
    return rebuild(leaves)


def _constant(leaf: Any) -> Any:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key(0)
    return jnp.zeros(leaf.shape, leaf.dtype)


@dataclasses.dataclass(frozen=True)
class InNNX:
    """``Spec.make`` of ``model(widths=..., rngs=...)``; the tree is ``(parameters, the rest)``.

    Random streams, which nothing in use reads, are no part of the tree.
    """

    model: Callable[..., nnx.Module]
    gain: float

    def __call__(self, widths: Widths, seed: int) -> tuple[Apply, Any]:
        network, params, rest = split(self._blank(widths))
        streams, rest = self._streams(rest)

        def apply(variables, x):
            trained, others = variables
            return network.apply((trained, nnx.merge_state(others, streams)), x)

        return apply, fill((params, rest), seed, self.gain)

    def module(self, widths: Widths, params: Any) -> nnx.Module:
        """A module in training mode that has these arrays."""
        blank = self._blank(widths)
        streams, _ = self._streams(nnx.split(blank, nnx.Param, ...)[2])
        return nnx.merge(nnx.graphdef(blank), *params, streams)

    @staticmethod
    def _streams(rest: nnx.State) -> tuple[nnx.State, nnx.State]:
        """The random streams, with numbers, and the other arrays."""
        streams, others = nnx.split_state(rest, nnx.RngState, ...)
        return fill(streams, 0), others

    def _blank(self, widths: Widths) -> nnx.Module:
        return nnx.eval_shape(lambda: self.model(widths=widths, rngs=nnx.Rngs(0)))


def in_nnx(model: Callable[..., nnx.Module], gain: float = 1.7) -> InNNX:
    return InNNX(model, gain)
