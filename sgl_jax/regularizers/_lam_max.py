"""The least strength that sets all groups to zero."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import ArrayLike, Params, Updates
from sgl_jax.regularizers._kinds import require_numbers
from sgl_jax.regularizers._sparse_group import RegularizerLike, require_regularizer


__all__ = ["lam_max"]


def lam_max(
    regularizer: RegularizerLike, params: Params, grads: Updates, step_size: ArrayLike = 1.0
) -> Float[Array, ""]:
    r"""Finds the least strength at which one proximal step gives zero for every group.

    .. math::
      \min \{\lambda \ge 0 : \operatorname{prox}_{s R_\lambda}(w - s \nabla L(w)) = 0\}

    where :math:`R_\lambda` is the regularizer with the strength :math:`\lambda` in the place of its
    own. Of several strengths, those of a :class:`~sgl_jax.SparseGroup` or of single groups,
    :math:`\lambda` is the largest, and the others keep their ratios to it.

    At :math:`w = 0` it is the start of a path: from there on up zero stays zero. For the (group)
    lasso it is then a dual norm, :math:`\max_g \|\nabla_g L\| / \text{weight}_g`, for every
    step size. Elsewhere and for other penalties it depends on the step. Where the threshold of a
    penalty is a formula, so is this strength, else a bisection of the prox finds it. Some penalties
    never set a whole group to zero, such as :class:`~sgl_jax.Exclusive`; then it is infinite.

    Args:
      regularizer: its strengths are numbers; a single one is not looked at.
      params: where the step starts.
      grads: gradients of the loss there, a tree like ``params``.
      step_size: :math:`s > 0`.

    Returns:
      The strength, a scalar; infinite if no strength is enough.

    Raises:
      ValueError: a constraint, which has no strength; a schedule; groups that overlap; or no prox
        of entries and groups together.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> params, grads = jnp.zeros(3), jnp.array([0.1, -0.5, 0.3])
      >>> sgl.lam_max(sgl.Regularizer(sgl.L1(lam=1e-3)), params, grads)
      Array(0.5, dtype=float32)

    References:
      Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models via
      coordinate descent, J. Stat. Softw. 33, 2010.
    """
    require_regularizer("lam_max", regularizer)
    require_numbers("lam_max", regularizer.penalties)
    resolved = regularizer.resolved(params)
    leaves, slopes = flatten_by_path(params)[0], flatten_by_path(grads)[0]
    moved = {
        path: leaves[path] - jnp.asarray(step_size, leaves[path].dtype) * slopes[path]
        for path in resolved.paths
    }
    return resolved.lam_max_leaves(moved, step_size)
