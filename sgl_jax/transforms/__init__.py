"""Optax links, and the views of a state that has some of them in it.

- ``splitting``: the paper's link, before a base optimizer;
- ``gradient``: a regularizer by its subgradient, likewise;
- ``proximal``: proximal steps, at the end of a chain, and optimizers that own their chain;
- ``support``: training on a fixed support, at the end of a chain;
- ``schedules``: schedules for strengths;
- ``budgets``: strengths that follow a share of the network that is to be left;
- ``_links``: the parts that these links, and the algorithms, are made of, with their one state;
- ``_views``: exact zeros, misuse, gap and penalty, read off any Optax state.
"""

from sgl_jax.transforms._views import (
    check as check,
    penalty_value as penalty_value,
    sparse_params as sparse_params,
    splitting_gap as splitting_gap,
)
from sgl_jax.transforms.budgets import (
    Budget as Budget,
    BudgetState as BudgetState,
    scale_strengths as scale_strengths,
)
from sgl_jax.transforms.gradient import add_penalty_gradient as add_penalty_gradient
from sgl_jax.transforms.proximal import apply_prox as apply_prox, proximal as proximal
from sgl_jax.transforms.splitting import sgl_transform as sgl_transform
from sgl_jax.transforms.support import hold_zeros as hold_zeros, keep_support as keep_support


__all__ = [
    "Budget",
    "BudgetState",
    "add_penalty_gradient",
    "apply_prox",
    "check",
    "hold_zeros",
    "keep_support",
    "penalty_value",
    "proximal",
    "scale_strengths",
    "sgl_transform",
    "sparse_params",
    "splitting_gap",
]
