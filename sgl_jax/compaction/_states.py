"""Narrows what belongs to parameters: moments, copies and groups in the state of an optimizer."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.narrowing import LeafPlan, Narrowable
from sgl_jax._util.pytree import path_of
from sgl_jax._util.subtrees import subtrees_of
from sgl_jax._util.typing import Path
from sgl_jax.compaction._layouts import NUMBERS, PLAIN, Field, Form, fields_of
from sgl_jax.compaction._plan import Plan


__all__ = ["narrow_state"]

_Used: TypeAlias = Mapping[Path, LeafPlan]

_ANEW = "make the state of this optimizer anew, by init on the narrow parameters"


def narrow_state(plan: Plan, tree: Any) -> Any:
    """Narrows every tree of parameters in a tree, and every :class:`Narrowable`.

    Args:
      plan: what stays of the parameters.
      tree: any tree. A part of it is taken for parameters if all its leaves have the paths and
        shapes of some leaves of one subtree of theirs, as in a masked state, or a dict by path.

    Raises:
      ValueError: an array in the place of a parameter that loses positions has another shape, the
        parts might be of several subtrees, or an optimizer cannot go on with a slice of its state.
    """
    marked = _Search(plan).mark((), tree, PLAIN)
    parts = [part for part in jax.tree.leaves(marked) if isinstance(part, _Part)]
    # The state of one optimizer is of one subtree.
    common = frozenset[Path]().union(*(part.choices for part in parts))
    common = common.intersection(*(part.choices for part in parts))
    return jax.tree.map(
        lambda part: part.narrow(common) if isinstance(part, _Part) else part, marked
    )


@dataclasses.dataclass(frozen=True)
class _Part:
    """A part of a state that belongs to parameters; no pytree.

    Attributes:
      where: its path in the state.
      choices: by the path of every subtree that it may be of, what stays of its leaves.
      apply: narrows it by one of the choices.
    """

    where: Path
    choices: Mapping[Path, _Used]
    apply: Callable[[Path], Any]

    def narrow(self, common: frozenset[Path]) -> Any:
        """Narrows the part.

        Args:
          common: the subtrees that all parts of the state may be of.
        """
        among = [prefix for prefix in self.choices if prefix in common] or list(self.choices)
        for prefix in among[1:]:
            if self.choices[prefix] != self.choices[among[0]]:
                raise ValueError(
                    f"shrink needs a state of one subtree of the parameters, got {self.where!r}, "
                    f"which may be of {among[0]!r} or {prefix!r}; give it the state together with "
                    "more of that subtree."
                )
        return self.apply(among[0])


class _Reading(dict[Path, LeafPlan]):
    """The parts of leaves that stay by path; notes which were read."""

    def __init__(self, parts: _Used):
        super().__init__(parts)
        self.read: dict[Path, LeafPlan] = {}

    def __getitem__(self, path: Path) -> LeafPlan:
        self.read[path] = super().__getitem__(path)
        return self.read[path]


class _Search:
    """A search for the parts of a state that belong to parameters."""

    def __init__(self, plan: Plan):
        self.subtrees = subtrees_of(dict(plan.leaves))
        self.losing = {leaf.shape for _, leaf in plan.leaves if leaf.removed}

    def mark(self, key_path: tuple[Any, ...], node: Any, field: Field) -> Any:
        """Puts a :class:`_Part` in the place of each part; all else stays, or is refused."""
        where = path_of(key_path)
        if isinstance(node, Narrowable):
            return self._try_all(where, node)
        if field == NUMBERS:
            return node
        for form in field.forms:
            if choices := self._fitting(node, form):
                return _Part(where, choices, partial(_slice, where, node, field, choices))
        if jax.tree_util.all_leaves([node]):
            return self._mark_rest(where, node, field)
        children, rebuild = jax.tree_util.tree_flatten_with_path(
            node, is_leaf=lambda child: child is not node
        )
        names = [path_of(keys) for keys, _ in children]
        known = {} if field.refusal else fields_of(frozenset(names))
        default = field if field.refusal else PLAIN
        pairs = zip(names, children, strict=True)
        return rebuild.unflatten(
            [self.mark(key_path + keys, child, known.get(n, default)) for n, (keys, child) in pairs]
        )

    def _fitting(self, tree: Any, form: Form) -> dict[Path, _Used]:
        """Finds the subtrees that a tree may be of, and what stays of its leaves for each."""
        keyed, _ = jax.tree_util.tree_flatten_with_path(tree)
        shapes = [(path_of(key_path), np.shape(leaf)) for key_path, leaf in keyed]
        tried = (
            (prefix, _parts(parameters, shapes, form))
            for prefix, parameters in self.subtrees.items()
        )
        return {prefix: parts for prefix, parts in tried if shapes and parts is not None}

    def _try_all(self, where: Path, node: Narrowable) -> _Part:
        """Narrows a value by every subtree that has the leaves it asks for."""
        choices, values, errors = {}, {}, []
        for prefix, parameters in self.subtrees.items():
            kept = _Reading(parameters)
            try:
                values[prefix] = node.narrowed(kept)
            except KeyError as error:
                missing = f"a {type(node).__name__} at {where!r} with a leaf {error.args[0]!r}"
                errors.append(
                    ValueError(
                        f"shrink needs values of leaves of the network, got {missing}; {_ANEW}."
                    )
                )
            except ValueError as error:
                errors.insert(0, error)
            else:
                choices[prefix] = kept.read
        if not choices:
            raise errors[0]
        return _Part(where, choices, values.__getitem__)

    def _mark_rest(self, where: Path, leaf: Any, field: Field) -> Any:
        """Marks an array by itself, or refuses it if it might belong to a parameter."""
        shape, (inside, owners) = np.shape(leaf), self._owners(where)
        losing = {prefix: part for prefix, part in owners.items() if part.removed}
        if math.prod(shape) == 1 or not (losing or self._coincides(leaf, owners)):
            return leaf
        if not losing:
            raise ValueError(
                f"shrink needs arrays of parameters in trees with their paths, got one of shape "
                f"{shape} at {where!r}, which may or may not be of a leaf of this shape; {_ANEW}."
            )
        if field.refusal:
            raise ValueError(
                f"shrink needs an optimizer that can go on with a slice of its state, got "
                f"{where!r} of shape {shape}: {field.refusal}; {_ANEW}."
            )
        fitting = {prefix: {"": part} for prefix, part in owners.items() if part.shape == shape}
        below = "" if f"/{where}".endswith(f"/{inside}") else ", below it"
        if fitting and not below:
            return _Part(where, fitting, partial(_slice, where, leaf, field, fitting))
        prefix, part = next(iter(losing.items()))
        raise ValueError(
            f"shrink needs a leaf {'/'.join(filter(None, (prefix, inside)))!r} of shape "
            f"{part.shape}, got {shape} at {where!r}{below}; give what belongs to the full "
            f"network, or {_ANEW}."
        )

    def _coincides(self, leaf: Any, owners: _Used) -> bool:
        """True if an array away from all parameters has the shape of one that loses positions."""
        numbers = jnp.issubdtype(leaf.dtype, jnp.inexact)
        return not owners and np.shape(leaf) in self.losing and numbers

    def _owners(self, where: Path) -> tuple[Path, dict[Path, LeafPlan]]:
        """Finds the last and longest part of a path that is the path of leaves.

        Returns:
          That part, and the leaves by the path of each subtree that has one there.
        """
        keys = where.split("/")
        for end in range(len(keys), -1, -1):
            for start in range(end + 1):
                path = "/".join(keys[start:end])
                if found := {p: tree[path] for p, tree in self.subtrees.items() if path in tree}:
                    return path, found
        return "", {}


def _parts(
    parameters: _Used, shapes: Sequence[tuple[Path, tuple[int, ...]]], form: Form
) -> _Used | None:
    """Finds what stays of leaves of some shapes; ``None`` if one is not of the parameters."""
    found = {}
    for path, shape in shapes:
        part = form(parameters, path, shape)
        single = math.prod(shape) == 1
        if part is None or not (single or shape == part.shape):
            return None
        if shape == part.shape:
            found[path] = part
    return found


def _slice(
    where: Path, node: Any, field: Field, choices: Mapping[Path, _Used], prefix: Path
) -> Any:
    """Slices the arrays of a tree by one of its choices."""

    def sliced(key_path, leaf):
        path = path_of(key_path)
        part = choices[prefix].get(path)
        narrow = leaf if part is None else part.take(leaf)
        if field.summed and np.shape(narrow) != np.shape(leaf):
            _check_zero(f"{where}/{path}", leaf, narrow)
        return narrow

    return jax.tree_util.tree_map_with_path(sliced, node)


def _check_zero(where: Path, leaf: Any, narrow: Any) -> None:
    """Refuses an array whose removed positions have a part in sums over all of them."""
    if isinstance(leaf, jax.core.Tracer):
        raise ValueError(
            f"shrink needs the numbers at {where!r}, got a traced array; call it outside jit."
        )
    if np.count_nonzero(leaf) != np.count_nonzero(narrow):
        raise ValueError(
            f"shrink needs zeros at the removed positions of {where!r}, over all of which its "
            f"optimizer sums, got others in shape {np.shape(leaf)}; train on with the zeros in "
            f"place, or {_ANEW}."
        )
