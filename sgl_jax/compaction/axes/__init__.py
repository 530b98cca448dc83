"""Axes of a traced program: which positions are tied, what is known of them, which are removed."""

from sgl_jax.compaction.axes._disjoint_sets import Axis as Axis, Classes as Classes
from sgl_jax.compaction.axes._facts import (
    Fact as Fact,
    FactRule as FactRule,
    unknown as unknown,
    widened as widened,
)
from sgl_jax.compaction.axes._slicing import Slicing as Slicing
from sgl_jax.compaction.axes._structure import (
    Axes as Axes,
    Rule as Rule,
    Sink as Sink,
    Structure as Structure,
)


__all__ = [
    "Axes",
    "Axis",
    "Classes",
    "Fact",
    "FactRule",
    "Rule",
    "Sink",
    "Slicing",
    "Structure",
    "unknown",
    "widened",
]
