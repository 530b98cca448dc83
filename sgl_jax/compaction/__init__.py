"""Removes the dead channels of a network, and checks that nothing changes.

Sparsity is worth most as a smaller dense network. :func:`compact` takes any function of parameters
that JAX can trace, finds the channels that change nothing, removes them and checks the answer.

In the order in which data flow:

- ``program``: a traced function as a list of equations on numbered values;
- ``axes``: the positions along the axes of these values, in disjoint sets that are removed
  together; the values that are known; the positions that are removed;
- ``rules``: how each primitive is understood, a file for each family;
- ``channels``: reads a network by the rules, and makes groups of its channels for a regularizer;
- ``_refusals``: refuses networks that cannot be compacted;
- ``_constants``: propagates the values of the parameters through the program;
- ``_folding``, ``_filling``, ``_search``: the biases that can take up constants, the sums that keep
  terms of removed positions, and the greatest set of positions whose removal changes nothing;
- ``_units``, ``_ordering``: the units of stacked layers that may change places within a layer, and
  the orders in which more of them are dead in all layers at once;
- ``_plan``: the positions that stay of every leaf;
- ``_removal``: the steps so far, from a network to its narrow parameters;
- ``_evaluation``, ``_loops``, ``_narrow``: the network as a function of narrow parameters;
- ``_fastest``: the multiples of channels with which the network is quickest;
- ``_equality``: compares its answers with those of the full network;
- ``_report``: sizes before and after, and the channels that stay, with reasons;
- ``_staying``: explains why dead channels stay;
- ``_layouts``, ``_states``: the arrays in states of optimizers, which it narrows;
- ``_compact``: :func:`compact`, which takes these steps, and :func:`compacted_size`, which takes
  those that run nothing;
- ``flax``: the same for a Flax module, which stays one;
- ``artifacts``: compacted networks on disk, and exported to other formats.
"""

from sgl_jax._util.narrowing import LeafPlan as LeafPlan
from sgl_jax.compaction._compact import (
    Compacted as Compacted,
    compact as compact,
    compacted_size as compacted_size,
    measure_size as measure_size,
)
from sgl_jax.compaction._equality import (
    UnequalError as UnequalError,
    check_equal as check_equal,
    full_precision as full_precision,
)
from sgl_jax.compaction._narrow import Narrowed as Narrowed
from sgl_jax.compaction._plan import Plan as Plan
from sgl_jax.compaction._removal import Removal as Removal
from sgl_jax.compaction._report import Report as Report, Size as Size, shapes_of as shapes_of
from sgl_jax.compaction._states import narrow_state as narrow_state


__all__ = [
    "Compacted",
    "LeafPlan",
    "Narrowed",
    "Plan",
    "Removal",
    "Report",
    "Size",
    "UnequalError",
    "check_equal",
    "compact",
    "compacted_size",
    "full_precision",
    "measure_size",
    "narrow_state",
    "shapes_of",
]
