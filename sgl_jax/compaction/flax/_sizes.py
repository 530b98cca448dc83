"""Sets the sizes that layers keep beside their arrays to those of the arrays."""

from collections.abc import Callable
from typing import Any

from flax import nnx


__all__ = ["SIZES", "find_entry", "resize"]


def _conv(layer: nnx.Conv) -> dict[str, Any]:
    shape = layer.kernel.shape[-len(layer.kernel_size) - 2 :]
    # A group of a convolution is kept whole or not at all.
    groups = layer.feature_group_count * shape[-1] // layer.out_features
    groups = groups if layer.feature_group_count > 1 else 1
    return {
        "kernel_shape": shape,
        "in_features": shape[-2] * groups,
        "out_features": shape[-1],
        "feature_group_count": groups,
    }


def _conv_transpose(layer: nnx.ConvTranspose) -> dict[str, Any]:
    shape = layer.kernel.shape[-len(layer.kernel_size) - 2 :]
    inputs, outputs = shape[:-3:-1] if layer.transpose_kernel else shape[-2:]
    return {"kernel_shape": shape, "in_features": inputs, "out_features": outputs}


def _linear(layer: nnx.Linear) -> dict[str, Any]:
    return dict(zip(("in_features", "out_features"), layer.kernel.shape[-2:], strict=True))


def _linear_general(layer: nnx.LinearGeneral) -> dict[str, Any]:
    sizes = [len(sizes) for sizes in (layer.batch_axis, layer.in_features, layer.out_features)]
    batch, inputs, _ = sizes
    shape = layer.kernel.shape[-sum(sizes) :]
    return {
        "batch_axis": type(layer.batch_axis)(zip(layer.batch_axis, shape[:batch], strict=True)),
        "in_features": shape[batch : batch + inputs],
        "out_features": shape[batch + inputs :],
    }


def _einsum(layer: nnx.Einsum) -> dict[str, Any]:
    sizes: dict[str, Any] = {"kernel_shape": layer.kernel.shape[-len(layer.kernel_shape) :]}
    if layer.bias is not None and layer.bias_shape is not None:
        sizes["bias_shape"] = layer.bias.shape[-len(layer.bias_shape) :]
    return sizes


def _embed(layer: nnx.Embed) -> dict[str, Any]:
    return dict(zip(("num_embeddings", "features"), layer.embedding.shape[-2:], strict=True))


def _lora(layer: nnx.LoRA) -> dict[str, Any]:
    return {"in_features": layer.lora_a.shape[-2], "out_features": layer.lora_b.shape[-1]}


def _channels(layer: Any) -> int | None:
    """The number of channels of a normalisation; ``None`` if it has no array."""
    arrays = (getattr(layer, name, None) for name in ("mean", "scale", "bias"))
    return next((array.shape[-1] for array in arrays if array is not None), None)


def _norm(layer: Any) -> dict[str, Any]:
    channels = _channels(layer)
    return {} if channels is None else {"num_features": channels}


def _group_norm(layer: nnx.GroupNorm) -> dict[str, Any]:
    channels = _channels(layer)
    return {} if channels is None else {"num_groups": channels // layer.group_size}


def _attention(layer: nnx.MultiHeadAttention) -> dict[str, Any]:
    inputs, heads, size = layer.query.kernel.shape[-3:]
    return {
        "in_features": inputs,
        "num_heads": heads,
        "head_dim": size,
        "qkv_features": heads * size,
        "in_kv_features": layer.key.kernel.shape[-3],
        "num_kv_heads": layer.key.kernel.shape[-2],
        "out_features": layer.out.kernel.shape[-1],
    }


def _cell(layer: nnx.GRUCell | nnx.OptimizedLSTMCell | nnx.SimpleCell) -> dict[str, Any]:
    inputs, hidden = (dense.kernel.shape[-2] for dense in (layer.dense_i, layer.dense_h))
    return {"in_features": inputs, "hidden_features": hidden}


def _lstm_cell(layer: nnx.LSTMCell) -> dict[str, Any]:
    inputs, hidden = (dense.kernel.shape[-2] for dense in (layer.ii, layer.hi))
    return {"in_features": inputs, "hidden_features": hidden}


SIZES: dict[type, Callable[[Any], dict[str, Any]]] = {
    nnx.BatchNorm: _norm,
    nnx.Conv: _conv,
    nnx.ConvTranspose: _conv_transpose,
    nnx.Einsum: _einsum,
    nnx.Embed: _embed,
    nnx.GRUCell: _cell,
    nnx.GroupNorm: _group_norm,
    nnx.InstanceNorm: _norm,
    nnx.LSTMCell: _lstm_cell,
    nnx.LayerNorm: _norm,
    nnx.Linear: _linear,
    nnx.LinearGeneral: _linear_general,
    nnx.LoRA: _lora,
    nnx.MultiHeadAttention: _attention,
    nnx.OptimizedLSTMCell: _cell,
    nnx.RMSNorm: _norm,
    nnx.SimpleCell: _cell,
}
"""For a class of layers its sizes, by attribute, read from its arrays; subclasses included.

A class of your own that keeps numbers of channels as attributes joins them:
``SIZES[Block] = lambda block: {"channels": block.conv.kernel.shape[-1]}``.
"""


def resize(module: nnx.Module) -> None:
    """Sets the sizes of all layers of a module to those of their arrays.

    Args:
      module: changed in place.
    """
    for _, layer in nnx.iter_modules(module):
        for name, size in find_entry(SIZES, layer, lambda _: {})(layer).items():
            setattr(layer, name, size)


def find_entry(table: dict[type, Any], layer: nnx.Module, default: Any) -> Any:
    """The entry of a table of classes for a layer: that of its class, or of the nearest base."""
    return next((table[cls] for cls in type(layer).__mro__ if cls in table), default)
