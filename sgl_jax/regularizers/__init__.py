"""Regularizers: a penalty on the groups of a whole tree of parameters.

A regularizer is a frozen pytree with ``value(params)`` and ``prox(params, step_size)``. Its
groupings are rules until ``resolved(params)`` puts the plan, :class:`~sgl_jax.Groups`, in their
place; an Optax link does that once, in ``init``.
"""

from sgl_jax.regularizers._budget import project_to_budget as project_to_budget
from sgl_jax.regularizers._kinds import (
    require_grouping as require_grouping,
    require_penalty as require_penalty,
)
from sgl_jax.regularizers._lam_max import lam_max as lam_max
from sgl_jax.regularizers._optimality import optimality as optimality
from sgl_jax.regularizers._regularizer import Regularizer as Regularizer
from sgl_jax.regularizers._sparse_group import (
    RegularizerLike as RegularizerLike,
    SparseGroup as SparseGroup,
    entry_groups as entry_groups,
    require_regularizer as require_regularizer,
)


__all__ = [
    "Regularizer",
    "RegularizerLike",
    "SparseGroup",
    "entry_groups",
    "lam_max",
    "optimality",
    "project_to_budget",
    "require_grouping",
    "require_penalty",
    "require_regularizer",
]
