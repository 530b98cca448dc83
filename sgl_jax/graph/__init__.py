"""The graph of channels: which axes of which parameters live and die together."""

from sgl_jax.graph._classes import Axis as Axis, Classes as Classes
from sgl_jax.graph._layout import gathered_axis as gathered_axis
from sgl_jax.graph._read import read as read, structure_of as structure_of
from sgl_jax.graph._reshape import blocks as blocks
from sgl_jax.graph._rules import ELEMENTWISE as ELEMENTWISE, RULES as RULES
from sgl_jax.graph._structure import Axes as Axes, Sink as Sink, Structure as Structure


__all__ = [
    "ELEMENTWISE",
    "RULES",
    "Axes",
    "Axis",
    "Classes",
    "Sink",
    "Structure",
    "blocks",
    "gathered_axis",
    "read",
    "structure_of",
]
