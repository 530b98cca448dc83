"""What an epoch has led to, as a record that goes to a file and comes back."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.metrics import Sparsity, live_groups, sparsity


__all__ = ["Layer", "Record", "layers_of", "shares_of"]


class Layer(NamedTuple):
    """A grouped leaf of the sparse parameters.

    Attributes:
      kept: weights that are not exactly zero.
      weights: all of them.
      live: groups with such a weight.
      groups: all of them.
    """

    kept: int
    weights: int
    live: int
    groups: int


class Record(NamedTuple):
    """What an epoch led to; a run is judged by its last.

    Attributes:
      epoch: its number, from 1.
      loss: mean training loss over its steps, in nats.
      error: test error of the trained parameters ``w``, in [0, 1].
      test_loss: mean cross-entropy of ``w`` on the test images, in nats.
      sparse_error: test error of the sparse parameters (``v`` of a splitting).
      gap: ``||w - v|| / ||w||``; 0 but for a splitting.
      sparsity: of the sparse parameters.
      w_sparsity: of ``w``; the paper's tolerances are counted on these.
      layers: the sparse parameters, leaf by leaf.
    """

    epoch: int
    loss: float
    error: float
    test_loss: float
    sparse_error: float
    gap: float
    sparsity: Sparsity
    w_sparsity: Sparsity
    layers: dict[Path, Layer]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON's own types."""
        return {
            **self._asdict(),
            "sparsity": self.sparsity._asdict(),
            "w_sparsity": self.w_sparsity._asdict(),
            "layers": {path: layer._asdict() for path, layer in self.layers.items()},
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Record":
        """The inverse of :meth:`to_json`; what it does not know is left out."""
        layers = {path: Layer(**layer) for path, layer in found["layers"].items()}
        shares = {name: Sparsity(**found[name]) for name in ("sparsity", "w_sparsity")}
        known = {name: found[name] for name in cls._fields}
        return cls(**known)._replace(layers=layers, **shares)  # pyrefly: ignore


def shares_of(params: Params) -> Sparsity:
    """Shares of zeros and dead groups, as numbers of the host."""
    return Sparsity(*(float(share) for share in sparsity(params)))


def layers_of(params: Params) -> dict[Path, Layer]:
    """What is left of every grouped leaf."""
    leaves, _ = flatten_by_path(params)
    return {
        path: Layer(
            int(jnp.count_nonzero(leaves[path])), leaves[path].size, int(live.live), live.count
        )
        for path, live in live_groups(params).items()
    }
