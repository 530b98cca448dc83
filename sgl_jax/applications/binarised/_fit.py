"""The iteration: relaxed splitting on coarse gradients, and normalisation after every step."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

import sgl_jax as sgl
from sgl_jax.applications.binarised._lanes import check_arguments, lane_axes, warn_of_long_steps
from sgl_jax.applications.binarised._population import unit
from sgl_jax.applications.binarised._problem import Problem
from sgl_jax.applications.binarised._problems import Population


__all__ = ["Fitted", "fit", "lyapunov"]


class Fitted(NamedTuple):
    """The end of a run.

    Attributes:
      w: the filter, of norm 1 if it was normalised; with lanes, one for each.
      u: its thresholded copy, which has the exact zeros; not normalised, and maybe all zero.
      history: what ``record`` returned, stacked over the updates (behind the lanes); else ``None``.
    """

    w: Float[Array, "*lanes d"]
    u: Float[Array, "*lanes d"]
    history: Any

    @property
    def direction(self) -> Float[Array, "*lanes d"]:
        """The sparse filter, ``u`` of norm 1; zeros where ``u`` is zero."""
        return jnp.vectorize(unit, signature="(d)->(d)")(self.u)


def fit(
    problem: Problem,
    w: Float[Array, "*lanes d"],
    penalty: Any,
    *,
    beta: Any,
    step_size: Any = None,
    steps: int = 1000,
    normalize: bool = True,
    record: Callable[[Array, Array], Any] | None = None,
) -> Fitted:
    r"""Learns a sparse filter by relaxed variable splitting with coarse gradients.

    .. math::
      u = \operatorname{prox}_{r/\beta}(w), \qquad
      w \leftarrow N\bigl(w - \eta \, [\, g(w) + \beta (w - u) \,]\bigr), \qquad N(v) = v / |v|

    The step and the copy are those of :func:`~sgl_jax.relaxed_splitting`. For the population and
    the proxies ``"relu"`` and ``"identity"``, :func:`lyapunov` never rises while
    :math:`\eta \le 1 / (c + \beta)`; the default, with equality there, is exact alternating
    minimisation. Nothing is claimed of longer steps. The limits are those of :func:`limits`,
    whatever the step is; which one of them is reached may depend on it, and on the start.

    All updates are one ``jax.lax.scan``. Arrays of the problem, ``w``, the parameters of the
    penalty, ``beta`` and ``step_size`` may each have one more axis in front, of one length: the
    lanes, which run side by side. A call with the same shapes compiles nothing anew.

    Args:
      problem: a :class:`Population`, a :class:`Sample` or :class:`Batches`.
      w: the start, not zero.
      penalty: any penalty of single entries, such as ``sgl.L1(0.2)``; its strength is for a
        gradient that is summed over patches.
      beta: coupling :math:`\beta > 0`.
      step_size: :math:`\eta > 0`; by default :math:`1 / (c + \beta)`.
      steps: number of updates, >= 1.
      normalize: False to leave out :math:`N`. Then a run with a convex penalty has no limit but 0
        and ends in a cycle about it, of two filters of norm :math:`\eta c / (2 - \eta \beta)`.
      record: a function of ``w`` and ``u`` after an update, whose results are kept. Give the same
        function again, not a new one, so that nothing is compiled anew.

    Returns:
      The filter, its copy and the record.

    Raises:
      ValueError: a start of zeros or of another size, lanes that do not agree, or a number out of
        its range.

    Warns:
      UserWarning: a ``step_size`` above :math:`1 / (c + \beta)`.

    Example:
      >>> import jax, sgl_jax as sgl
      >>> from sgl_jax.applications import binarised
      >>> problem = binarised.Population(jax.numpy.array([0.0, 0.8, 0.6, 0.0]), k=4)
      >>> start = jax.random.normal(jax.random.key(0), (4,))
      >>> run = binarised.fit(problem, start, sgl.L1(0.2), beta=2.0)
      >>> [round(float(entry), 3) for entry in run.direction]
      [0.0, 0.862, 0.506, 0.0]

    References:
      Dinh and Xin, Convergence of a relaxed variable splitting coarse gradient descent method for
      learning sparse weight binarized activation neural network, Front. Appl. Math. Stat. 6:13,
      2020. What is said of steps and limits here was derived for this package.
    """
    w = jnp.asarray(w)
    long = normalize and step_size is not None
    step_size = 1.0 / (problem.constant + beta) if step_size is None else step_size
    check_arguments(problem, w, penalty, beta=beta, step_size=step_size, steps=steps)
    axes = lane_axes(problem, w, penalty, beta, step_size)
    if long:
        warn_of_long_steps(problem.constant, beta, step_size)
    leaves, structure = jax.tree.flatten((problem, w, penalty, beta, step_size))
    return _run(leaves, structure, axes, steps, normalize, record)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5))
def _run(leaves, structure, axes, steps, normalize, record) -> Fitted:
    """Runs every lane, or the only run."""

    def single(*leaves):
        return _run_lane(jax.tree.unflatten(structure, leaves), steps, normalize, record)

    return (single if all(axis is None for axis in axes) else jax.vmap(single, axes))(*leaves)


def _run_lane(arguments, steps, normalize, record) -> Fitted:
    """Runs one lane, in the dtype of the start."""
    problem, w, penalty, beta, step_size = arguments
    beta, step_size = (jnp.asarray(number, w.dtype) for number in (beta, step_size))
    # The copy never replaces the filter.
    period = {"period": steps + 1}
    tx = sgl.relaxed_splitting(step_size, sgl.Regularizer(penalty), beta=beta, **period)

    def update(carry, count):
        w, state = carry
        updates, state = tx.update(problem.gradient(w, count), state, w)
        moved = optax.apply_updates(w, updates)
        w = unit(moved, otherwise=w) if normalize else moved
        kept = None if record is None else record(w, sgl.sparse_params(state, w))
        return (w, state), kept

    w = unit(w) if normalize else w
    (w, state), history = jax.lax.scan(update, (w, tx.init(w)), jnp.arange(steps))
    return Fitted(w, sgl.sparse_params(state, w), history)


def lyapunov(
    problem: Population, w: Float[Array, "d"], penalty: Any, *, beta: Any
) -> Float[Array, ""]:
    r"""Computes the function that the iteration lowers.

    .. math:: F(w) = V(w) + r(u) + \frac\beta2 |w - u|^2, \qquad
      u = \operatorname{prox}_{r/\beta}(w)

    with the potential :math:`V` of the coarse gradient, see :func:`potential`, in the place of the
    loss, with which the sum may rise. On normalised filters, for ``"relu"`` and ``"identity"``, it
    never rises while the step size is at most :math:`1 / (c + \beta)`.

    Args:
      problem: the population.
      w: a filter.
      penalty: the penalty :math:`r`.
      beta: coupling, > 0.
    """
    tx = sgl.relaxed_splitting(0.0, sgl.Regularizer(penalty), beta=beta)
    return problem.potential(w) + sgl.penalty_value(tx.init(w), w)
