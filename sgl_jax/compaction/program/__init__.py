"""Traced functions as programs: lists of equations, and the operations they take.

A network is to this package a function of arrays, whatever library it was written in. A
:class:`Program` is such a function, traced: a list of equations with the calls of inner functions
put in place.
"""

from sgl_jax.compaction.program._derivatives import derivative as derivative, smooth as smooth
from sgl_jax.compaction.program._products import (
    Product as Product,
    products as products,
    products_of as products_of,
)
from sgl_jax.compaction.program._program import (
    Equation as Equation,
    Program as Program,
    equations as equations,
    trace as trace,
)


__all__ = [
    "Equation",
    "Product",
    "Program",
    "derivative",
    "equations",
    "products",
    "products_of",
    "smooth",
    "trace",
]
