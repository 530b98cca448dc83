"""Searches where there is no closed form: joint and scalar proxes, in a metric, for a strength."""

from sgl_jax.penalties._search._joint import joint_prox as joint_prox
from sgl_jax.penalties._search._least import least_strength as least_strength


__all__ = ["joint_prox", "least_strength"]
