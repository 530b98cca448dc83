"""Optax links, and the views of a state that has some of them in it."""

from sgl_jax.transforms._views import (
    check as check,
    penalty_value as penalty_value,
    sparse_params as sparse_params,
    splitting_gap as splitting_gap,
)
from sgl_jax.transforms.gradient import add_penalty_gradient as add_penalty_gradient
from sgl_jax.transforms.proximal import apply_prox as apply_prox, proximal as proximal
from sgl_jax.transforms.splitting import sgl_transform as sgl_transform
from sgl_jax.transforms.support import keep_support as keep_support


__all__ = [
    "add_penalty_gradient",
    "apply_prox",
    "check",
    "keep_support",
    "penalty_value",
    "proximal",
    "sgl_transform",
    "sparse_params",
    "splitting_gap",
]
