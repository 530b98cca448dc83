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
- A model for a data set whose images are to be standardised takes ``mean`` and ``std``, one number
  per channel or none, and applies :func:`standardize` first, so that whoever has the model needs to
  know no more.
- A model whose weights are published for PyTorch has ``pytorch_layers``, the paths of its layers
  by the names that they have there.
- A model whose training step is quicker on a CPU with other compiler options than the usual ones
  names them as ``compiler_options``, by measurement.
- Layers are attributes with plain names (``conv1``, ``fc1``), since these become the paths by which
  groupings, metrics and compaction speak of a leaf.

A model holds its layers and how it standardises images: no regulariser, no masks, no record of
which weights are zero.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from sgl_jax.models._conv import conv


__all__ = [
    "BARE_CONV",
    "BATCH_NORM",
    "Maps",
    "Model",
    "bias_init",
    "check_widths",
    "kernel_init",
    "max_pool",
    "standardize",
]

Maps: TypeAlias = Float[Array, "_ _ _ _"]

kernel_init = nnx.initializers.variance_scaling(2.0, "fan_in", "normal")
"""He's initialisation: normal, with variance 2 / (entries that feed one output)."""

bias_init = nnx.initializers.normal(0.01)
"""Normal with standard deviation 0.01, as in the paper's networks."""


BARE_CONV = {"use_bias": False, "kernel_init": kernel_init, "conv_general_dilated": conv}
"""Options of a convolution that a batch normalisation follows."""

BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}
"""Options of a batch normalisation, as the published networks have them."""


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


def check_widths(
    model: str, widths: Sequence[int] | None, published: Sequence[int]
) -> tuple[int, ...]:
    """Returns the widths of a model, or the published ones in the place of ``None``.

    Args:
      model: name of the model, for the message.
      widths: its widths, if any are given.
      published: the published widths.

    Raises:
      ValueError: if they are not as many, each at least 1.
    """
    if widths is None:
        return tuple(published)
    if len(widths) != len(published) or min(widths) < 1:
        raise ValueError(
            f"{model} needs {len(published)} widths of at least 1, got {tuple(widths)}: the "
            f"published ones are {tuple(published)}."
        )
    return tuple(widths)


def standardize(
    images: Float[Array, "batch h w c"], mean: Sequence[float], std: Sequence[float]
) -> Float[Array, "batch h w c"]:
    """Subtracts the mean of each channel and divides by its standard deviation.

    Args:
      images: images with values in [0, 1].
      mean: a number per channel; none leaves the images as they are.
      std: a number per channel, likewise.
    """
    if not len(mean):
        return images
    shift, scale = (
        jnp.asarray(values, images.dtype).reshape(1, 1, 1, -1) for values in (mean, std)
    )
    return (images - shift) / scale


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
    (x,), (tangent,) = primals, tangents
    batch, height, width, channels = x.shape
    windows = batch, height // 2, 2, width // 2, 2, channels
    largest = _max_of_windows(x)
    # On a CPU the gradient of lax.reduce_window takes more than half of LeNet-5's step, and that of
    # a maximum over axes, which are not innermost, two to four times as long as this.
    at = (x.reshape(windows) == largest[:, :, None, :, None]).astype(x.dtype)
    sharing = sum(at[:, :, i, :, j] for i in (0, 1) for j in (0, 1))
    return largest, (at * tangent.reshape(windows)).sum((2, 4)) / sharing
