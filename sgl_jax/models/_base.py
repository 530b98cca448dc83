"""The contract of a model, and the pieces that several models share.

A model is a :class:`flax.nnx.Module` that takes its widths:

- ``Model(widths=(...), classes=10, *, rngs)`` builds it. ``widths`` has one number per layer that
  may lose units, first layer first, and everything that follows from a width is derived from it,
  so that a network whose dead channels were removed is again a plain instance of its class.
- ``model.widths`` are the widths that it has, read from its layers, not remembered: layers may have
  become narrower. No other attribute depends on a width.
- ``model(images)`` maps float images ``(batch, height, width, channels)`` in [0, 1] to logits
  ``(batch, classes)``; ``Model.image_shape`` says which ``(height, width, channels)`` it takes, and
  a model for others, too, has these as an argument ``image_shape``.
- Layers are attributes with plain names (``conv1``, ``fc1``), since these become the paths by which
  groupings, metrics and compaction speak of a leaf.

A model holds arrays and layers only: no regulariser, no masks, no counters of zeros.
"""

from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float


__all__ = ["Model", "bias_init", "kernel_init", "max_pool"]

kernel_init = nnx.initializers.variance_scaling(2.0, "fan_in", "normal")
"""He's initialisation: normal, with variance 2 / (entries that feed one output)."""

bias_init = nnx.initializers.normal(0.01)
"""Normal with standard deviation 0.01, as in the paper's networks."""


class Model(Protocol):
    """The contract of the module docstring, as a type."""

    image_shape: ClassVar[tuple[int, int, int]]

    def __init__(
        self, widths: tuple[int, ...] = ..., classes: int = ..., *, rngs: nnx.Rngs
    ) -> None: ...

    @property
    def widths(self) -> tuple[int, ...]: ...

    def __call__(
        self, images: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch classes"]: ...


def max_pool(x: Float[Array, "batch h w c"]) -> Float[Array, "batch h/2 w/2 c"]:
    """Takes the maximum over windows of 2x2 pixels that do not overlap.

    Args:
      x: feature maps of even height and width.

    Raises:
      ValueError: if height or width is odd.
    """
    _, height, width, _ = x.shape
    if height % 2 or width % 2:
        raise ValueError(
            f"max_pool needs an even height and width, got {height}x{width}: "
            "pad or crop the feature maps first."
        )
    return _max_of_windows(x)


@jax.custom_jvp
def _max_of_windows(x: Float[Array, "batch h w c"]) -> Float[Array, "batch h/2 w/2 c"]:
    """Takes maxima of rows, then of columns: of few channels in half the time of a reduction."""
    for axis in (1, 2):
        x = jnp.maximum(
            *(lax.slice_in_dim(x, first, None, stride=2, axis=axis) for first in (0, 1))
        )
    return x


@_max_of_windows.defjvp
def _max_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Differentiates the maximum of four, which all that are largest share alike."""

    def reduced(x):
        batch, height, width, channels = x.shape
        return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))

    # Not lax.reduce_window: its gradient takes more than half of LeNet-5's step on CPU.
    return jax.jvp(reduced, primals, tangents)
