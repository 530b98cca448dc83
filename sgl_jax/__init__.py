"""Sparse convolutional networks in JAX: proximal operators, groups, Optax links."""

import importlib
from typing import Any

from sgl_jax._util.signals import end_command_on_signals


end_command_on_signals()  # ahead of imports that take seconds

from sgl_jax import algorithms, directions as directions, penalties, prox as prox
from sgl_jax.algorithms import *
from sgl_jax.compaction import (
    Compacted as Compacted,
    compact as compact,
    compacted_size as compacted_size,
)
from sgl_jax.compaction.artifacts import (
    EXPORTERS as EXPORTERS,
    export as export,
    load_archive as load_archive,
    load_compact as load_compact,
    save_compact as save_compact,
)
from sgl_jax.compaction.channels import (
    ChannelGroups as ChannelGroups,
    channel_groups as channel_groups,
)
from sgl_jax.directions import Direction as Direction
from sgl_jax.groups import (
    Group as Group,
    GroupFamily as GroupFamily,
    Grouping as Grouping,
    Groups as Groups,
    Member as Member,
    by_entry as by_entry,
    by_filter as by_filter,
    by_input_channel as by_input_channel,
    by_input_fibre as by_input_fibre,
    by_layer as by_layer,
    by_neuron as by_neuron,
    by_tree as by_tree,
)
from sgl_jax.metrics import (
    live_groups as live_groups,
    objective as objective,
    read_levels as read_levels,
    sparsity as sparsity,
    storage as storage,
)
from sgl_jax.penalties import *
from sgl_jax.regularizers import (
    Regularizer as Regularizer,
    SparseGroup as SparseGroup,
    lam_max as lam_max,
    optimality as optimality,
    project_to_budget as project_to_budget,
)
from sgl_jax.transforms import (
    Budget as Budget,
    BudgetState as BudgetState,
    add_penalty_gradient as add_penalty_gradient,
    apply_prox as apply_prox,
    check as check,
    hold_zeros as hold_zeros,
    keep_support as keep_support,
    penalty_value as penalty_value,
    proximal as proximal,
    scale_strengths as scale_strengths,
    sgl_transform as sgl_transform,
    sparse_params as sparse_params,
    splitting_gap as splitting_gap,
)
from sgl_jax.transforms.schedules import ramp as ramp, warmup as warmup


__all__ = [
    "EXPORTERS",
    "Budget",
    "BudgetState",
    "ChannelGroups",
    "Compacted",
    "CompactedModule",
    "Direction",
    "Group",
    "GroupFamily",
    "Grouping",
    "Groups",
    "Member",
    "Regularizer",
    "SparseGroup",
    "add_penalty_gradient",
    "apply_prox",
    "binary",
    "by_entry",
    "by_filter",
    "by_input_channel",
    "by_input_fibre",
    "by_layer",
    "by_neuron",
    "by_tree",
    "channel_groups",
    "check",
    "compact",
    "compact_module",
    "compacted_size",
    "directions",
    "export",
    "hold_zeros",
    "keep_support",
    "lam_max",
    "live_groups",
    "load_archive",
    "load_compact",
    "objective",
    "optimality",
    "penalty_value",
    "project_to_budget",
    "prox",
    "proximal",
    "ramp",
    "read_levels",
    "save_compact",
    "scale_strengths",
    "sgl_transform",
    "sparse_params",
    "sparsity",
    "splitting_gap",
    "storage",
    "warmup",
]
__all__ += algorithms.__all__
__all__ += penalties.__all__

_MODULES = {
    "artifacts": "compaction.artifacts",
    "beamforming": "applications.beamforming",
    "binarised": "applications.binarised",
    "data": "data",
    "many": "train.many",
    "models": "models",
    "modules": "compaction.flax",
    "placement": "train.placement",
    "reparametrizations": "reparametrizations",
    "scoring": "applications.scoring",
    "train": "train",
}
_NAMES = {
    "CompactedModule": "compaction.flax",
    "binary": "models",
    "compact_module": "compaction.flax",
}


def __getattr__(name: str) -> Any:
    """Imports what needs more than JAX and Optax when it is first asked for."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})
