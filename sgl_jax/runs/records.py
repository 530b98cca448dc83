"""The results of an epoch, as a record that goes to a file and comes back."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.groups import GroupingLike
from sgl_jax.metrics import Sparsity, live_groups, sparsity


__all__ = ["Layer", "Record", "count_layers", "measure_shares"]


class Layer(NamedTuple):
    """Counts of a layer of the sparse parameters.

    Attributes:
      kept: weights that are not exactly zero.
      weights: all weights.
      live: groups with a weight that is not exactly zero.
      groups: all groups.
    """

    kept: int
    weights: int
    live: int
    groups: int


_KEYS = {"groups": "neurons", "groups_paper": "neurons_paper"}
"""Keys in files of those fields of :class:`Sparsity` that have another name there."""

_OPTIONAL = ("budget", "agreement")
"""Fields that a file has where they are not ``None``."""

_FIELDS = {key: field for field, key in _KEYS.items()}


class Record(NamedTuple):
    """The results of an epoch; a run is judged by its last.

    Attributes:
      epoch: its number, from 1.
      loss: mean training loss over its steps, in nats.
      error: test error of the trained parameters ``w``, in [0, 1].
      test_loss: mean cross-entropy of ``w`` on the test images, in nats.
      sparse_error: test error of the sparse parameters (``v`` of a splitting).
      gap: ``||w - v|| / ||w||``; 0 but for a splitting.
      sparsity: of the sparse parameters.
      w_sparsity: of ``w``; the paper's tolerances are counted on these.
      layers: the sparse parameters, layer by layer, each by the path of its kernel.
      budget: the state of the budget that the run follows, after the epoch, and the share of the
        network that was ``measured``; ``None`` without a budget, and once it is reached.
      agreement: of an algorithm with a copy or levels: the residuals ``primal`` and ``dual``, and
        the number of codes, or signs, that are ``changed`` since its start; ``None`` for others.
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
    budget: dict[str, Any] | None = None
    agreement: dict[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Converts the record to JSON's own types."""
        found = {n: v for n, v in self._asdict().items() if v is not None or n not in _OPTIONAL}
        return {
            **found,
            "sparsity": _rename(self.sparsity._asdict(), _KEYS),
            "w_sparsity": _rename(self.w_sparsity._asdict(), _KEYS),
            "layers": {path: layer._asdict() for path, layer in self.layers.items()},
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Record":
        """Inverts :meth:`to_json`; keys that are no field of a record are left out."""
        layers = {path: Layer(**layer) for path, layer in found["layers"].items()}
        shares = {n: Sparsity(**_rename(found[n], _FIELDS)) for n in ("sparsity", "w_sparsity")}
        known = {name: found[name] for name in cls._fields if name not in _OPTIONAL}
        known |= {name: found.get(name) for name in _OPTIONAL}
        known |= {"layers": layers, **shares}
        return cls(**known)


def _rename(found: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in found.items()}


def measure_shares(params: Params, groups: GroupingLike) -> Sparsity:
    """Measures the shares of zeros and of dead groups, as numbers of the host."""
    return Sparsity(*(float(share) for share in sparsity(params, groups)))


def count_layers(params: Params, groups: GroupingLike) -> dict[Path, Layer]:
    """Counts the weights and groups that are left of every layer.

    The layer of groups that span several leaves, such as channels, is that of their first kernel,
    which makes them; all their weights count there.
    """
    leaves, _ = flatten_by_path(params)
    families = {family.main.path: family for family in groups.resolve(params)}
    counted = {}
    for path, live in live_groups(params, groups).items():
        parts = [leaves[member.path] for member in families[path].members]
        kept = sum(int(jnp.count_nonzero(part)) for part in parts)
        weights = sum(part.size for part in parts)
        counted[path] = Layer(kept, weights, int(live.live), live.count)
    return counted
