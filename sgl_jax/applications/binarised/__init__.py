r"""A network with binarised activation and a sparse filter, learned by coarse gradients.

One filter of :math:`d` entries is applied to :math:`k` patches that do not overlap, binarised, and
summed: :math:`f(X, w) = \sum_i 1\{x_i^\top w > 0\}`. From the outputs of a network with another,
sparse filter :math:`w^*` that filter is learned by relaxed variable splitting, for l1, l0 and
transformed l1. Its direction, that is: outputs do not depend on the norm. With Gaussian inputs all
that happens has a formula, and what a run should come to is known beforehand, in the order of this
tour:

- ``_network``: the network, its loss and its coarse gradient, on inputs that are given;
- ``_quadrature``: integrals with structure at many scales;
- ``_forms``: what each proxy comes to in the mean;
- ``_population``: loss, coarse gradient and potential of the population;
- ``_problem``, ``_problems``: :class:`Population`, :class:`Sample` and :class:`Batches`, from which
  a run learns;
- ``_lanes``: the arguments of a run, and which of them have lanes;
- ``_fit``: :func:`fit`, the iteration, many runs in one call, and :func:`lyapunov`, what it lowers;
- ``_rules``, ``_roots``, ``_gamma``: the equations of a limit, entry by entry, and their roots;
- ``_limit``: :class:`Limit`, with its angle, its stability, its rate and its sampling errors;
- ``_fixed_points``: fixed points by their patterns of active entries;
- ``_limits``: :func:`limit` and :func:`limits`, the theory, without running anything;
- ``_recovery``: :func:`recovery`, strengths up to which the support is found.
"""

from sgl_jax.applications.binarised._fit import (
    Fitted as Fitted,
    fit as fit,
    lyapunov as lyapunov,
)
from sgl_jax.applications.binarised._limit import Limit as Limit
from sgl_jax.applications.binarised._limits import limit as limit, limits as limits
from sgl_jax.applications.binarised._network import (
    coarse_gradient as coarse_gradient,
    draw as draw,
    no_overlap as no_overlap,
    squared_loss as squared_loss,
)
from sgl_jax.applications.binarised._population import (
    angle as angle,
    population_coarse_gradient as population_coarse_gradient,
    population_loss as population_loss,
    potential as potential,
)
from sgl_jax.applications.binarised._problem import Problem as Problem
from sgl_jax.applications.binarised._problems import (
    Batches as Batches,
    Population as Population,
    Sample as Sample,
)
from sgl_jax.applications.binarised._recovery import Recovery as Recovery, recovery as recovery


__all__ = [
    "Batches",
    "Fitted",
    "Limit",
    "Population",
    "Problem",
    "Recovery",
    "Sample",
    "angle",
    "coarse_gradient",
    "draw",
    "fit",
    "limit",
    "limits",
    "lyapunov",
    "no_overlap",
    "population_coarse_gradient",
    "population_loss",
    "potential",
    "recovery",
    "squared_loss",
]
