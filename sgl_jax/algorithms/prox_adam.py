"""Proximal Adam, in Adam's own metric."""

import optax

from sgl_jax import directions
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms import proximal


__all__ = ["prox_adam"]


def prox_adam(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike | None = None,
    *,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
) -> optax.GradientTransformationExtraArgs:
    r"""A step of Adam, then the prox of the regularizer in Adam's metric.

    .. math::
      p \leftarrow \arg\min_z \; \eta R(z) + \tfrac12 \sum_i d_i
      \bigl(z_i - (p_i - \eta\, \hat m_i / d_i)\bigr)^2,
      \qquad d = \sqrt{\hat v} + \epsilon

    Exact entry by entry for every penalty that is a function of a norm, for l2 groups
    (``Regularizer(L1(lam), by_neuron())``) and for the sparse group lasso. Exact zeros appear
    within the first epochs.

    Args:
      learning_rate: :math:`\eta`, a number or a schedule.
      regularizer: ``None`` makes this ``optax.adam``.
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the root, > 0.
      eps_root: added under the root, >= 0.

    Example:
      >>> import jax.numpy as jnp, optax, sgl_jax as sgl
      >>> params = {"kernel": jnp.array([[0.5, 0.01], [0.2, -0.3]])}
      >>> tx = sgl.prox_adam(1e-2, sgl.SparseGroup(sgl.L1(lam=1e-3), sgl.L1(lam=1e-3)))
      >>> state = tx.init(params)
      >>> grads = {"kernel": jnp.full((2, 2), 1e-3)}
      >>> updates, state = tx.update(grads, state, params)
      >>> print(optax.apply_updates(params, updates)["kernel"] == 0)
      [[False  True]
       [False False]]

    References:
      Yun, Lozano and Yang, Adaptive proximal gradient methods for structured neural networks,
      NeurIPS 2021.
    """
    direction = directions.adam(b1, b2, eps, eps_root)
    return proximal(direction, regularizer, learning_rate)
