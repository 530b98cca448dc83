"""Searches behind proximal operators that have no closed form: joint, scalar, in a metric."""

from sgl_jax.penalties._search._joint import joint_prox as joint_prox


__all__ = ["joint_prox"]
