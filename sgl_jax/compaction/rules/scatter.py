"""Writing slices at indices."""

from sgl_jax.compaction.axes import Axes, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["SCATTER"]


def _tie(structure: Structure, equation: Equation) -> list[Axes] | None:
    """Axes that are written whole keep their positions; those that are indexed stay whole."""
    value, indices, updates = equation.inputs
    numbers = equation.params["dimension_numbers"]
    if numbers.operand_batching_dims:
        return None
    into, written = list(structure.axes[value]), list(structure.axes[updates])
    windows = [k for k in range(len(into)) if k not in numbers.inserted_window_dims]
    for k, at in zip(windows, numbers.update_window_dims, strict=True):
        if structure.shape(value)[k] == structure.shape(updates)[at]:
            into[k] = structure.tie((into[k], written[at]), equation)
            written[at] = None
        else:
            structure.protect(into[k], equation)
    for k in numbers.inserted_window_dims:
        structure.protect(into[k], equation)
    for axis in (*written, *structure.axes[indices]):
        structure.protect(axis, equation)
    return [tuple(into)]


SCATTER: dict[str, Primitive] = dict.fromkeys(
    ("scatter", "scatter-add", "scatter-max", "scatter-min", "scatter-mul", "scatter-sub"),
    Primitive(_tie),
)
