"""Rescales layers that divide by a number of channels, some of which have left."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx

from sgl_jax._util.typing import Path
from sgl_jax.compaction.flax._sizes import find_entry


__all__ = ["WIDTHS", "Rescaling", "Width", "counted_arrays", "rescale"]


class Rescaling(NamedTuple):
    """The changes of a layer that make up for the channels it counts no more.

    Attributes:
      factors: for arrays of the layer, by path, the factor by which they are multiplied.
      attributes: new values of attributes, by name.
    """

    factors: Mapping[Path, float] = MappingProxyType({})
    attributes: Mapping[str, Any] = MappingProxyType({})


class Width(NamedTuple):
    """A number of channels that a layer divides by.

    Attributes:
      arrays: paths in the layer of the arrays that have these channels on their last axis, in equal
        numbers; the layer divides by that of the first.
      rescaling: ``(layer, full, narrow) -> Rescaling``, for the full layer and the numbers of
        channels of the full and of the narrow one.
    """

    arrays: tuple[Path, ...]
    rescaling: Callable[[Any, int, int], Rescaling]


def _rescale_norm(layer: Any, full: int, narrow: int) -> Rescaling:
    """Rescales ``x / sqrt(sum(x^2) / n + epsilon)``, whose mean over n channels has m terms left.

    With q = m / n it is ``(x / sqrt(sum(x^2) / m + epsilon / q)) / sqrt(q)``. A norm that subtracts
    the mean of the channels has another mean without zeros, unless that is always zero.
    """
    if layer.scale is None or not _axes(layer.feature_axes) & _axes(layer.reduction_axes):
        return Rescaling()
    share = narrow / full
    return Rescaling({"scale": share**-0.5}, {"epsilon": layer.epsilon / share})


def _rescale_group_norm(layer: nnx.GroupNorm, full: int, narrow: int) -> Rescaling:
    """Rescales groups that have all become smaller; whole groups that left need nothing."""
    if layer.scale is None or narrow % layer.group_size == 0 or narrow % layer.num_groups:
        return Rescaling()
    share = narrow / full
    sizes = {"num_groups": layer.num_groups, "group_size": narrow // layer.num_groups}
    return Rescaling({"scale": share**-0.5}, {"epsilon": layer.epsilon / share, **sizes})


def _rescale_attention(layer: nnx.MultiHeadAttention, full: int, narrow: int) -> Rescaling:
    """Rescales ``q k / sqrt(d)``, at what makes q last: a product of d terms that has fewer now."""
    if layer.attention_fn is not nnx.dot_product_attention:
        return Rescaling()
    makers = ("query/kernel", "query/bias") if layer.query_ln is None else ("query_ln/scale",)
    return Rescaling(dict.fromkeys(makers, math.sqrt(narrow / full)))


def _axes(axes: Any) -> set[int]:
    return {axes} if isinstance(axes, int) else set(axes)


WIDTHS: dict[type, Width] = {
    nnx.GroupNorm: Width(("scale", "bias"), _rescale_group_norm),
    nnx.LayerNorm: Width(("scale", "bias"), _rescale_norm),
    nnx.MultiHeadAttention: Width(("query/kernel", "value/kernel"), _rescale_attention),
    nnx.RMSNorm: Width(("scale",), _rescale_norm),
}
"""For a class of layers the width that it divides by; subclasses included."""


def rescale(full: nnx.Module, narrow: nnx.Module) -> dict[Path, float]:
    """Rescales all layers of a module that divide by a number of channels some of which left.

    A variable that several layers of one class share is rescaled once.

    Args:
      full: the module with all channels.
      narrow: the same without some, and with its sizes set; changed in place.

    Returns:
      The factors by which arrays were multiplied, by path.
    """
    variables: dict[int, Any] = {}
    factors: dict[int, dict[type, float]] = {}
    pairs = zip(nnx.iter_modules(full), nnx.iter_modules(narrow), strict=True)
    for (_, before), (_, layer) in pairs:
        rule = _rescaling_of(before, layer)
        for name, value in rule.attributes.items():
            setattr(layer, name, value)
        for name, factor in rule.factors.items():
            variable = _array(layer, name)
            if variable is not None:
                variables[id(variable)] = variable
                factors.setdefault(id(variable), {})[type(layer)] = factor
    paths = _paths(narrow)
    found = {}
    for number, variable in variables.items():
        found[paths[number]] = factor = math.prod(factors[number].values())
        variable[...] = variable[...] * jnp.asarray(factor, variable.dtype)
    return found


def counted_arrays(module: nnx.Module) -> Iterator[tuple[Path, ...]]:
    """For each layer with a width the paths of the arrays that have it on their last axis."""
    paths = _paths(module)
    for _, layer in nnx.iter_modules(module):
        width = find_entry(WIDTHS, layer, None)
        arrays = [_array(layer, name) for name in width.arrays] if width else []
        yield tuple(paths[id(array)] for array in arrays if array is not None)


def _rescaling_of(full: nnx.Module, narrow: nnx.Module) -> Rescaling:
    width = find_entry(WIDTHS, full, None)
    arrays = [_array(layer, width.arrays[0]) for layer in (full, narrow)] if width else [None]
    if arrays[0] is None:
        return Rescaling()
    before, after = (array.shape[-1] for array in arrays)
    return width.rescaling(full, before, after) if after < before else Rescaling()


def _array(layer: nnx.Module, path: Path) -> Any:
    """The variable of a layer at a path; ``None`` if it has none."""
    return functools.reduce(lambda node, name: getattr(node, name, None), path.split("/"), layer)


def _paths(module: nnx.Module) -> dict[int, Path]:
    """The path of every node of a module, by its identity."""
    return {id(node): "/".join(map(str, path)) for path, node in nnx.iter_graph(module)}
