"""Removes the dead channels of a network, and checks that nothing changes.

Sparsity is worth most as a smaller dense network. :func:`compact` takes any function of parameters
that JAX can trace, finds the channels that change nothing, removes them and checks the answer.
"""

from sgl_jax._util.narrowing import LeafPlan as LeafPlan
from sgl_jax.compaction._compact import Compacted as Compacted, compact as compact
from sgl_jax.compaction._equality import (
    UnequalError as UnequalError,
    check_equal as check_equal,
    full_precision as full_precision,
)
from sgl_jax.compaction._narrow import Narrowed as Narrowed
from sgl_jax.compaction._plan import Plan as Plan
from sgl_jax.compaction._report import Report as Report, Size as Size, shapes_of as shapes_of
from sgl_jax.compaction._states import narrowed_state as narrowed_state


__all__ = [
    "Compacted",
    "LeafPlan",
    "Narrowed",
    "Plan",
    "Report",
    "Size",
    "UnequalError",
    "check_equal",
    "compact",
    "full_precision",
    "narrowed_state",
    "shapes_of",
]
