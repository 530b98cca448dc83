"""Removes dead channels from a Flax module, which stays a module."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from flax import nnx

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Path
from sgl_jax.compaction import LeafPlan, Plan, Report, compact, narrow_state
from sgl_jax.compaction.flax._attempts import Attempts, rebuild
from sgl_jax.compaction.flax._modes import UnlikeError, split


__all__ = ["CompactedModule", "compact_module", "narrow_module"]


@dataclasses.dataclass(frozen=True)
class CompactedModule:
    """A module without its dead channels.

    Attributes:
      module: an ordinary module of the same class, with smaller arrays and its sizes set to match;
        in training mode or not, as the module that it was made of.
      report: the channels that were removed, and why others were not.
      plan: the positions that stay of every leaf of its state.
      rescaled: the factors by which arrays were multiplied, by path, where a layer divides by the
        number of its channels.
    """

    module: nnx.Module
    report: Report
    plan: Plan
    rescaled: dict[Path, float] = dataclasses.field(default_factory=dict)

    def shrink(self, tree: Any) -> Any:
        """Narrows trees like the state of the full module: moments, averages, masks, gradients.

        Nothing is rescaled: weights of the full module become those of this one if the arrays in
        ``rescaled`` are multiplied by their factors.

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
    by_layer: bool = True,
) -> CompactedModule:
    r"""Removes the channels of a Flax module that change nothing, and checks that nothing changed.

    What goes is what :func:`sgl_jax.compact` finds in evaluation mode (``module.eval()``). What
    comes out is a module like any other, for ``nnx.split``, ``nnx.jit`` and ``nnx.Optimizer``: its
    arrays are narrow, its layers have the sizes to match, what was shared still is, and it runs by
    its own code, which must give the same outputs. The module itself stays as it is.

    A module in training mode must give the same outputs in that mode, too. A constant channel in
    front of a norm with the statistics of the batch, or of a dropout, is another number there; if
    one is in the way, all constants stay, and the report says so. Random numbers are compared as
    if all draws were alike.

    Some layers divide by a number of channels n, of which m are left. With :math:`q = m / n` an
    RMSNorm gets the scale :math:`s / \sqrt q` and :math:`\epsilon / q`, and queries of attention
    are multiplied by :math:`\sqrt q`, which is exact. A norm that subtracts the mean over the
    channels is treated like an RMSNorm, which is exact only if that mean is always zero.

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
      tolerance: as for ``compact``: largest relative difference of outputs allowed; in training
        mode by default what rounding makes of it, if that is more.
      by_layer: as for ``compact``: put the units of stacked layers into an order of their own in
        each layer.

    Raises:
      ValueError: ``compact`` refuses the module, it does not run in the training mode in which it
        is, or its own code does not give the same outputs without the channels: it depends on their
        number, or has it written down. The message names the fewest arrays that have to stay.

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
    attempts = Attempts(
        module, call or (lambda module, *inputs: module(*inputs)), inputs, tolerance
    )
    options = {
        "round_to": round_to,
        "timed": timed,
        "strict": strict,
        "tolerance": tolerance,
        "by_layer": by_layer,
    }

    def narrow(traced):
        return compact(traced, attempts.full.state, *inputs, protect=protect, **options)

    attempts.check()
    try:
        found = attempts.make(narrow)
    except UnlikeError as unlike:
        rounded = 1 if round_to == "fastest" else round_to
        raise ValueError(attempts.explain(unlike, protect, rounded)) from unlike
    report = attempts.report(found)
    plan = _with_rest(found.narrow.plan, split(module)[2])
    return CompactedModule(found.module, report, plan, found.rescaled)


def narrow_module(module: nnx.Module, plan: Plan) -> nnx.Module:
    """Makes the module that :func:`compact_module` made with a plan, of other numbers; unchecked.

    Args:
      module: a module like the full one; it stays as it is.
      plan: the positions that stay of every leaf of its state.

    Raises:
      ValueError: a leaf has another shape than the full one.
    """
    return rebuild(module, plan.narrow_leaves)[0]


def _with_rest(plan: Plan, rest: Any) -> Plan:
    """Adds leaves that stay whole to a plan: random keys and the like."""
    leaves, _ = flatten_by_path(rest)
    whole = {path: LeafPlan.whole(np.shape(leaf)) for path, leaf in leaves.items()}
    return Plan((*plan.leaves, *whole.items()))
