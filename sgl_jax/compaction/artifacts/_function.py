"""A compacted network as a function of its inputs alone, for any batch size where that can be."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
from jax import export

from sgl_jax.compaction import Compacted


__all__ = ["with_any_batch"]

T = TypeVar("T")


def with_any_batch(network: Compacted, convert: Callable[[Callable[..., Any], list[Any]], T]) -> T:
    """Converts a network to a format for any batch size, or if that fails for one, with a warning.

    Args:
      network: what to convert.
      convert: takes the network as ``(*inputs) -> [outputs]`` on the leaves of the inputs, with its
        parameters in it, and the shapes of those leaves.

    Raises:
      ValueError: the shapes of the inputs are not known.
      Exception: what ``convert`` raises for one batch size.
    """
    if not network.inputs:
        raise ValueError(
            "An export needs the shapes of the inputs, got a network that was saved without them: "
            "compact it with arrays as inputs."
        )
    shapes, treedef = jax.tree.flatten(network.inputs)

    def function(*leaves):
        inputs = jax.tree.unflatten(treedef, leaves)
        return jax.tree.leaves(network.apply(network.params, *inputs))

    try:
        return convert(function, _with_symbol(shapes))
    except Exception as error:
        found, why = convert(function, shapes), str(error).partition("\n")[0][:160]
        warnings.warn(
            f"The export takes inputs of the shapes {[x.shape for x in shapes]} only, as the size "
            f"of the batch cannot be a symbol, got '{why}'; where that is of len(x), write "
            "x.shape[0].",
            stacklevel=4,
        )
        return found


def _with_symbol(shapes: Sequence[Any]) -> list[Any]:
    """The shapes with a symbol for the size of the batch: the leading axis of the first input."""
    (batch,) = export.symbolic_shape("batch")
    size = shapes[0].shape[:1]
    return [
        jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype) if size and x.shape[:1] == size else x
        for x in shapes
    ]
