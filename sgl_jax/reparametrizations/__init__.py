"""Reparametrizations: weights that are made of other parameters, at random while a network trains.

- ``_base``: the contract, and its way into an Optax chain.

A reparametrization is one file here, and one line.
"""

from sgl_jax._util.catalogue import by_file
from sgl_jax.reparametrizations._base import (
    Reparametrization as Reparametrization,
    reparametrized as reparametrized,
)
from sgl_jax.reparametrizations.hard_concrete import HardConcrete as HardConcrete


__all__ = ["REPARAMETRIZATIONS", "HardConcrete", "Reparametrization", "reparametrized"]

REPARAMETRIZATIONS: dict[str, type] = by_file(__name__, globals())
"""Every reparametrization by the name of its file, sorted."""
