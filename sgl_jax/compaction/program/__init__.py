"""Traced functions as programs: lists of equations, and the operations they take.

A network is to this package a function of arrays, whatever library it was written in. A
:class:`Program` is such a function, traced: a list of equations with the calls of inner functions
put in place. Loops and branches have their inner functions on values of the same program, with
links that say which values are handed on.
"""

from sgl_jax.compaction.program._derivatives import derivative as derivative, smooth as smooth
from sgl_jax.compaction.program._equation import (
    Equation as Equation,
    Inner as Inner,
    Link as Link,
    Loop as Loop,
    all_equations as all_equations,
    bodies as bodies,
    equations as equations,
    made_from as made_from,
)
from sgl_jax.compaction.program._loops import count_scan_operands as count_scan_operands
from sgl_jax.compaction.program._products import (
    Product as Product,
    products as products,
    products_of as products_of,
)
from sgl_jax.compaction.program._program import Program as Program, trace as trace


__all__ = [
    "Equation",
    "Inner",
    "Link",
    "Loop",
    "Product",
    "Program",
    "all_equations",
    "bodies",
    "count_scan_operands",
    "derivative",
    "equations",
    "made_from",
    "products",
    "products_of",
    "smooth",
    "trace",
]
