"""Decibels at the edges; inside, powers are watts and ratios are linear."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax.applications.beamforming._double import ArrayLike, in_double


__all__ = ["from_db", "from_dbm", "to_db"]


@in_double
def from_db(x: float | Float[ArrayLike, "..."]) -> Float[Array, "..."]:
    """Converts decibels to a ratio, ``10^(x / 10)``.

    Args:
      x: ratio in dB.

    Example:
      >>> from sgl_jax.applications import beamforming as bf
      >>> f"{bf.from_db(3.0):.3f}"
      '1.995'
    """
    return 10.0 ** (jnp.asarray(x, float) / 10.0)


@in_double
def from_dbm(x: float | Float[ArrayLike, "..."]) -> Float[Array, "..."]:
    """Converts dBm to watts, ``10^((x - 30) / 10)``.

    Args:
      x: power in dBm.

    Example:
      >>> from sgl_jax.applications import beamforming as bf
      >>> f"{bf.from_dbm(30.0):.1f}"
      '1.0'
    """
    return 10.0 ** ((jnp.asarray(x, float) - 30.0) / 10.0)


@in_double
def to_db(ratio: float | Float[ArrayLike, "..."]) -> Float[Array, "..."]:
    """Converts a ratio to decibels.

    Args:
      ratio: above 0.

    Example:
      >>> from sgl_jax.applications import beamforming as bf
      >>> f"{bf.to_db(2.0):.2f}"
      '3.01'
    """
    return 10.0 * jnp.log10(jnp.asarray(ratio, float))
