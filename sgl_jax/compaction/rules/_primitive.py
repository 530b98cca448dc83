"""The rules of a primitive."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from sgl_jax.compaction.axes import Axes, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation


__all__ = ["FactRule", "Family", "FillRule", "NarrowRule", "Primitive", "TieRule", "bind_with"]

TieRule: TypeAlias = Callable[[Structure, Equation], list[Axes] | None]
"""Ties axes of the operands, and returns the axes of every result.

It ties axes whose positions are removed together (``structure.tie``), records where positions are
summed over (``structure.contract``), and keeps an axis whole by ``structure.protect`` for an
operand and ``None`` in its place for a result; ``structure.new_axes`` makes axes that depend on no
operand.
``None`` for all results says that the primitive is used in a way the rule does not know.
"""

FactRule: TypeAlias = Callable[[Structure, Equation, Sequence[Fact]], list[Fact] | None]
"""Propagates constants: from the facts of the operands to those of the results.

``None`` says that nothing is known. Arithmetic is that of finite numbers: zero times anything is
zero.
"""

NarrowRule: TypeAlias = Callable[[Slicing, Equation, list[Any]], list[Any]]
"""Applies the primitive to operands without the positions that a slicing removes."""


FillRule: TypeAlias = Callable[[Structure, Equation, int], tuple[int, ...] | None]
"""Names the operands that vary along an axis of the result, which is computed position by position.

So what the result holds at removed positions follows by the primitive itself from what these
operands hold there, and from the others as they are. No operands say that the result is the same at
all positions; ``None`` says that the rule does not know.
"""


class Primitive(NamedTuple):
    """The rules of a primitive.

    Attributes:
      tie: the tie rule. What a primitive without an entry reads stays whole.
      fact: the fact rule; without one nothing is known of the results.
      narrow: the narrow rule; without one the primitive is applied to narrow operands as it
        stands, which is right unless its parameters name shapes or positions.
      fill: the fill rule; without one the result has to be zero at the positions that a sum over
        them loses.
    """

    tie: TieRule
    fact: FactRule | None = None
    narrow: NarrowRule | None = None
    fill: FillRule | None = None


Family: TypeAlias = Mapping[str, Primitive]
"""The primitives of one file by name."""


def bind_with(equation: Equation, arguments: Sequence[Any], **changed: Any) -> list[Any]:
    """Applies a primitive of one result with some of its parameters changed."""
    return [equation.primitive.bind(*arguments, **{**equation.params, **changed})]
