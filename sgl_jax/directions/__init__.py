r"""Directions: the updates of optimizers before the learning rate, each with its metric.

A proximal step needs the metric in which its optimizer measures distance. Adam moves by
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

from sgl_jax.directions._adam import adam, adamw, adan, amsgrad, nadam
from sgl_jax.directions._base import Direction
from sgl_jax.directions._sgd import sgd
from sgl_jax.directions._squares import adagrad, rmsprop


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

DIRECTIONS: dict[str, Callable[..., Direction]] = {
    name: globals()[name] for name in __all__ if name.islower()
}
"""Every direction by the name of its optimizer in Optax."""
