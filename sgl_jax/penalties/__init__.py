"""The catalogues of penalties and constraints: one file each, one line here."""

from sgl_jax.penalties._base import NormPenalty as NormPenalty, Penalty as Penalty
from sgl_jax.penalties._constraint import Constraint as Constraint
from sgl_jax.penalties._scalar import ScalarPenalty as ScalarPenalty
from sgl_jax.penalties._search._joint import joint_prox as joint_prox
from sgl_jax.penalties._spectral import Spectral as Spectral
from sgl_jax.penalties._vector import VectorPenalty as VectorPenalty
from sgl_jax.penalties.box import Box as Box
from sgl_jax.penalties.capped_l1 import CappedL1 as CappedL1
from sgl_jax.penalties.elastic_net import ElasticNet as ElasticNet
from sgl_jax.penalties.etp import ETP as ETP
from sgl_jax.penalties.exclusive import Exclusive as Exclusive
from sgl_jax.penalties.geman import Geman as Geman
from sgl_jax.penalties.l0 import L0 as L0
from sgl_jax.penalties.l1 import L1 as L1
from sgl_jax.penalties.l1_minus_l2 import L1MinusL2 as L1MinusL2
from sgl_jax.penalties.log_sum import LogSum as LogSum
from sgl_jax.penalties.lq import Lq as Lq
from sgl_jax.penalties.mcp import MCP as MCP
from sgl_jax.penalties.n_of_m import NofM as NofM
from sgl_jax.penalties.nonnegative import NonNegative as NonNegative
from sgl_jax.penalties.nuclear import NuclearNorm as NuclearNorm
from sgl_jax.penalties.scad import SCAD as SCAD
from sgl_jax.penalties.top_k import TopK as TopK
from sgl_jax.penalties.transformed_l1 import TransformedL1 as TransformedL1


__all__ = [
    "CONSTRAINTS",
    "ETP",
    "L0",
    "L1",
    "MCP",
    "PENALTIES",
    "SCAD",
    "Box",
    "CappedL1",
    "Constraint",
    "ElasticNet",
    "Exclusive",
    "Geman",
    "L1MinusL2",
    "LogSum",
    "Lq",
    "NofM",
    "NonNegative",
    "NormPenalty",
    "NuclearNorm",
    "Penalty",
    "ScalarPenalty",
    "Spectral",
    "TopK",
    "TransformedL1",
    "VectorPenalty",
    "joint_prox",
]

PENALTIES: dict[str, type[Penalty]] = {
    "capped_l1": CappedL1,
    "elastic_net": ElasticNet,
    "etp": ETP,
    "exclusive": Exclusive,
    "geman": Geman,
    "l0": L0,
    "l1": L1,
    "l1_minus_l2": L1MinusL2,
    "log_sum": LogSum,
    "lq": Lq,
    "mcp": MCP,
    "nuclear": NuclearNorm,
    "scad": SCAD,
    "transformed_l1": TransformedL1,
}

CONSTRAINTS: dict[str, type[Constraint]] = {
    "box": Box,
    "n_of_m": NofM,
    "nonnegative": NonNegative,
    "top_k": TopK,
}
