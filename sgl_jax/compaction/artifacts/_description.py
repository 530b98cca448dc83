"""Describes a compacted network without its arrays, as JSON: plan, report, versions."""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp

from sgl_jax._util.orbax import Mismatch, compare
from sgl_jax._util.provenance import collect_versions
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Path
from sgl_jax.compaction import Compacted, Plan, Report, Size, shapes_of


__all__ = ["Description", "describe", "read_description"]

KIND = "a network compacted by sgl_jax"
FORMAT = 1
"""The format that :func:`describe` writes; a newer one is not read."""


@dataclasses.dataclass(frozen=True)
class Description:
    """A compacted network without its arrays.

    Attributes:
      plan: the positions that stay of every leaf.
      dtypes: of every leaf.
      report: of its compaction.
      inputs: shapes of the example inputs; empty where they are not known.
      outputs: types and shapes of the outputs for them.
    """

    plan: Plan
    dtypes: dict[Path, str]
    report: Report
    inputs: tuple[jax.ShapeDtypeStruct, ...]
    outputs: tuple[str, ...]

    def check(self, like: Any, where: str) -> None:
        """Raises ``ValueError`` unless a tree is that of the full parameters."""
        expected = {path: _form(self.dtypes[path], leaf.shape) for path, leaf in self.plan.leaves}
        leaves, _ = flatten_by_path(like)
        found = {path: _form(jnp.result_type(x), jnp.shape(x)) for path, x in leaves.items()}
        try:
            compare(found, expected)
        except Mismatch as odd:
            raise ValueError(
                f"A compacted network needs the full network that it was made from, got `like` "
                f"with {odd.here} at {odd.name!r} where {where} has {odd.there}."
            ) from odd


def describe(network: Compacted) -> str:
    """Describes a network as JSON."""
    leaves, _ = flatten_by_path(network.params)
    plan = {
        path: {"dtype": str(leaves[path].dtype), **leaf.to_json()}
        for path, leaf in network.plan.leaves
    }
    report: dict[str, Any] = dataclasses.asdict(network.report)
    del report["shapes"]  # those of the plan
    inputs = network.inputs if _are_arrays(network.inputs) else ()
    found = {
        "kind": KIND,
        "format": FORMAT,
        "versions": collect_versions(),
        "inputs": [{"shape": x.shape, "dtype": str(x.dtype)} for x in inputs],
        "outputs": outputs_of(network.apply, network.params, inputs),
        "report": report,
        "leaves": plan,
    }
    return _text(found, 2) + "\n"


def _text(value: Any, depth: int) -> str:
    """JSON with a line per entry of a dict, down to a depth."""
    if not depth or not isinstance(value, dict) or not value:
        return json.dumps(value)
    lines = (f" {json.dumps(key)}: {_text(entry, depth - 1)}" for key, entry in value.items())
    return "{\n" + ",\n".join(lines) + "\n}"


def outputs_of(apply: Any, params: Any, inputs: tuple[Any, ...]) -> list[str]:
    """The types and shapes of the outputs, without computing them; none for no inputs."""
    if not inputs:
        return []
    return [
        _form(x.dtype, x.shape) for x in jax.tree.leaves(jax.eval_shape(apply, params, *inputs))
    ]


def read_description(text: str, where: str) -> Description:
    """The inverse of :func:`describe`.

    Args:
      text: the JSON.
      where: what to call its source in a message.

    Raises:
      ValueError: it is something else, damaged, or of a newer format.
    """
    try:
        found = json.loads(text)
        is_ours = isinstance(found, dict) and found.get("kind") == KIND
    except ValueError as error:
        raise _damaged(error, where) from error
    if not is_ours:
        raise ValueError(f"A compacted network needs to be written by save_compact, got {where}.")
    if found.get("format") != FORMAT:
        raise ValueError(
            f"A compacted network needs to be of format {FORMAT} for this version, got format "
            f"{found.get('format')} in {where}: update sgl-jax."
        )
    try:
        return _parsed(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(error, where) from error


def _parsed(found: dict[str, Any]) -> Description:
    plan = Plan.from_json(found["leaves"])
    parts: dict[str, Any] = {"shapes": shapes_of(plan), **found["report"]}
    parts |= {name: Size(**parts[name]) for name in ("before", "after")}
    lists = ("staying", "kept", "revived", "folded", "unknown", "timed", "ordered")
    parts |= {name: tuple(parts[name]) for name in lists if name in parts}
    return Description(
        plan,
        {path: leaf["dtype"] for path, leaf in found["leaves"].items()},
        Report(**parts),
        tuple(jax.ShapeDtypeStruct(tuple(x["shape"]), x["dtype"]) for x in found["inputs"]),
        tuple(found["outputs"]),
    )


def _damaged(error: Exception, where: str) -> ValueError:
    reason = str(error).partition("\n")[0]
    return ValueError(
        f"A compacted network needs its description to be whole, got '{reason}' in {where}."
    )


def _are_arrays(inputs: tuple[Any, ...]) -> bool:
    return all(isinstance(x, jax.ShapeDtypeStruct) for x in inputs)


def _form(dtype: Any, shape: Any) -> str:
    return f"{dtype}{list(shape)}"
