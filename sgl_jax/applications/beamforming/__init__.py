"""Energy-efficient edge inference: group-sparse beamforming, robust, batched, certified.

Access points run inference tasks and beam the results to users, at little power for computation
and transmission, such that every user meets its target on all channels of a set. In the order in
which data flow:

- ``_double``: float64 for a call.
- ``_units``, ``_network``: decibels at the edges; costs, limits and targets.
- ``_order``, ``_ellipsoids``, ``_draws``: sets of channels, learned from samples; random networks.
- ``_worst``: the worst channel of an ellipsoid for given beams, exactly.
- ``_linear``, ``_duality``: beams for perfect channels, by the duality of uplink and downlink.
- ``_problem``, ``_saddle``: the fast path, between beams and worst channels, with bounds.
- ``_cone``, ``_newton``, ``_relaxation``: the sure path, an interior-point method.
- ``_engine``: one after the other, where the first leaves a gap.
- ``_setting``, ``_rounds``, ``_search``, ``_methods``: how methods find the pairs that are on.
- ``_solve``, ``_outage``: the entry and its report; outage, and radii no larger than needed.
"""

from sgl_jax.applications.beamforming._draws import (
    SIZES as SIZES,
    Draw as Draw,
    draw as draw,
    sample as sample,
)
from sgl_jax.applications.beamforming._ellipsoids import (
    SHAPES as SHAPES,
    Ellipsoids as Ellipsoids,
    from_shapes as from_shapes,
    learn_ellipsoids as learn_ellipsoids,
    perfect as perfect,
)
from sgl_jax.applications.beamforming._methods import METHODS as METHODS
from sgl_jax.applications.beamforming._network import Network as Network
from sgl_jax.applications.beamforming._order import find_order as find_order
from sgl_jax.applications.beamforming._outage import (
    Calibrated as Calibrated,
    calibrate as calibrate,
    outage as outage,
    sinr as sinr,
)
from sgl_jax.applications.beamforming._rounds import History as History
from sgl_jax.applications.beamforming._solve import (
    Solution as Solution,
    history as history,
    solve as solve,
)
from sgl_jax.applications.beamforming._units import (
    from_db as from_db,
    from_dbm as from_dbm,
    to_db as to_db,
)


__all__ = [
    "METHODS",
    "SHAPES",
    "SIZES",
    "Calibrated",
    "Draw",
    "Ellipsoids",
    "History",
    "Network",
    "Solution",
    "calibrate",
    "draw",
    "find_order",
    "from_db",
    "from_dbm",
    "from_shapes",
    "history",
    "learn_ellipsoids",
    "outage",
    "perfect",
    "sample",
    "sinr",
    "solve",
    "to_db",
]
