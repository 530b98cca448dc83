"""Axes of a traced program: positions that are tied, known values, removed positions."""

from sgl_jax.compaction.axes._closure import close as close
from sgl_jax.compaction.axes._disjoint_sets import Axis as Axis, DisjointSets as DisjointSets
from sgl_jax.compaction.axes._fact import Fact as Fact, unknown as unknown, widen as widen
from sgl_jax.compaction.axes._grid import Grid as Grid
from sgl_jax.compaction.axes._slicing import Slicing as Slicing
from sgl_jax.compaction.axes._structure import (
    Axes as Axes,
    Contraction as Contraction,
    Structure as Structure,
)


__all__ = [
    "Axes",
    "Axis",
    "Contraction",
    "DisjointSets",
    "Fact",
    "Grid",
    "Slicing",
    "Structure",
    "close",
    "unknown",
    "widen",
]
