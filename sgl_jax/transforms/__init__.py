"""Optax links, and the views of a state that has some of them in it."""

from sgl_jax.transforms._footprint import Footprint as Footprint
from sgl_jax.transforms._views import (
    check as check,
    penalty_value as penalty_value,
    sparse_params as sparse_params,
    splitting_gap as splitting_gap,
)
from sgl_jax.transforms.gradient import (
    PenaltyGradientState as PenaltyGradientState,
    add_penalty_gradient as add_penalty_gradient,
)
from sgl_jax.transforms.proximal import (
    ApplyProxState as ApplyProxState,
    ProximalState as ProximalState,
    apply_prox as apply_prox,
    proximal as proximal,
)
from sgl_jax.transforms.splitting import SGLState as SGLState, sgl_transform as sgl_transform


__all__ = [
    "ApplyProxState",
    "Footprint",
    "PenaltyGradientState",
    "ProximalState",
    "SGLState",
    "add_penalty_gradient",
    "apply_prox",
    "check",
    "penalty_value",
    "proximal",
    "sgl_transform",
    "sparse_params",
    "splitting_gap",
]
