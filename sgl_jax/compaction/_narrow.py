"""A network as a function of its narrow parameters."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from sgl_jax._util.typing import Params
from sgl_jax.compaction._evaluation import Evaluation
from sgl_jax.compaction._plan import Plan, shape_of
from sgl_jax.compaction.axes import Slicing
from sgl_jax.compaction.channels import read_program
from sgl_jax.compaction.program import trace


__all__ = ["Narrowed"]


class Narrowed:
    """A network as a function of its narrow parameters.

    The full network is traced for the shapes of the inputs at hand, once for each of them (and for
    each default precision of products), and evaluated on narrow arrays, operation by operation.
    """

    def __init__(self, apply: Callable[..., Any], plan: Plan) -> None:
        self.plan = plan
        self._apply = apply
        self._evaluations: dict[Any, tuple[Evaluation, Any]] = {}

    def __call__(self, params: Params, *inputs: Any) -> Any:
        full = self.plan.full(params)
        shapes = jax.tree.map(shape_of, inputs)
        leaves, treedef = jax.tree.flatten((full, shapes))
        precision = jax.config.jax_default_matmul_precision  # pyrefly: ignore
        described = tuple((leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves)
        key = treedef, precision, described
        evaluation, result = self._evaluations.get(key) or self._read(full, shapes)
        if not evaluation.holds_tracers:
            self._evaluations[key] = evaluation, result
        return jax.tree.unflatten(result, evaluation(jax.tree.leaves((params, inputs))))

    def _read(self, full: Params, shapes: Sequence[Any]) -> tuple[Evaluation, Any]:
        program, result = trace(self._apply, full, *shapes)
        sliceable = program.inputs[: len(self.plan.leaves)]
        structure = read_program(program, sliceable)
        removed = set()
        for value, (_, leaf) in zip(sliceable, self.plan.leaves, strict=True):
            for axis, kept in zip(structure.axes[value], leaf.kept, strict=True):
                if axis is not None and kept is not None:
                    removed |= set(np.delete(axis, np.asarray(kept, int)).tolist())
        slicing = Slicing(structure, frozenset(removed))
        why = slicing.violation
        for value, (path, leaf) in zip(sliceable, self.plan.leaves, strict=True):
            if slicing.shape(value) != leaf.narrow_shape or why:
                raise ValueError(
                    f"This network was compacted for inputs with which it does something else: "
                    f"with these, {path!r} would lose other channels, or some have to stay "
                    f"({why}); compact it with inputs like these."
                )
        return Evaluation(slicing), result
