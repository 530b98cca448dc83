"""Budgets: a share of a network to be left, in the place of a strength to be chosen."""

import dataclasses
import math
from typing import Any, NamedTuple

import jax

from sgl_jax._util.typing import ArrayLike
from sgl_jax.transforms._links import LinkState
from sgl_jax.transforms._views import link_states
from sgl_jax.transforms.schedules import ramp


__all__ = ["Budget", "BudgetState", "scale_strengths"]


class BudgetState(NamedTuple):
    """State of a :class:`Budget`: plain numbers, ``json.dumps(state._asdict())``.

    Attributes:
      epoch: epochs so far.
      factor: factor on all strengths in the next epoch; 0 once done.
      allowed: share that may be left by now.
      done: True once the target is due; from then on the support stays as it is.
    """

    epoch: int
    factor: float
    allowed: float
    done: bool


@dataclasses.dataclass(frozen=True)
class Budget:
    r"""A strength that follows a budget: it rises until a share of a network is left.

    After the epoch k of the first K = ``by * epochs`` the share

    .. math:: p_k = T + (1 - T) \Bigl(1 - \frac kK\Bigr)^3

    may be left, less and less until the target :math:`T`. If more is left, the strength grows by a
    constant factor, else it holds, so it never falls. Groups that shrink slowly die all at once
    when a strength has grown for long enough, so the caller takes what is over the budget after
    every epoch (:func:`project_to_budget`), while there is little of it, instead of waiting for a
    strength that is too large. In epoch K, or before if the target is reached, it is done: the
    support is final, the strength is 0, and the rest of the epochs give back what the penalty took
    from the weights that stay.

    A share is what the caller measures: FLOPs, parameters or weights that are left, of all of them.

    Attributes:
      target: share to be left, in (0, 1).
      epochs: epochs of the whole training, >= 1.
      by: share of the epochs by which the target is reached, in (0, 1].
      start: strength of the first epoch, as a share of the least that sets everything to zero, > 0.
      growth: factor from epoch to epoch where more is left than allowed, >= 1.
      tolerance: relative distance from the target at which it counts as reached, in [0, 1).

    Raises:
      ValueError: a number out of its range.

    Example:
      >>> import sgl_jax as sgl
      >>> budget = sgl.Budget(target=0.25, epochs=30)
      >>> state = budget.init(most=0.2)
      >>> state = budget.update(state, measured=0.98)
      >>> print(f"{state.factor:.0e}, {state.allowed:.2f}")
      3e-05, 0.88

    References:
      Zhu and Gupta, To prune, or not to prune: exploring the efficacy of pruning for model
      compression, ICLR workshop 2018, for the plan.
    """

    target: float
    epochs: int
    by: float = 0.6
    start: float = 1e-4
    growth: float = 1.25
    tolerance: float = 0.02

    def __post_init__(self):
        self._require("target", "in (0, 1)", 0 < self.target < 1)
        self._require("epochs", ">= 1", self.epochs >= 1)
        self._require("by", "in (0, 1]", 0 < self.by <= 1)
        self._require("start", "> 0", self.start > 0)
        self._require("growth", ">= 1", self.growth >= 1)
        self._require("tolerance", "in [0, 1)", 0 <= self.tolerance < 1)

    def _require(self, name: str, words: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"Budget needs {name} {words}, got {name}={getattr(self, name)!r}.")

    @property
    def last(self) -> int:
        """The epoch by which the target is reached."""
        return max(1, round(self.by * self.epochs))

    def init(self, most: ArrayLike) -> BudgetState:
        """Starts far below the factor that would set everything to zero.

        Args:
          most: that factor, > 0: :func:`~sgl_jax.lam_max` over the largest strength.

        Raises:
          ValueError: a factor that is not positive or not finite.
        """
        most = float(most)
        if not 0 < most < math.inf:
            raise ValueError(
                f"Budget needs a finite factor most > 0, got most={most}; take a penalty that "
                "sets groups to zero, and gradients that are not all zero."
            )
        return BudgetState(0, self.start * most, 1.0, False)

    def update(self, state: BudgetState, measured: ArrayLike) -> BudgetState:
        """Chooses the strength of the next epoch; called after every epoch.

        Args:
          state: the state that the epoch was trained with.
          measured: the share that is left after it, in [0, 1].

        Raises:
          ValueError: a share out of its range.
        """
        measured = float(measured)
        if not 0 <= measured <= 1:
            raise ValueError(f"Budget needs measured in [0, 1], got measured={measured}.")
        epoch = state.epoch + 1
        reached = measured <= self.target * (1.0 + self.tolerance)
        if state.done or reached or epoch >= self.last:
            return BudgetState(epoch, 0.0, self.target, True)
        allowed = float(ramp(1.0, self.target, steps=self.last)(epoch))
        growth = self.growth if measured > allowed else 1.0
        return BudgetState(epoch, state.factor * growth, allowed, False)


def scale_strengths(opt_state: Any, initial: Any, factor: float) -> Any:
    """Sets all strengths of penalties in an Optax state to a factor times those at the start.

    Those are the strengths named ``lam``, ``entry_lam``, ``group_lam``; couplings and step sizes
    stay. Nothing is compiled anew.

    Args:
      opt_state: any Optax state with links of this package in it.
      initial: the state that ``init`` of the same transformation made, of a network of any widths.
      factor: >= 0.

    Returns:
      A state like ``opt_state``.

    Raises:
      ValueError: no link, none with a strength, a strength that every update evaluates anew, or a
        negative factor.

    Example:
      >>> import jax.numpy as jnp, optax, sgl_jax as sgl
      >>> tx = sgl.prox_adam(1e-3, sgl.Regularizer(sgl.L1(lam=0.5)))
      >>> state = tx.init(jnp.ones(3))
      >>> optax.tree.get(sgl.scale_strengths(state, tx.init(jnp.ones(3)), 0.1), "lam")
      Array(0.05, dtype=float32)
    """
    if not factor >= 0:
        raise ValueError(f"scale_strengths needs factor >= 0, got factor={factor}.")
    firsts = link_states(initial)
    if not any(_names(first) for first in firsts):
        raise ValueError(
            "scale_strengths needs a state with a strength lam of a penalty, got none; constraints "
            "have no strength."
        )
    for first in firsts:
        if anew := [name for name in _names(first) if name in first.linkdef.evaluated]:
            raise ValueError(
                f"scale_strengths needs strengths that stay in the state, got {', '.join(anew)}, "
                "which every update evaluates anew; give Python numbers, no schedules or arrays."
            )
    remaining = iter(firsts)

    def scaled(node):
        return _scaled(node, next(remaining), factor) if isinstance(node, LinkState) else node

    return jax.tree.map(scaled, opt_state, is_leaf=lambda node: isinstance(node, LinkState))


def _names(state: LinkState) -> list[str]:
    """Names the strengths of penalties."""
    return [name for name in state.strengths if name == "lam" or name.endswith("_lam")]


def _scaled(state: LinkState, first: LinkState, factor: float) -> LinkState:
    found = {
        name: jax.tree.map(lambda lam: (factor * lam).astype(lam.dtype), first.strengths[name])
        for name in _names(first)
    }
    return state._replace(strengths=state.strengths | found)
