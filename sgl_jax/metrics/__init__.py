r"""Metrics: exact counts of zeros and of live groups, the objective, bytes of storage.

A zero is a number that equals zero. The paper's own code calls a weight zero if its magnitude is
under :math:`10^{-5}`, and a neuron dead if its mean magnitude is at most that; those figures are
reported beside the exact ones, never instead of them.

- ``_zeros``: counts of zeros and of live groups, and the objective;
- ``_storage``: the storage of a network, by every definition in use.
"""

from sgl_jax._util.levels import Codes as Codes, read_levels as read_levels
from sgl_jax.metrics._storage import Storage as Storage, storage as storage
from sgl_jax.metrics._zeros import (
    PAPER_TOLERANCE as PAPER_TOLERANCE,
    Live as Live,
    Sparsity as Sparsity,
    live_groups as live_groups,
    objective as objective,
    sparsity as sparsity,
)


__all__ = [
    "PAPER_TOLERANCE",
    "Codes",
    "Live",
    "Sparsity",
    "Storage",
    "live_groups",
    "objective",
    "read_levels",
    "sparsity",
    "storage",
]
