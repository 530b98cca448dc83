"""The catalogue of penalties: one file each, one line here."""

from sgl_jax.penalties._base import (
    NormPenalty as NormPenalty,
    Penalty as Penalty,
    VectorPenalty as VectorPenalty,
)
from sgl_jax.penalties.l0 import L0 as L0
from sgl_jax.penalties.l1 import L1 as L1
from sgl_jax.penalties.l1_minus_l2 import L1MinusL2 as L1MinusL2
from sgl_jax.penalties.mcp import MCP as MCP
from sgl_jax.penalties.scad import SCAD as SCAD
from sgl_jax.penalties.transformed_l1 import TransformedL1 as TransformedL1


__all__ = [
    "L0",
    "L1",
    "MCP",
    "PENALTIES",
    "SCAD",
    "L1MinusL2",
    "NormPenalty",
    "Penalty",
    "TransformedL1",
    "VectorPenalty",
]

PENALTIES: dict[str, type[Penalty]] = {
    "l0": L0,
    "l1": L1,
    "l1_minus_l2": L1MinusL2,
    "mcp": MCP,
    "scad": SCAD,
    "transformed_l1": TransformedL1,
}
