"""The rules by which compaction understands primitives: a family of primitives is one file.

A primitive has up to four rules, side by side in a :class:`Primitive`: the *tie* rule says which
positions of its operands and results are removed together, the *fact* rule propagates constants
through it, the *narrow* rule applies it to arrays that have lost positions, and the *fill* rule
says from what it makes the values of removed positions. Everything else in compaction takes the
rules from :data:`PRIMITIVES`.
"""

from sgl_jax.compaction.rules._primitive import (
    FactRule as FactRule,
    Family as Family,
    FillRule as FillRule,
    NarrowRule as NarrowRule,
    Primitive as Primitive,
    TieRule as TieRule,
    bind_with as bind_with,
)
from sgl_jax.compaction.rules._table import table as table
from sgl_jax.compaction.rules.broadcasting import BROADCASTING
from sgl_jax.compaction.rules.concatenation import CONCATENATION
from sgl_jax.compaction.rules.convolution import CONVOLUTION, has_borders as has_borders
from sgl_jax.compaction.rules.cumulative import CUMULATIVE
from sgl_jax.compaction.rules.dot_general import DOT_GENERAL
from sgl_jax.compaction.rules.elementwise import ELEMENTWISE
from sgl_jax.compaction.rules.gather import GATHER
from sgl_jax.compaction.rules.padding import PADDING
from sgl_jax.compaction.rules.permutation import PERMUTATION
from sgl_jax.compaction.rules.reductions import REDUCTIONS
from sgl_jax.compaction.rules.reshape import RESHAPE
from sgl_jax.compaction.rules.scatter import SCATTER
from sgl_jax.compaction.rules.slicing import SLICING
from sgl_jax.compaction.rules.sources import SOURCES
from sgl_jax.compaction.rules.stacking import STACKING
from sgl_jax.compaction.rules.windows import WINDOWS


__all__ = [
    "FAMILIES",
    "PRIMITIVES",
    "FactRule",
    "Family",
    "FillRule",
    "NarrowRule",
    "Primitive",
    "TieRule",
    "bind_with",
    "has_borders",
    "table",
]

FAMILIES: dict[str, Family] = {
    "broadcasting": BROADCASTING,
    "concatenation": CONCATENATION,
    "convolution": CONVOLUTION,
    "cumulative": CUMULATIVE,
    "dot_general": DOT_GENERAL,
    "elementwise": ELEMENTWISE,
    "gather": GATHER,
    "padding": PADDING,
    "permutation": PERMUTATION,
    "reductions": REDUCTIONS,
    "reshape": RESHAPE,
    "scatter": SCATTER,
    "slicing": SLICING,
    "sources": SOURCES,
    "stacking": STACKING,
    "windows": WINDOWS,
}
"""The families by the name of their file."""

PRIMITIVES: dict[str, Primitive] = {
    name: primitive for family in FAMILIES.values() for name, primitive in family.items()
}
"""The rules of every primitive that compaction understands, by its name."""
