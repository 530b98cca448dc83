"""Explains why channels stay that are zero wherever they are made, or wherever they are read."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from sgl_jax._util.typing import Path
from sgl_jax.compaction._search import Search
from sgl_jax.compaction.axes import Contraction, Fact, Structure
from sgl_jax.compaction.channels import reading_axes
from sgl_jax.compaction.program import made_from


__all__ = ["explain_staying"]


def explain_staying(
    structure: Structure, values: dict[Path, int], facts: dict[int, Fact], search: Search
) -> tuple[str, ...]:
    """Counts the dead channels that stay, in one sentence per leaf and reason."""
    protected = structure.sets.reasons()
    found: Counter[tuple[Path, str]] = Counter()
    for root, path in _find_dead(structure, values, facts, search).items():
        why = protected.get(root) or search.restored[root]
        if isinstance(why, Contraction):
            why = _explain_need(structure, facts, search, root, why)
        found[path, why] += 1
    return tuple(f"{count} of {path}: {why}" for (path, why), count in found.items())


def _find_dead(
    structure: Structure, values: dict[Path, int], facts: dict[int, Fact], search: Search
) -> dict[int, Path]:
    """Finds the roots of dead channels that stay, each with a leaf: one that makes it, if any.

    A leaf that only scales a channel makes none of it: zero stays zero.
    """
    reading, size = reading_axes(structure), len(search.roots)
    held, live = np.zeros((2, size), bool), np.zeros((2, size), bool)
    names: tuple[dict[int, Path], dict[int, Path]] = ({}, {})
    scales = _scales(structure, values)
    for path, value in values.items():
        for k, axis in enumerate(structure.axes[value]):
            if axis is not None and value not in scales:
                side, roots = int((value, k) in reading), search.roots[axis]
                held[side, roots] = True
                np.logical_or.at(live[side], roots, _is_live(structure, facts, value, k))
                names[side].update(dict.fromkeys(roots.tolist(), path))
    for window in structure.windows:
        held[:, search.roots[window]] = False
    dead = (held & ~live).any(axis=0) & ~search.removed
    named = names[1] | names[0]
    return {root: named[root] for root in np.flatnonzero(dead).tolist()}


def _scales(structure: Structure, values: Mapping[Path, int]) -> set[int]:
    """The leaves that do no more than multiply what is made from an input, entry by entry."""
    program = structure.program
    from_inputs = made_from(program.equations, set(program.inputs) - set(values.values()))

    def multiplies(value: int) -> bool:
        return all(
            multiplies(equation.outputs[0])
            if equation.name in ("broadcast_in_dim", "convert_element_type", "reshape")
            else equation.name == "mul" and not from_inputs.isdisjoint(equation.inputs)
            for equation in structure.uses.get(value, ())
        )

    return {value for value in values.values() if value in structure.uses and multiplies(value)}


def _is_live(structure: Structure, facts: dict[int, Fact], value: int, axis: int) -> np.ndarray:
    """True for the positions of an axis at which some entry may be other than zero."""
    live, size = facts[value].live, structure.shape(value)[axis]
    others = tuple(k for k in range(live.ndim) if k != axis)
    return np.broadcast_to(live.any(axis=others), (size,))


def _explain_need(
    structure: Structure,
    facts: dict[int, Fact],
    search: Search,
    root: int,
    contraction: Contraction,
) -> str:
    """Names the operation behind which a channel is no known zero, or the one that reads it."""
    for value in contraction.equation.inputs:
        maker = structure.makers.get(value)
        while maker is not None:
            live = [v for v in maker.reads if _holds(structure, facts, search, v, root, True)]
            if not live:
                if any(_holds(structure, facts, search, v, root, False) for v in maker.reads):
                    return f"{maker} may make it other than zero"
                break
            maker = structure.makers.get(live[0])
    return f"{contraction.equation} reads it"


def _holds(
    structure: Structure, facts: dict[int, Fact], search: Search, value: int, root: int, live: bool
) -> bool:
    """True if a value has a channel on one of its axes, and it is live there, or is not."""
    return any(
        axis is not None
        and (at := search.roots[axis] == root).any()
        and bool(_is_live(structure, facts, value, k)[at].any()) == live
        for k, axis in enumerate(structure.axes[value])
    )
