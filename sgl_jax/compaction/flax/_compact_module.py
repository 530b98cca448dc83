"""Removes dead channels from a Flax module, which stays a module."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import numpy as np
from flax import nnx

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.compaction import (
    LeafPlan,
    Plan,
    Report,
    UnequalError,
    check_equal,
    compact,
    full_precision,
    narrow_state,
)
from sgl_jax.compaction.flax._sizes import counting, resize


__all__ = ["CompactedModule", "compact_module", "narrow_module"]


@dataclasses.dataclass(frozen=True)
class CompactedModule:
    """A module without its dead channels.

    Attributes:
      module: an ordinary module of the same class, with smaller arrays and its sizes set to match;
        in training mode or not, as the module that it was made of.
      report: the channels that were removed, and why others were not.
      plan: the positions that stay of every leaf of its state.
    """

    module: nnx.Module
    report: Report
    plan: Plan

    def shrink(self, tree: Any) -> Any:
        """Narrows trees like the state of the full module: moments, averages, masks, gradients.

        Args:
          tree: the state of the full module, or any tree with such trees in it: the state of an
            Optax transformation or, for ``nnx.update`` of a new one, of an ``nnx.Optimizer``; as
            for :meth:`Compacted.shrink`.

        Returns:
          The same tree, without the removed channels.

        Raises:
          ValueError: as for :meth:`Compacted.shrink`.
        """
        return narrow_state(self.plan, tree)


def compact_module(
    module: nnx.Module,
    *inputs: Any,
    call: Callable[..., Any] | None = None,
    protect: str | None = None,
    round_to: int | Literal["fastest"] = 1,
    timed: Sequence[Any] | None = None,
    strict: bool = False,
    tolerance: float | None = None,
) -> CompactedModule:
    """Removes the channels of a Flax module that change nothing, and checks that nothing changed.

    What goes is what :func:`sgl_jax.compact` finds in evaluation mode (``module.eval()``). What
    comes out is a module like any other, for ``nnx.split``, ``nnx.jit`` and ``nnx.Optimizer``: its
    arrays are narrow, its layers have the sizes to match, what was shared still is, and it runs by
    its own code, which must give the same outputs. The module itself stays as it is.

    Zeros are exact zeros, never small numbers: write ``sparse_params(opt_state, params)`` into the
    module first, by ``nnx.update``.

    Args:
      module: the module to compact.
      *inputs: example inputs. The module that comes out takes any batch size.
      call: ``(module, *inputs) -> outputs``, where it is not ``module(*inputs)``.
      protect: a regular expression; arrays whose path it finds are not sliced.
      round_to: as for ``compact``: a number of which a multiple of channels is kept, or
        ``"fastest"``.
      timed: as for ``compact``: the inputs that ``"fastest"`` is measured with.
      strict: refuse operations that are not understood instead of keeping whole what they read.
      tolerance: as for ``compact``: largest relative difference of outputs allowed.

    Raises:
      ValueError: ``compact`` refuses the module, or its own code does not give the same outputs
        without the channels: it divides by their number, or has it written down.

    Example:
      >>> import jax, jax.numpy as jnp, sgl_jax as sgl
      >>> from flax import nnx
      >>> model = sgl.models.LeNet5(rngs=nnx.Rngs(0))
      >>> for leaf in (model.conv1.kernel, model.conv1.bias):
      ...     leaf[...] = leaf[...].at[..., :5].set(0.0)
      >>> small = sgl.compact_module(model, jnp.ones((1, 28, 28, 1))).module
      >>> small.widths
      (15, 50, 500)
      >>> small.conv2.kernel.shape
      (5, 5, 15, 50)
    """
    call = call or (lambda module, *inputs: module(*inputs))
    apply, state = _in_use(module, call)
    compacted = compact(
        apply,
        state,
        *inputs,
        protect=protect,
        round_to=round_to,
        timed=timed,
        strict=strict,
        tolerance=tolerance,
    )
    small, rest = _rebuild(module, lambda state: compacted.params)
    try:
        with full_precision():
            error, scale = check_equal(apply, state, *_in_use(small, call), inputs, tolerance)
    except UnequalError as unequal:
        why = f"its outputs differ by {unequal.error:.2e} where they reach {unequal.scale:.2e}"
        raise ValueError(_refusal(module, compacted.plan, why)) from unequal
    except Exception as cause:  # The user's code, on arrays of sizes that it may not expect.
        why = f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
        raise ValueError(_refusal(module, compacted.plan, why)) from cause
    report = dataclasses.replace(compacted.report, error=error, scale=scale)
    return CompactedModule(small, report, _with_rest(compacted.plan, rest))


def narrow_module(module: nnx.Module, plan: Plan) -> nnx.Module:
    """Makes the module that :func:`compact_module` made with a plan, of other numbers; unchecked.

    Args:
      module: a module like the full one; it stays as it is.
      plan: the positions that stay of every leaf of its state.

    Raises:
      ValueError: a leaf has another shape than the full one.
    """
    return _rebuild(module, plan.narrow_leaves)[0]


def _rebuild(module: nnx.Module, narrow: Callable[[Any], Any]) -> tuple[nnx.Module, Any]:
    """Makes a module with narrow arrays, and the sizes of its layers to match.

    Returns:
      The module, and that part of the state of the full one that is never sliced.
    """
    graphdef, state, rest = nnx.split(module, _is_sliceable, ...)
    small = nnx.merge(graphdef, narrow(state), rest, copy=True)
    resize(small)
    return small, rest


def _is_sliceable(path: tuple[Any, ...], leaf: Any) -> bool:
    """True if a leaf of a module is an array of numbers: no random key, no Python number."""
    value = leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf
    return isinstance(value, jax.Array | np.ndarray) and not isinstance(leaf, nnx.RngState)


def _in_use(module: nnx.Module, call: Callable[..., Any]) -> tuple[Callable[..., Any], Any]:
    """Takes a module apart, in evaluation mode: a function of arrays and inputs, and the arrays."""
    graphdef, state, rest = nnx.split(module, _is_sliceable, ...)
    evaluating = nnx.merge(graphdef, state, rest, copy=True)
    evaluating.eval()
    graphdef = nnx.graphdef(evaluating)

    # Copies, since Flax lets a trace change only those variables that were made in it.
    def apply(state, *inputs):
        return call(nnx.merge(graphdef, state, rest, copy=True), *inputs)

    return apply, state


def _with_rest(plan: Plan, rest: Any) -> Plan:
    """Adds leaves that stay whole to a plan: random keys and the like."""
    leaves, _ = flatten_by_path(rest)
    whole = {p: LeafPlan(np.shape(leaf), (None,) * np.ndim(leaf)) for p, leaf in leaves.items()}
    return Plan((*plan.leaves, *whole.items()))


def _refusal(module: nnx.Module, plan: Plan, why: str) -> str:
    narrow = {path for path, leaf in plan.leaves if leaf.shape != leaf.narrow_shape}
    counted = "|".join(re.escape(path) for path in counting(module) if path in narrow)
    remedy = f"those that it counts with protect={counted!r}" if counted else "some with protect="
    return (
        f"{type(module).__name__} must give the same outputs by its own code without its dead "
        f"channels, and does not ({why}): keep {remedy}, or use sgl.compact, whose networks count "
        "as the full one."
    )
