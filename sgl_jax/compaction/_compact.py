"""Removes dead channels from a network, and checks that nothing changed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction._equality import check_equal, full_precision
from sgl_jax.compaction._fastest import find_fastest
from sgl_jax.compaction._plan import Plan
from sgl_jax.compaction._refusals import check_rounding, leaves_of, unknown_operations
from sgl_jax.compaction._removal import Removal
from sgl_jax.compaction._report import Report, Size, shapes_of
from sgl_jax.compaction._states import narrow_state
from sgl_jax.compaction._staying import explain_staying
from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.program import Program, products_of, trace


__all__ = ["Compacted", "compact", "compacted_size", "measure_size"]


@dataclasses.dataclass(frozen=True)
class Compacted:
    """A network without its dead channels.

    Attributes:
      params: the parameters, a tree of the same structure with smaller leaves.
      apply: ``(params, *inputs) -> outputs``, for inputs of any batch size; it can be compiled,
        differentiated, vmapped and exported like the function it came from.
      report: the channels that were removed, and why others were not.
      plan: the positions that stay of every leaf.
      inputs: shapes and dtypes of the example inputs; empty where they are not known.
    """

    params: Params
    apply: Callable[..., Any]
    report: Report
    plan: Plan
    inputs: tuple[Any, ...] = ()

    def shrink(self, tree: Any) -> Any:
        """Narrows trees like the parameters: moments, averages, masks, gradients.

        Training goes on with the state of its optimizer, of this package or of Optax. The
        weights of the groups that are left stay what they were, be it the root of their full size.

        The next updates are slices of those of the full network where an optimizer treats every
        entry by itself. One that sums over entries, as norms do (``optax.lamb``, clipping), needs
        zeros where positions are removed, in the gradient and in its state. A step that depends on
        the shapes of leaves, by means or random numbers, is that of the narrow ones.

        Args:
          tree: the full parameters, or any tree with such trees in it, as the state of an optimizer
            is: of all leaves or of some of them, by their paths in what was compacted or in a
            subtree of that, which shapes tell. Groups are narrowed, too, and any value with a
            method ``narrowed(kept)``, by that; single numbers and all else stay.

        Returns:
          The same tree, without the removed channels.

        Raises:
          ValueError: a leaf in the place of one of the parameters has another shape, subtrees that
            lose other positions are alike, or an optimizer cannot go on with a slice of its state.
        """
        return narrow_state(self.plan, tree)


def compact(
    apply: Callable[..., Any],
    params: Params,
    *inputs: Any,
    protect: str | None = None,
    round_to: int | Literal["fastest"] = 1,
    timed: Sequence[Any] | None = None,
    strict: bool = False,
    tolerance: float | None = None,
    by_layer: bool = True,
) -> Compacted:
    r"""Removes the channels of a network that change nothing, and checks that nothing changed.

    ``apply`` is traced, whatever it was written with, and read primitive by primitive: which
    positions on which axes of which leaves belong together, and what every channel carries with
    the parameters as they are. A channel goes if all that reads it multiplies it by zero, if it is
    zero for every input, or if it is a constant that the next bias can take up,

    .. math:: b_o \leftarrow b_o + \sum_{c \text{ removed}} x_c \sum_{ij} K_{ijco},

    which is exact without padding. Where a sum over channels has a term for a channel of zeros, as
    a variance, the mean of ``(x - mean) ** 2``, has, the terms of removed channels are added. Zeros
    are exact zeros, never small numbers: pass ``sparse_params(opt_state, params)``.

    A column of zeros goes from a table even if a lookup gives NaN for an index beyond the table, as
    ``jnp.take`` does: all columns are NaN there, with or without this one. A lookup that gives
    another number there, by ``fill_value``, keeps the column.

    Layers that ``scan`` runs over have stacked weights, and as many units each. Units that are made
    and read within a layer, as hidden units and heads are, are put into an order of their own in
    each layer, the dead ones last: so many go as the layer with the fewest dead ones loses.

    Args:
      apply: ``(params, *inputs) -> outputs``, in inference mode: a channel that is constant is
        taken for the same constant in batches of any size.
      params: one pytree of all that may be sliced, weights and running statistics; arrays that
        ``apply`` closes over instead are not sliced.
      *inputs: example inputs. The network that comes out takes any batch size.
      protect: a regular expression; leaves whose path it finds are not sliced.
      round_to: keep a multiple of this number of channels, or all of them. ``"fastest"`` times the
        compiled network with a few multiples, of all layers and of single ones, and keeps the
        quickest; a larger network has to be quicker by more than noise. What was timed is in the
        notes of the report.
      timed: for ``"fastest"``: the inputs to time it with, such as a larger batch; the example
        inputs without it.
      strict: refuse operations that are not understood instead of keeping whole what they read.
      tolerance: largest difference of outputs allowed, relative to the largest output; by default
        1e-5 in float32, 1e-12 in float64, 5e-2 in half precision.
      by_layer: put the units of stacked layers into an order of their own in each layer. Without
        it a unit goes if it is dead in all layers, and groups that span layers stay groups.

    Raises:
      ValueError: a parameter is not finite, a pattern finds no leaf, an array that ``apply`` closes
        over would have to be sliced, outputs differ, or ``round_to`` or ``timed`` is something
        else.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> def apply(params, x):
      ...     return jnp.maximum(x @ params["a"] + params["b"], 0.0) @ params["c"]
      >>> params = {
      ...     "a": jnp.ones((3, 4)).at[:, 1].set(0),
      ...     "b": jnp.zeros((1, 4)),
      ...     "c": jnp.ones((4, 2)),
      ... }
      >>> sgl.compact(apply, params, jnp.ones((1, 3))).params["a"].shape
      (3, 3)
    """
    check_rounding(round_to, inputs, timed)
    removal = Removal.read(apply, params, inputs, protect, strict, by_layer)
    structure, values = removal.structure, removal.values
    if round_to == "fastest":
        given = inputs if timed is None else timed
        search, notes = find_fastest(removal.search, removal.narrow, removal.name_axis, given)
    else:
        search, notes = removal.search(round_to), ()
    found = removal.narrow(search)
    with full_precision():
        error, scale = check_equal(apply, params, found.apply, found.params, inputs, tolerance)
    report = Report(
        shapes_of(found.plan),
        before=_size(params, structure.program),
        after=measure_size(found.apply, found.params, *inputs),
        error=error,
        scale=scale,
        staying=explain_staying(structure, values, removal.facts, search),
        kept=_constants_kept(structure, values, search.constant),
        revived=_first_leaves(structure, values, search.revived),
        folded=found.folded,
        unknown=unknown_operations(structure, values),
        timed=notes,
        ordered=tuple(sorted(removal.orders)),
    )
    return Compacted(found.params, found.apply, report, found.plan, _shapes(inputs))


def compacted_size(
    apply: Callable[..., Any], params: Params, *inputs: Any, protect: str | None = None
) -> Size:
    """Measures the size that :func:`compact` would leave of a network, and runs nothing.

    It takes a trace, and no compilation, so it can be asked for after every epoch of a training.

    Args:
      apply: as for :func:`compact`, and so are the others.
      params: the parameters, with their exact zeros.
      *inputs: example inputs; FLOPs are counted for them.
      protect: a regular expression; leaves whose path it finds are not sliced.

    Raises:
      ValueError: :func:`compact` refuses the network.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> params = {"a": jnp.ones((3, 4)).at[:, 1].set(0), "b": jnp.ones((4, 2))}
      >>> sgl.compacted_size(
      ...     lambda params, x: x @ params["a"] @ params["b"], params, jnp.ones((1, 3))
      ... )
      Size(parameters=15, flops=30, bytes=60)
    """
    removal = Removal.read(apply, params, inputs, protect, strict=False)
    found = removal.narrow(removal.search(1))
    return measure_size(found.apply, found.params, *inputs)


def measure_size(apply: Callable[..., Any], params: Params, *inputs: Any) -> Size:
    """Measures the size of a network as it is.

    Args:
      apply: ``(params, *inputs) -> outputs``.
      params: its parameters.
      *inputs: example inputs; FLOPs are counted for them, as 0 if a ``while`` loop or a branch
        has some.
    """
    return _size(params, trace(apply, params, *inputs)[0])


def _constants_kept(
    structure: Structure, values: dict[Path, int], reasons: dict[int, str]
) -> tuple[str, ...]:
    """Counts the constant channels that stay, in one sentence per leaf and reason."""
    found: dict[tuple[Path, str], int] = {}
    for root, why in reasons.items():
        for path in leaves_of(structure, values, {root})[:1]:
            found[path, why] = found.get((path, why), 0) + 1
    return tuple(f"{count} of {path}: {why}" for (path, why), count in found.items())


def _first_leaves(
    structure: Structure, values: dict[Path, int], roots: set[int]
) -> tuple[Path, ...]:
    """The first leaf of each of some sets of positions, sorted."""
    found = [leaves_of(structure, values, {root})[:1] for root in roots]
    return tuple(sorted({path for first in found for path in first}))


def _size(params: Params, program: Program) -> Size:
    leaves = jax.tree.leaves(params)
    try:
        flops = sum(product.flops for product in products_of(program, ()))
    except ValueError:
        flops = 0
    return Size(sum(leaf.size for leaf in leaves), flops, sum(leaf.nbytes for leaf in leaves))


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), tree)
