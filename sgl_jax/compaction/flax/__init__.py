"""Compaction of Flax modules: the module itself, narrower, and run by its own code.

:func:`compact_module` is :func:`sgl_jax.compact` for a :class:`flax.nnx.Module`.

In the order in which data flow:

- ``_modes``: a module as functions of its arrays, in evaluation mode and in training mode;
- ``_sizes``: catalogue ``SIZES``, the sizes that layers keep beside their arrays;
- ``_widths``: catalogue ``WIDTHS``, layers that divide by a number of channels, and what makes up
  for those that left;
- ``_attempts``: makes narrow modules and compares them with the full one;
- ``_keeping``: the fewest arrays that have to stay where a narrow module does not work;
- ``_compact_module``: :func:`compact_module`, which takes these steps;
- ``_filling``: :func:`fill_module`, a module with arrays that were stored, such as narrow ones.
"""

from sgl_jax.compaction.flax._compact_module import (
    CompactedModule as CompactedModule,
    compact_module as compact_module,
    narrow_module as narrow_module,
)
from sgl_jax.compaction.flax._filling import fill_module as fill_module
from sgl_jax.compaction.flax._sizes import SIZES as SIZES, resize as resize


__all__ = ["SIZES", "CompactedModule", "compact_module", "fill_module", "narrow_module", "resize"]
