"""Layouts of optimizer states whose arrays are not of the shapes of the parameters.

A state is known by the names of its fields, not by its class, which ``nnx.Optimizer`` and files do
not keep; so nothing of Optax is imported.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias

from sgl_jax._util.narrowing import LayerOrder, LeafPlan
from sgl_jax._util.typing import Path


__all__ = ["NUMBERS", "PLAIN", "Field", "Form", "fields_of"]

Form: TypeAlias = Callable[[Mapping[Path, LeafPlan], Path, tuple[int, ...]], LeafPlan | None]
"""``(parameters, path, shape) -> part``: what stays of an array in a state, by path and shape."""


def _alike(parameters: Mapping[Path, LeafPlan], path: Path, shape: tuple[int, ...]):
    """An array like the parameter at the same path."""
    del shape
    return parameters.get(path)


def _stacked(parameters: Mapping[Path, LeafPlan], path: Path, shape: tuple[int, ...]):
    """Arrays like the parameter at the same path, along a first axis."""
    leaf = parameters.get(path)
    if leaf is None:
        return None
    orders = tuple(LayerOrder(n + 1, k + 1, positions) for n, k, positions in leaf.orders)
    return LeafPlan((*shape[:1], *leaf.shape), (None, *leaf.kept), orders)


def _by_axis(parameters: Mapping[Path, LeafPlan], path: Path, shape: tuple[int, ...]):
    """A vector along the axis k of the parameter, at its path followed by k."""
    del shape
    above, _, axis = path.rpartition("/")
    leaf = parameters.get(above.removesuffix("/value"))
    if leaf is None or axis not in map(str, range(len(leaf.shape))):
        return None
    if any(order.axis == int(axis) for order in leaf.orders):
        return None
    return LeafPlan((leaf.shape[int(axis)],), (leaf.kept[int(axis)],))


@dataclasses.dataclass(frozen=True)
class Field:
    """The arrays in one field of a state.

    Attributes:
      forms: how they follow from the parameters; the first that fits counts, none if all stay.
      summed: they are summed over all positions, so those that are removed have to be zero.
      refusal: why they cannot lose positions.
    """

    forms: tuple[Form, ...] = ()
    summed: bool = False
    refusal: str = ""


PLAIN = Field((_alike,))
_SUMMED = Field((_alike,), summed=True)
_HISTORY = Field((_stacked,))
NUMBERS = Field()
_ADAFACTOR = Field(refusal="Adafactor's step depends on means over all positions of a leaf")
_MUON = Field(refusal="Muon's step depends on the widths of a kernel")
_GALORE = Field(refusal="GaLore's step is made of combinations of positions")

_LAYOUTS: tuple[Mapping[str, Field], ...] = (
    # optax.scale_by_lbfgs
    {
        "diff_params_memory": _HISTORY,
        "diff_updates_memory": dataclasses.replace(_HISTORY, summed=True),
        "updates": _SUMMED,
        "weights_memory": NUMBERS,
    },
    # optax.scale_by_sm3: maxima over the other axes
    {"mu": Field((_alike, _by_axis)), "nu": PLAIN},
    # optax.scale_by_factored_rms
    {"v_row": _ADAFACTOR, "v_col": _ADAFACTOR, "v": _ADAFACTOR},
    # optax.contrib: muon, galore, mechanize
    {"mu": _MUON, "ns_coeffs": NUMBERS},
    {"projector": _GALORE, "base_optimizer_state": _GALORE},
    {**dict.fromkeys("rmvs", NUMBERS), "x0": PLAIN},
    # optax.contrib: dog, dowg and optax.scale_by_distance_over_gradients
    {"init_params": _SUMMED},
    # optax.contrib: dadapt_adamw and prodigy; momo and momo_adam
    {"grad_sum": _SUMMED, "estim_lr": NUMBERS},
    {"exp_avg": _SUMMED, "barf": NUMBERS},
)


def fields_of(names: frozenset[str]) -> Mapping[str, Field]:
    """Finds the fields of a state that are not plain.

    Args:
      names: the names of all its fields.
    """
    known = (layout for layout in _LAYOUTS if names >= layout.keys())
    return next(known, {})
