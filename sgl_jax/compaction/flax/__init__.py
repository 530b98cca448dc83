"""Compaction of Flax modules: the module itself, narrower, and run by its own code.

:func:`compact_module` is :func:`sgl_jax.compact` for a :class:`flax.nnx.Module`.
"""

from sgl_jax.compaction.flax._compact_module import (
    CompactedModule as CompactedModule,
    compact_module as compact_module,
    narrow_module as narrow_module,
)
from sgl_jax.compaction.flax._sizes import SIZES as SIZES, resize as resize


__all__ = ["SIZES", "CompactedModule", "compact_module", "narrow_module", "resize"]
