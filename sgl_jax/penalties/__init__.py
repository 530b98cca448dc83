"""The catalogues of penalties and constraints: one file each, one line here.

The catalogues, and the names in ``sgl_jax``, follow from these lines; the proximal operators are
listed in :mod:`sgl_jax.prox`.
"""

from sgl_jax._util.catalogue import by_file as _by_file, exported as _exported
from sgl_jax.penalties._base import Penalty as Penalty
from sgl_jax.penalties._check import check_penalty as check_penalty
from sgl_jax.penalties._constraint import Constraint as Constraint
from sgl_jax.penalties._interval import Quantised as Quantised
from sgl_jax.penalties._norm import NormPenalty as NormPenalty
from sgl_jax.penalties._scalar import ScalarPenalty as ScalarPenalty
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
from sgl_jax.penalties.levels import Levels as Levels
from sgl_jax.penalties.log_sum import LogSum as LogSum
from sgl_jax.penalties.lq import Lq as Lq
from sgl_jax.penalties.mcp import MCP as MCP
from sgl_jax.penalties.n_of_m import NofM as NofM
from sgl_jax.penalties.nonnegative import NonNegative as NonNegative
from sgl_jax.penalties.nuclear import NuclearNorm as NuclearNorm
from sgl_jax.penalties.scad import SCAD as SCAD
from sgl_jax.penalties.top_k import TopK as TopK
from sgl_jax.penalties.transformed_l1 import TransformedL1 as TransformedL1


_CATALOGUE: dict[str, type[Penalty]] = _by_file(__name__, globals())

PENALTIES: dict[str, type[Penalty]] = {
    name: cls for name, cls in _CATALOGUE.items() if not issubclass(cls, Constraint)
}
"""Every penalty by the name of its file, sorted."""

CONSTRAINTS: dict[str, type[Constraint]] = {
    name: cls for name, cls in _CATALOGUE.items() if issubclass(cls, Constraint)
}
"""Every constraint by the name of its file, sorted."""

__all__ = _exported(globals())  # pyrefly: ignore[unresolvable-dunder-all]
