r"""Archives, the shortest files of networks on levels: ``.sgl``.

A sparse network on levels is little but the places of its nonzero weights and a few bits for each
of them. An archive stores, array by array, the gaps between nonzero entries and their codes,
written by an adaptive binary range coder: as it writes, it counts how often each bit was one, and a
bit costs the less the better it is guessed by these counts.

Of a dozen codings of one LeNet-5, with 4,432 weights on 3 bits, this one was the shortest but for
0.1 %. A mask with codes took 29,004 bytes, relative indices 6,201 to 14,023, zlib 5,614, zstd
5,335, brotli 5,193, static range coders with their tables 5,096 or more, gaps and codes in an
adaptive binary range coder 5,012, where the entropy of positions and levels was 5,013. Contexts by
row and column took 5,007, at a cost per position in the place of a cost per weight: given the
layer, the places of what magnitude leaves are as good as random. (The file adds its head and the
biases.) And it needs no package, no tables, and integers alone, by which it decodes to the same
bits everywhere; coders that are fed with odds in floating point do not promise that.

What is on no levels is stored as it is: biases in float32 are a quarter of a small archive.
:func:`round_biases` puts them on levels first, so that errors are measured with the biases that
are shipped. Reading and writing takes time and memory in proportion to the nonzero entries:
a tenth of a second for a file of 5 kB, some 25 seconds for a million.
"""

from pathlib import Path
from typing import Any

from sgl_jax._util.files import write_whole
from sgl_jax._util.orbax import Mismatch, compare, describe_leaves, restore_leaf, to_host
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Compacted
from sgl_jax.compaction.artifacts._archive import decode, encode


__all__ = ["export_sgl", "load_archive", "measure_archive"]

MOST = 1 << 30
"""Bytes that the arrays of an archive take at most, unless more are allowed."""


def export_sgl(path: Path, network: Compacted) -> None:
    """Writes the parameters of a network as an archive, by path.

    Arrays whose entries are on levels (:func:`~sgl_jax.read_levels`) take little; others are stored
    as they are. Every bit comes back from :func:`~sgl_jax.load_archive`, but that -0 on levels is
    0.

    Args:
      path: of the file; one that is there is replaced.
      network: from :func:`~sgl_jax.compact`.

    Raises:
      OSError: the file cannot be written.
      ValueError: an array of a type that archives do not have.
    """
    write_whole(path, encode(to_host(network.params)))


def measure_archive(params: Params) -> int:
    """Measures the bytes of an archive without writing it.

    Args:
      params: the parameters.

    Raises:
      ValueError: an array of a type that archives do not have.
    """
    return len(encode(to_host(params)))


def load_archive(path: str | Path, like: Params | None = None, max_bytes: int = MOST) -> Any:
    """Loads the parameters of a network from an archive, as they were when it was written.

    All of the file is read and checked before anything comes back, and no file makes it take more
    than a few times ``max_bytes`` of memory.

    Args:
      path: of the file.
      like: the parameters of the network, or their shapes; what comes has their structure. Without
        it comes a dict of NumPy arrays by path, for :func:`sgl_jax.modules.fill_module` and others.
      max_bytes: bytes that the arrays, and the file, may take.

    Raises:
      OSError: there is no such file.
      ValueError: it is no archive, is damaged or of another version, takes more bytes than
        allowed, or is of another network than ``like``.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl, tempfile
      >>> def apply(params, x):
      ...     return jnp.maximum(x @ params["a"], 0.0) @ params["b"]
      >>> params = {"a": 0.3 * jnp.ones((3, 4)).at[:, 1].set(0), "b": 0.7 * jnp.ones((4, 2))}
      >>> small = sgl.compact(apply, params, jnp.ones((1, 3)))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     sgl.export(f"{folder}/small.sgl", small)
      ...     again = sgl.load_archive(f"{folder}/small.sgl", small.params)
      >>> bool((again["a"] == small.params["a"]).all()), again["a"].shape
      (True, (3, 3))
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"An archive needs its file, got none at {path}: check its name.")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    try:
        if len(content) > max_bytes:
            raise ValueError(f"it takes more than the {max_bytes:,} bytes that are allowed")
        found = decode(content, max_bytes)
    except ValueError as error:
        raise ValueError(
            f"An archive needs to be whole and written by sgl_jax, got {path}, and {error}."
        ) from error
    if like is None:
        return found
    leaves, rebuild = flatten_by_path(like)
    try:
        compare(describe_leaves(leaves), describe_leaves(found))
    except Mismatch as odd:
        raise ValueError(
            f"An archive needs the network that it was made from, got `like` with {odd.here} at "
            f"{odd.name!r} where {path} has {odd.there}."
        ) from odd
    return rebuild({name: restore_leaf(found[name], leaf) for name, leaf in leaves.items()})
