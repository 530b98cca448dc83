r"""Directions: what an optimizer does before its step, with the metric it does it in.

A proximal step needs to know in which metric its optimizer measures distance. Adam moves by
:math:`-\text{rate} \cdot \hat m / d` with :math:`d = \sqrt{\hat v} + \epsilon`, which is a gradient
step in the metric :math:`d`, and its proximal step is

.. math:: \arg\min_z \; \text{rate} \cdot R(z) + \tfrac12 \sum_i d_i (z_i - p_i + \text{rate} \,
  \hat m_i / d_i)^2.

With the Euclidean prox instead, it converges to another point.

Lion and Muon have no such metric: a sign, or an orthogonal matrix, does not say how large the
gradient was, so no strength can be weighed against it. They are not here;
``proximal(optax.scale_by_lion(), regularizer, rate, metric=None)`` takes Euclidean steps behind
them, which makes exact zeros but has other fixed points than the minimisers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sgl_jax._typing import Params, Step, Strength


__all__ = [
    "DIRECTIONS",
    "Direction",
    "adagrad",
    "adam",
    "adamw",
    "adan",
    "amsgrad",
    "nadam",
    "rmsprop",
    "sgd",
]


class Direction(NamedTuple):
    """An Optax transformation that does not scale by the learning rate, and its metric.

    Attributes:
      init: ``init(params) -> state``.
      update: ``update(gradients, state, params) -> (direction, state)``, to be multiplied by minus
        the learning rate.
      metric: ``metric(state)`` is the diagonal in which the last direction was the gradient, a
        tree like the parameters; ``None`` if it is the identity.
    """

    init: Callable[[Params], Any]
    update: Callable[..., tuple[Any, Any]]
    metric: Callable[[Any], Params] | None


def sgd(momentum: Step | None = None, nesterov: bool = False) -> Direction:
    """The direction of ``optax.sgd``, in the Euclidean metric.

    Args:
      momentum: decay of the accumulated gradients in [0, 1); ``None`` keeps none.
      nesterov: whether to look ahead.
    """
    link = optax.identity() if momentum is None else optax.trace(momentum, nesterov)
    return Direction(link.init, link.update, metric=None)


def adam(
    b1: Step = 0.9,
    b2: Step = 0.999,
    eps: Step = 1e-8,
    eps_root: Step = 0.0,
    *,
    nesterov: bool = False,
) -> Direction:
    r"""The direction of ``optax.adam``; its metric is :math:`\sqrt{\hat v +\epsilon_r} + \epsilon`.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the root; positive, so that the metric is.
      eps_root: added under the root.
      nesterov: whether to look ahead.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    _check("adam", eps)
    link = optax.scale_by_adam(b1, b2, eps, eps_root, nesterov=nesterov)

    def metric(state):
        v_hat = optax.tree.bias_correction(state.nu, b2, state.count)
        return _root_plus(v_hat, eps_root, eps)

    return Direction(link.init, link.update, metric)


def nadam(b1: Step = 0.9, b2: Step = 0.999, eps: Step = 1e-8, eps_root: Step = 0.0) -> Direction:
    """The direction of ``optax.nadam``, in the metric of :func:`adam`.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the root; positive, so that the metric is.
      eps_root: added under the root.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    return adam(b1, b2, eps, eps_root, nesterov=True)


def adamw(
    b1: Step = 0.9,
    b2: Step = 0.999,
    eps: Step = 1e-8,
    eps_root: Step = 0.0,
    *,
    weight_decay: Strength = 1e-4,
    mask: Any = None,
    nesterov: bool = False,
) -> Direction:
    r"""The direction of ``optax.adamw``, in the metric of :func:`adam`.

    The decay is decoupled: not the gradient of a term of the objective, but a pull of the step
    towards zero, before the prox.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the root; positive, so that the metric is.
      eps_root: added under the root.
      weight_decay: share of a weight that a step of rate 1 takes away, a number or a schedule.
      mask: a tree of booleans, or a function from the parameters to one: what decays.
      nesterov: whether to look ahead.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    base = adam(b1, b2, eps, eps_root, nesterov=nesterov)
    return _decayed(base, weight_decay, mask)


