r"""Proximal operators: one pure, jittable function per penalty, each defined beside its penalty.

Every function minimises, exactly and for every ``step_size >= 0``,

.. math:: \text{step\_size} \cdot \text{value}(z) + \tfrac12 \|z - w\|^2

over :math:`z`; at a tie it returns the solution of smaller norm, then of lowest index. All but
:func:`prox_exclusive`, :func:`prox_l1_minus_l2` and :func:`prox_nuclear` act on each entry by
itself and are odd, so that on norms they are the scalar half of a group operator. ``step_size`` and
the strengths are numbers or arrays that broadcast against ``w``; they are not checked here (the
penalties check them once).

That of a constraint is a projection, ``project_...``, for which there is no step size;
:func:`project_levels` returns interval and codes, too.

Arithmetic runs in float32 or the dtype of ``w``, whichever is wider, and the result has the dtype
of ``w``, which is real: a complex array is refused. Derivatives exist wherever the operator has
one; at a kink they are those of the zero side.
"""

from sgl_jax._util.catalogue import exported as _exported
from sgl_jax.penalties.box import project_box as project_box
from sgl_jax.penalties.capped_l1 import prox_capped_l1 as prox_capped_l1
from sgl_jax.penalties.elastic_net import prox_elastic_net as prox_elastic_net
from sgl_jax.penalties.etp import prox_etp as prox_etp
from sgl_jax.penalties.exclusive import prox_exclusive as prox_exclusive
from sgl_jax.penalties.geman import prox_geman as prox_geman
from sgl_jax.penalties.l0 import prox_l0 as prox_l0
from sgl_jax.penalties.l1 import prox_l1 as prox_l1
from sgl_jax.penalties.l1_minus_l2 import prox_l1_minus_l2 as prox_l1_minus_l2
from sgl_jax.penalties.levels import project_levels as project_levels
from sgl_jax.penalties.log_sum import prox_log_sum as prox_log_sum
from sgl_jax.penalties.lq import prox_lq as prox_lq
from sgl_jax.penalties.mcp import prox_mcp as prox_mcp
from sgl_jax.penalties.n_of_m import project_n_of_m as project_n_of_m
from sgl_jax.penalties.nonnegative import project_nonnegative as project_nonnegative
from sgl_jax.penalties.nuclear import prox_nuclear as prox_nuclear
from sgl_jax.penalties.scad import prox_scad as prox_scad
from sgl_jax.penalties.top_k import project_top_k as project_top_k
from sgl_jax.penalties.transformed_l1 import prox_transformed_l1 as prox_transformed_l1


__all__ = _exported(globals())  # pyrefly: ignore[unresolvable-dunder-all]
