"""A convolution that suits a CPU where channels are few, and whose gradient costs no more.

It is a primitive with the name and the parameters of the library's, of which it differs in its
lowering and its transposes alone. So whatever reads traced functions takes it for a convolution,
and the choice between the two ways of computing it is made when it is compiled, by the shapes that
it has then: a compacted network chooses anew.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float


__all__ = ["by_pixels", "conv", "count_pixels"]

Images = Float[Array, "batch h w in"]
Kernel = Float[Array, "kh kw in out"]
Maps = Float[Array, "batch h-kh+1 w-kw+1 out"]

_LAYOUT = lax.conv_dimension_numbers((1,) * 4, (1,) * 4, ("NHWC", "HWIO", "NHWC"))
_PLAIN = {
    "lhs_dilation": (1, 1),
    "rhs_dilation": (1, 1),
    "dimension_numbers": _LAYOUT,
    "feature_group_count": 1,
}
"""Arguments that a two-dimensional layer of Flax passes without dilation and with one group."""


def conv(
    images: Array, kernel: Array, strides: Sequence[int], padding: Any, **options: Any
) -> Array:
    r"""Convolves like ``lax.conv_general_dilated``, for that argument of :class:`flax.nnx.Conv`.

    The values are the library's, up to rounding. Two-dimensional convolutions without padding,
    strides, dilation and groups are computed in another way on a CPU. With few channels
    (:func:`count_pixels`) :math:`t` pixels next to each other are the channels of one output,

    .. math:: y_{p,\, tq + s} = \sum_{i,j} K'_{ijs} \, x_{p+i,\, tq+j}, \qquad
      K'_{ijs} = K_{i,\, j-s},

    a convolution with a stride of :math:`t` and a kernel that is wider by :math:`t - 1` zeros. The
    gradient in the images,

    .. math:: \bar x_{p,q} = \sum_{i,j} K_{ij} \, \bar y_{p-i,\, q-j},

    is one matrix product per row of the kernel, added up in place. XLA pads :math:`\bar y` and
    convolves once more, which multiplies mostly zeros where feature maps are small. On other
    devices all is the library's.

    Args:
      images: feature maps, channels last.
      kernel: the weights, HWIO.
      strides: one number per direction.
      padding: as the library takes it.
      **options: the library's other arguments.
    """
    library = partial(lax.conv_general_dilated, window_strides=strides, padding=padding, **options)
    asked = {name: value for name, value in options.items() if value is not None}
    if asked != _PLAIN or padding != "VALID" or set(strides) != {1}:
        return library(images, kernel)
    *casts, equation = jax.make_jaxpr(library)(images, kernel).eqns
    if casts:  # in a shard_map, of operands that vary over different axes
        return library(images, kernel)
    return _conv.bind(images, kernel, **equation.params)


def count_pixels(kernel: Sequence[int], width: int) -> int:
    """Counts the pixels next to each other that a CPU computes as the channels of one output.

    Products with few columns leave its vector units idle, products with many multiply more zeros
    than they gain: 4 or 2 pixels, if they make at most 16 channels per column of the kernel. At
    batch 256 on two cores, 28x28x1 and kernels 5x5, 1 to 16 filters take 0.15 to 0.5 of the
    library's time (``benchmarks/bench_conv.py``). From 17 filters on XLA has a quick way of its
    own, and from 5 inputs on it has enough columns.

    Args:
      kernel: shape of the weights, HWIO.
      width: columns of the output.

    Returns:
      4 or 2, or 1 for the library's own convolution.
    """
    _, columns, inputs, outputs = kernel
    if inputs > 4 or outputs > 16 or columns == 1:
        return 1
    return next((t for t in (4, 2) if t * outputs <= 16 * columns and t <= width), 1)


def _by_library(images: Array, kernel: Array, **params: Any) -> Array:
    return lax.conv_general_dilated_p.bind(images, kernel, **params)


def _choose(images: Array, kernel: Array, **params: Any) -> Array:
    width = images.shape[2] - kernel.shape[1] + 1
    # An export may leave the width open.
    pixels = count_pixels(kernel.shape, width) if isinstance(width, int) else 1
    return (_by_library if pixels == 1 else partial(by_pixels, pixels))(images, kernel, **params)


def by_pixels(pixels: int, images: Images, kernel: Kernel, **params: Any) -> Maps:
    """Convolves with several pixels next to each other as the channels of one output.

    Args:
      pixels: their number.
      images: feature maps, channels last.
      kernel: the weights, HWIO.
      **params: parameters of the library's primitive.
    """
    rows, columns, _, outputs = kernel.shape
    height, width = images.shape[1] - rows + 1, images.shape[2] - columns + 1
    shifted = [_shift(kernel, s, pixels - 1 - s, axis=1) for s in range(pixels)]
    steps, left_out = -(-width // pixels), -width % pixels
    params |= {"window_strides": (1, pixels), "padding": ((0, 0), (0, left_out))}
    maps = _by_library(images, jnp.concatenate(shifted, axis=-1), **params)
    return maps.reshape(images.shape[0], height, steps * pixels, outputs)[:, :, :width]


def _transpose_images(grads: Array, images: Any, kernel: Kernel, **params: Any) -> Images:
    of_images = partial(_transpose_by_library, images.aval, **params)
    return lax.platform_dependent(kernel, grads, cpu=_transpose_by_rows, default=of_images)


def _transpose_by_library(images: Any, kernel: Array, grads: Array, **params: Any) -> Images:
    return jax.linear_transpose(lambda x: _by_library(x, kernel, **params), images)(grads)[0]


def _transpose_by_rows(kernel: Kernel, grads: Array) -> Images:
    """Computes the gradient in the images by one matrix product per row of the kernel."""
    rows, columns, inputs, outputs = kernel.shape
    batch, height, width, _ = grads.shape
    flat = grads.reshape(-1, outputs)
    total = jnp.zeros((batch, height + rows - 1, width + columns - 1, inputs), grads.dtype)
    for i in range(rows):
        parts = flat @ kernel[i].reshape(-1, outputs).T
        parts = parts.reshape(batch, height, width, columns, inputs)
        row = sum(_shift(parts[..., j, :], j, columns - 1 - j, axis=2) for j in range(columns))
        total = total.at[:, i : i + height].add(row)
    return total


def _transpose_kernel(grads: Array, images: Images, kernel: Any, **params: Any) -> Kernel:
    return jax.linear_transpose(lambda k: _by_library(images, k, **params), kernel.aval)(grads)[0]


def _shift(x: Array, before: int, after: int, axis: int) -> Array:
    """Pads an axis with zeros."""
    return jnp.pad(x, [(before, after) if k == axis else (0, 0) for k in range(x.ndim)])


def _batch(operands: Sequence[Array], axes: Sequence[int | None], **params: Any) -> Any:
    """Maps over images as over a larger batch, over kernels as the library does."""
    (images, kernel), (of_images, of_kernel) = operands, axes
    if of_kernel is not None or of_images is None:
        return jax.vmap(partial(_by_library, **params), axes)(images, kernel), 0
    images = jnp.moveaxis(images, of_images, 0)
    maps = _conv.bind(images.reshape(-1, *images.shape[2:]), kernel, **params)
    return maps.reshape(*images.shape[:2], *maps.shape[1:]), 0


_conv = Primitive("conv_general_dilated")
_conv.def_impl(lambda *operands, **params: _compiled(*operands, tuple(params.items())))
_conv.def_effectful_abstract_eval(lax.conv_general_dilated_p.abstract_eval)
_compiled = jax.jit(lambda x, k, params: _conv.bind(x, k, **dict(params)), static_argnums=2)
ad.defbilinear(_conv, _transpose_images, _transpose_kernel)
batching.primitive_batchers[_conv] = _batch
mlir.register_lowering(_conv, mlir.lower_fun(_by_library, multiple_results=False))
mlir.register_lowering(_conv, mlir.lower_fun(_choose, multiple_results=False), platform="cpu")
