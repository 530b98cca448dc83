"""The distance of parameters from a stationary point."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import working_dtype
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Updates
from sgl_jax.regularizers._kinds import require_numbers
from sgl_jax.regularizers._sparse_group import RegularizerLike, require_regularizer


__all__ = ["optimality"]


def optimality(regularizer: RegularizerLike, params: Params, grads: Updates) -> Float[Array, ""]:
    r"""Measures how far parameters are from optimal: the length of the shortest subgradient.

    .. math::
      \min_{v \in \partial R(w)} \|\nabla L(w) + v\|_2

    over the whole tree. It is zero where :math:`L + R` is stationary, and the norm of the gradient
    where there is no penalty, so it is compared with its value at the start, as that norm is. No
    step size enters, unlike in the distance that a proximal step moves.

    A live group has the subgradient :math:`\text{weight}_g\, \phi'(\|w_g\|) w_g / \|w_g\|`, one
    of zeros all vectors up to :math:`\text{weight}_g\, \phi'(0^+)` long, which is infinite for
    :class:`~sgl_jax.L0` and :class:`~sgl_jax.Lq`: there zero is always stationary. Those are the
    regular subgradients, which are the usual ones of a convex penalty. Entries and groups of a
    :class:`~sgl_jax.SparseGroup` are taken together.

    Args:
      regularizer: strengths are numbers.
      params: the parameters.
      grads: gradients of the loss there, a tree like ``params``.

    Returns:
      A scalar :math:`\ge 0`.

    Raises:
      ValueError: a constraint, a penalty that defines no subgradients, a schedule, groups that
        overlap, or an entry penalty of several entries beside a group penalty.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> params, grads = jnp.array([0.0, 2.0]), jnp.array([0.3, -0.5])
      >>> sgl.optimality(sgl.Regularizer(sgl.L1(lam=0.5)), params, grads)
      Array(0., dtype=float32)

    References:
      Rockafellar and Wets, Variational analysis, Springer 1998.
    """
    require_regularizer("optimality", regularizer)
    require_numbers("optimality", regularizer.penalties)
    leaves, slopes = flatten_by_path(params)[0], flatten_by_path(grads)[0]
    found = regularizer.resolved(params).residual_leaves(leaves, slopes).values()
    dtype = working_dtype(*found)
    squares = [jnp.sum(jnp.square(residual.astype(dtype))) for residual in found]
    return jnp.sqrt(sum(squares, jnp.zeros((), dtype)))