def amsgrad(b1: Step = 0.9, b2: Step = 0.999, eps: Step = 1e-8, eps_root: Step = 0.0) -> Direction:
    r"""The direction of ``optax.amsgrad``: Adam whose metric never falls.

    The metric is :math:`\sqrt{\max_t \hat v_t + \epsilon_r} + \epsilon`.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the root; positive, so that the metric is.
      eps_root: added under the root.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    _check("amsgrad", eps)
    link = optax.scale_by_amsgrad(b1, b2, eps, eps_root)
    return Direction(link.init, link.update, lambda state: _root_plus(state.nu_max, eps_root, eps))


def adan(
    b1: Step = 0.98,
    b2: Step = 0.92,
    b3: Step = 0.99,
    eps: Step = 1e-8,
    eps_root: Step = 1e-8,
    *,
    weight_decay: Strength = 0.0,
    mask: Any = None,
) -> Direction:
    r"""The direction of ``optax.adan``; its metric is :math:`\sqrt{\hat n +\epsilon_r}+\epsilon`.

    Args:
      b1: decay of the gradients, in [0, 1).
      b2: decay of their differences, in [0, 1).
      b3: decay of the squares :math:`n`, in [0, 1).
      eps: added to the root; positive, so that the metric is.
      eps_root: added under the root.
      weight_decay: as in :func:`adamw`.
      mask: as in :func:`adamw`.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    _check("adan", eps)
    link = optax.scale_by_adan(b1, b2, b3, eps, eps_root)

    def metric(state):
        return _root_plus(optax.tree.bias_correction(state.n, b3, state.t), eps_root, eps)

    return _decayed(Direction(link.init, link.update, metric), weight_decay, mask)


def adagrad(initial_accumulator_value: Step = 0.1, eps: Step = 1e-7) -> Direction:
    r"""The direction of ``optax.adagrad``; its metric is :math:`\sqrt{\sum_t g_t^2 + \epsilon}`.

    Args:
      initial_accumulator_value: what the sum starts from, >= 0.
      eps: added under the root; positive, so that the metric is.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    _check("adagrad", eps)
    link = optax.scale_by_rss(initial_accumulator_value, eps)
    return Direction(
        link.init, link.update, lambda state: _root_plus(state.sum_of_squares, eps, 0.0)
    )


def rmsprop(
    decay: Step = 0.9,
    eps: Step = 1e-8,
    initial_scale: Step = 0.0,
    *,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> Direction:
    r"""The direction of ``optax.rmsprop`` without momentum, metric :math:`\sqrt{v+\epsilon}`.

    Args:
      decay: decay of the squares :math:`v`, in [0, 1).
      eps: added under the root; positive, so that the metric is.
      initial_scale: what the squares start from, >= 0.
      eps_in_sqrt: whether ``eps`` is added under the root instead of to it.
      bias_correction: whether the squares are corrected for their start.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    _check("rmsprop", eps)
    link = optax.scale_by_rms(decay, eps, initial_scale, eps_in_sqrt, bias_correction)

    def metric(state):
        v = state.nu
        if bias_correction:
            v = optax.tree.bias_correction(v, decay, state.count)
        return _root_plus(v, eps, 0.0) if eps_in_sqrt else _root_plus(v, 0.0, eps)

    return Direction(link.init, link.update, metric)


DIRECTIONS: dict[str, Callable[..., Direction]] = {
    "adagrad": adagrad,
    "adam": adam,
    "adamw": adamw,
    "adan": adan,
    "amsgrad": amsgrad,
    "nadam": nadam,
    "rmsprop": rmsprop,
    "sgd": sgd,
}
"""Every direction by the name of its optimizer in Optax."""


def _check(name: str, eps: Step) -> None:
    if isinstance(eps, float | int) and eps <= 0:
        raise ValueError(f"The metric of {name} needs eps > 0, got eps={eps}.")


def _root_plus(squares: Params, under: Step, beside: Step) -> Params:
    """The root of every leaf plus ``under``, plus ``beside``."""
    return jax.tree.map(lambda v: jnp.sqrt(v + under) + beside, squares)


def _decayed(base: Direction, weight_decay: Strength, mask: Any) -> Direction:
    """A direction with decoupled weight decay, in the same metric."""
    decay = optax.add_decayed_weights(weight_decay, mask)
    link = optax.chain(optax.GradientTransformation(base.init, base.update), decay)
    metric = base.metric
    assert metric is not None
    return Direction(link.init, link.update, lambda state: metric(state[0]))
