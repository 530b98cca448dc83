"""The directions of Adam and of its successors."""

from typing import Any

import optax

from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.directions._base import Direction, check_eps, decayed, root_plus


__all__ = ["adam", "adamw", "adan", "amsgrad", "nadam"]


def adam(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    *,
    nesterov: bool = False,
) -> Direction:
    r"""The direction of ``optax.adam``; its metric is :math:`\sqrt{\hat v +\epsilon_r} + \epsilon`.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the root; positive, so that the metric is.
      eps_root: added under the root.
      nesterov: True for Nesterov's momentum.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    check_eps("adam", eps)
    link = optax.scale_by_adam(b1, b2, eps, eps_root, nesterov=nesterov)

    def metric(state):
        v_hat = optax.tree.bias_correction(state.nu, b2, state.count)
        return root_plus(v_hat, eps_root, eps)

    return Direction(link.init, link.update, metric)


def nadam(
    b1: ArrayLike = 0.9, b2: ArrayLike = 0.999, eps: ArrayLike = 1e-8, eps_root: ArrayLike = 0.0
) -> Direction:
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
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    *,
    weight_decay: ScalarOrSchedule = 1e-4,
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
      mask: a tree of booleans, or a function from the parameters to one, true for what decays.
      nesterov: True for Nesterov's momentum.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    base = adam(b1, b2, eps, eps_root, nesterov=nesterov)
    return decayed(base, weight_decay, mask)


def amsgrad(
    b1: ArrayLike = 0.9, b2: ArrayLike = 0.999, eps: ArrayLike = 1e-8, eps_root: ArrayLike = 0.0
) -> Direction:
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
    check_eps("amsgrad", eps)
    link = optax.scale_by_amsgrad(b1, b2, eps, eps_root)
    return Direction(link.init, link.update, lambda state: root_plus(state.nu_max, eps_root, eps))


def adan(
    b1: ArrayLike = 0.98,
    b2: ArrayLike = 0.92,
    b3: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 1e-8,
    *,
    weight_decay: ScalarOrSchedule = 0.0,
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
    check_eps("adan", eps)
    link = optax.scale_by_adan(b1, b2, b3, eps, eps_root)

    def metric(state):
        return root_plus(optax.tree.bias_correction(state.n, b3, state.t), eps_root, eps)

    return decayed(Direction(link.init, link.update, metric), weight_decay, mask)
