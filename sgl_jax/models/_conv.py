"""A convolution whose gradient costs a CPU no more than the convolution itself."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


__all__ = ["conv"]

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

    The values are the library's. Of two-dimensional convolutions without padding, strides,
    dilation and groups the gradient in the images,

    .. math:: \bar x_{p,q} = \sum_{i,j} K_{ij} \, \bar y_{p-i,\, q-j},

    is on a CPU one matrix product per row of the kernel, added up in place. XLA pads
    :math:`\bar y` and convolves once more, which multiplies mostly zeros where feature maps are
    small. On other devices the gradient is the library's too.

    Args:
      images: feature maps, channels last.
      kernel: the weights, HWIO.
      strides: one number per direction.
      padding: as the library takes it.
      **options: the library's other arguments.

    Raises:
      TypeError: in forward-mode differentiation, which is not defined where a function brings its
        own gradient; forward over reverse works.
    """
    asked = {name: value for name, value in options.items() if value is not None}
    if asked == _PLAIN and padding == "VALID" and set(strides) == {1}:
        return _valid(images, kernel)
    return lax.conv_general_dilated(images, kernel, strides, padding, **options)


def _convolve(images: Images, kernel: Kernel) -> Maps:
    return lax.conv_general_dilated(images, kernel, (1, 1), "VALID", **_PLAIN)


def _forward(images: Images, kernel: Kernel) -> tuple[Maps, tuple[Images, Kernel]]:
    return _convolve(images, kernel), (images, kernel)


def _backward(residuals: tuple[Images, Kernel], grads: Maps) -> tuple[Images, Kernel]:
    images, kernel = residuals
    of_images = lax.platform_dependent(
        images, kernel, grads, cpu=_grad_images_by_rows, default=_grad_images_by_convolution
    )
    (of_kernel,) = jax.vjp(lambda kernel: _convolve(images, kernel), kernel)[1](grads)
    return of_images, of_kernel


def _grad_images_by_rows(images: Images, kernel: Kernel, grads: Maps) -> Images:
    """Computes the gradient in the images by one matrix product per row of the kernel."""
    rows, columns, _, outputs = kernel.shape
    batch, height, width, _ = grads.shape
    flat, total = grads.reshape(-1, outputs), jnp.zeros_like(images)
    for i in range(rows):
        parts = (flat @ kernel[i].reshape(-1, outputs).T).reshape(batch, height, width, columns, -1)
        row = sum(_shift(parts[..., j, :], j, columns) for j in range(columns))
        total = total.at[:, i : i + height].add(row)
    return total


def _shift(x: Array, j: int, columns: int) -> Array:
    """Shifts ``x`` by ``j`` pixels to the right, in rows that are ``columns - 1`` pixels wider."""
    return jnp.pad(x, ((0, 0), (0, 0), (j, columns - 1 - j), (0, 0)))


def _grad_images_by_convolution(images: Images, kernel: Kernel, grads: Maps) -> Images:
    return jax.vjp(lambda images: _convolve(images, kernel), images)[1](grads)[0]


_valid = jax.custom_vjp(_convolve)
_valid.defvjp(_forward, _backward)
