"""The removal of the weakest groups until a budget holds."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Leaves, Params, Path
from sgl_jax.regularizers._kinds import require_numbers
from sgl_jax.regularizers._sparse_group import RegularizerLike, require_regularizer


__all__ = ["project_to_budget"]

_PASSED = 64
"""Groups at most that are passed over, since without them too little would be left."""

_WEAK = 2.0**-20
"""Factor on the size of what came back: weaker than all that had stayed."""


def project_to_budget(
    regularizer: RegularizerLike,
    params: Params,
    measure: Callable[[Params], float],
    target: float,
    *,
    before: Params | None = None,
    tolerance: float = 0.02,
) -> Params:
    """Sets the weakest groups to zero until a budget holds; all else stays as it is.

    Groups go in the order in which one proximal step of the regularizer without a gradient removes
    them as its strength grows: for norms the least norm per weight first, for single entries the
    smallest. Of :class:`~sgl_jax.SparseGroup` an entry goes by its own penalty or with its group,
    whichever is first. So weights should follow what is measured, as those of
    :meth:`~sgl_jax.ChannelGroups.flops_weights` do. A group that alone leads far below the target
    is passed over, for cheaper ones behind it; up to 64 of them are. Every leaf keeps its strongest
    group, so no layer is lost.

    Args:
      regularizer: its groups and their order; a single strength does not matter.
      params: the parameters.
      measure: the share of a network that is left, 1 for all of it, of a tree like ``params`` with
        exact zeros; less whenever more is zero. It is called some twenty times.
      target: the share to be left, in (0, 1).
      before: earlier parameters. If too little is left of ``params``, what has become zero since
        comes back from them, as far as the budget allows.
      tolerance: relative distance from the target that is near enough.

    Returns:
      A tree like ``params`` of which at most ``target * (1 + tolerance)`` is left, or else the
      least that the groups allow; as it is if no more is left.

    Raises:
      ValueError: a target out of its range, a constraint, or a penalty that removes no group.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> params = jnp.array([0.1, -3.0, 0.2, 1.0])
      >>> share = lambda params: float(jnp.mean(params != 0))
      >>> print(sgl.project_to_budget(sgl.Regularizer(sgl.L1(1.0)), params, share, 0.5))
      [ 0. -3.  0.  1.]
    """
    require_regularizer("project_to_budget", regularizer)
    require_numbers("project_to_budget", regularizer.penalties)
    if not 0 < target < 1:
        raise ValueError(f"project_to_budget needs target in (0, 1), got target={target}.")
    least, most = target * (1.0 - tolerance), target * (1.0 + tolerance)
    left = measure(params)
    if left > most:
        removal = _Removal.of(regularizer, params)
    elif before is not None and left < least:
        removal = _Removal.of(regularizer, params, before)
        if measure(removal.params) <= most:
            return removal.params
    else:
        return params

    def share(passed, count):
        return float(measure(removal.at(passed, count)))

    return removal.at(*_search(share, len(removal.marks), least, most))


class _Removal(NamedTuple):
    """The order in which the entries of some leaves are removed.

    Attributes:
      params: all parameters.
      strengths: by path, the strength at which each entry goes, which broadcasts against the leaf.
      marks: those strengths, once each, ascending.
    """

    params: Params
    strengths: dict[Path, np.ndarray]
    marks: np.ndarray

    @classmethod
    def of(
        cls, regularizer: RegularizerLike, params: Params, before: Params | None = None
    ) -> "_Removal":
        """Orders the groups of parameters, with those that come back from earlier ones first."""
        leaves, rebuild = flatten_by_path(params)
        resolved, ranked = regularizer.resolved(params), leaves
        if before is not None:
            earlier = flatten_by_path(before)[0]
            earlier = {path: earlier[path] for path in resolved.paths}
            ranked = _filled(leaves, {path: _WEAK * leaf for path, leaf in earlier.items()})
            leaves = _filled(leaves, earlier)
        found = resolved.removal_leaves(ranked, 1.0)
        strengths = {path: np.asarray(least) for path, least in found.items()}
        strengths = {path: np.where(x == x.max(), np.inf, x) for path, x in strengths.items()}
        marks = np.unique(np.concatenate([x.ravel() for x in strengths.values()]))
        marks = marks[(marks > 0) & (marks < np.inf)]
        if not marks.size:
            names = ", ".join(type(penalty).__name__ for penalty in regularizer.penalties)
            raise ValueError(
                f"project_to_budget needs groups that some strength removes, got none by {names}."
            )
        return cls(rebuild(leaves), strengths, marks)

    def at(self, passed: Sequence[int], count: int) -> Params:
        """Sets to zero what goes up to the mark of a number >= 1, but for the marks passed over."""
        leaves, rebuild = flatten_by_path(self.params)
        found = {}
        for path, least in self.strengths.items():
            stays = least > self.marks[count - 1]
            stays |= np.isin(least, self.marks[list(passed)])
            found[path] = jnp.where(stays, leaves[path], 0)
        return rebuild(leaves | found)


def _filled(leaves: Leaves, earlier: Leaves) -> Leaves:
    """Fills the zeros of leaves from earlier ones."""
    return leaves | {
        path: jnp.where(leaves[path] == 0, old, leaves[path]).astype(leaves[path].dtype)
        for path, old in earlier.items()
    }


def _search(
    share: Callable[[tuple[int, ...], int], float], total: int, least: float, most: float
) -> tuple[tuple[int, ...], int]:
    """Finds marks to pass over, and how many to remove, to leave the most in a budget."""
    best, passed, low = (0.0, ((), total)), (), 0
    while len(passed) <= _PASSED:
        left, count = _first_within(partial(share, passed), low, total, least, most)
        if left > most:
            break
        best = max(best, (left, (passed, count)), key=lambda found: found[0])
        if left >= least:
            break
        passed, low = (*passed, count - 1), count
    return best[1]


def _first_within(
    share: Callable[[int], float], low: int, total: int, least: float, most: float
) -> tuple[float, int]:
    """Finds the first count above ``low`` within the budget, or one that is near enough to it."""
    step, high = 1, min(low + 1, total)
    while (left := share(high)) > most and high < total:
        low, step = high, 2 * step
        high = min(high + step, total)
    while high - low > 1 and left < least:
        middle = (low + high) // 2
        if (found := share(middle)) > most:
            low = middle
        else:
            high, left = middle, found
    return left, high
