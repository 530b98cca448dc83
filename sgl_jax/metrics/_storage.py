"""Storage of a sparse network on levels, counted in the four ways that are in use."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.levels import read_levels
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params


__all__ = ["Storage", "storage"]

WIDEST_INDEX = 16
"""Bits of the widest relative index that is tried."""


class Storage(NamedTuple):
    """Storage of a network; kB are 1,000 bytes, and a rate is the dense size over the one here.

    Weights are the entries of real leaves of two axes or more (kernels); the rest, biases and the
    scales of norms, count in ``dense_bytes`` and ``file_bytes`` alone.

    Attributes:
      weights: weights of the original network.
      dense_bytes: bytes of all real numbers of the original network, as float32.
      kept_before: nonzero weights of the sparse network with its dead channels; ``None`` if not
        known.
      kept: nonzero weights without them.
      data_bits: bits of the values of the nonzero weights alone, without positions.
      indexed_bits: the same with a relative index for each, and for each filler.
      levels: weights of ``kept`` in leaves on levels; the others take all bits of their type.
      file_bytes: bytes of a file that the network can be read from; ``None`` if not known.
    """

    weights: int
    dense_bytes: int
    kept_before: int | None
    kept: int
    data_bits: int
    indexed_bits: int
    levels: int
    file_bytes: int | None = None

    @property
    def rates(self) -> dict[str, float]:
        """The factors by which it is smaller, by definition: figures that must not be mixed."""
        bits = 32 * self.weights
        sizes = {
            "weights, before compaction": (self.weights, self.kept_before),
            "weights": (self.weights, self.kept),
            "data of weights": (bits, self.data_bits),
            "weights with indices": (bits, self.indexed_bits),
            "file": (self.dense_bytes, self.file_bytes),
        }
        return {name: whole / part for name, (whole, part) in sizes.items() if part}

    def to_json(self) -> dict[str, int | None]:
        """Converts the counts to JSON's own types."""
        return self._asdict()

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Storage":
        """Inverts :meth:`to_json`.

        Args:
          found: the counts by name.
        """
        return cls(**found)


def storage(
    params: Params,
    before: Params | None = None,
    *,
    index_bits: int | None = None,
    file_bytes: int | None = None,
) -> Storage:
    r"""Counts the storage of a sparse network on levels in four ways, which differ manyfold.

    1. Weights kept: :math:`k` nonzero weights of :math:`n`, before and after dead channels left.
    2. Data of weights: :math:`\sum_l k_l b_l` bits over the leaves, where
       :math:`b = \lceil \log_2 2M \rceil` tells the :math:`2M` nonzero levels
       :math:`\pm q, \dots, \pm M q` apart. No positions, no intervals, no biases: no network can
       be read from it.
    3. Weights with indices: :math:`\sum_l (k_l + f_l)(b_l + p_l)` bits. Before each weight stands
       the number of zeros since the last one, in row-major order, in :math:`p` bits; where
       :math:`g` zeros are too many, :math:`\lfloor g / 2^p \rfloor` fillers stand between, zeros
       that are stored like weights.
    4. File: the bytes of a file with everything in it, as given.

    Rates compare 1 to 3 with :math:`32 n` bits, and the file with 4 bytes for every real number of
    the original network.

    Args:
      params: the network as it is stored: sparse, and usually without its dead channels.
      before: the sparse network with its dead channels, of the original shapes, or these shapes
        alone; ``params`` without it.
      index_bits: p, from 1 to 16; without it the one that takes fewest bits, leaf by leaf.
      file_bytes: bytes of the file.

    Raises:
      ValueError: ``index_bits`` out of its range.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> kernel = jnp.zeros((8, 8)).at[1, 2].set(0.5).at[7, 7].set(-0.25)
      >>> found = sgl.storage({"kernel": kernel, "bias": jnp.zeros(8)}, index_bits=4)
      >>> found.kept, found.data_bits, found.indexed_bits, found.dense_bytes
      (2, 4, 30, 288)
    """
    if index_bits is not None and not 1 <= index_bits <= WIDEST_INDEX:
        raise ValueError(
            f"A relative index needs 1 to {WIDEST_INDEX} bits, got index_bits={index_bits}."
        )
    stored, whole = (_find_real(tree) for tree in (params, params if before is None else before))
    kept = data = indexed = levels = 0
    for leaf in map(np.asarray, _find_weights(stored)):
        found = read_levels(leaf)
        bits = 8 * leaf.itemsize if found is None else (2 * found.largest - 1).bit_length()
        nonzero = int(np.count_nonzero(leaf))
        kept += nonzero
        levels += 0 if found is None else nonzero
        data += bits * nonzero
        indexed += _count_indexed(leaf, bits, index_bits)
    return Storage(
        sum(leaf.size for leaf in _find_weights(whole)),
        4 * sum(leaf.size for leaf in whole),
        _count_nonzero(whole),
        kept,
        data,
        indexed,
        levels,
        file_bytes,
    )


def _find_real(tree: Params) -> list[Any]:
    """Finds the leaves of real numbers."""
    leaves = flatten_by_path(tree)[0].values()
    return [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]


def _find_weights(leaves: Iterable[Any]) -> list[Any]:
    return [leaf for leaf in leaves if leaf.ndim >= 2]


def _count_nonzero(leaves: Sequence[Any]) -> int | None:
    """Counts the nonzero weights; ``None`` if their shapes alone are there."""
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
        return None
    return sum(int(np.count_nonzero(leaf)) for leaf in _find_weights(leaves))


def _count_indexed(leaf: np.ndarray, bits: int, index_bits: int | None) -> int:
    """Counts the bits of a leaf with relative indices, of a width or of the best."""
    positions = np.flatnonzero(leaf)
    zeros = np.diff(positions, prepend=-1) - 1
    widths = range(1, WIDEST_INDEX + 1) if index_bits is None else [index_bits]
    return min((len(positions) + int((zeros >> width).sum())) * (bits + width) for width in widths)
