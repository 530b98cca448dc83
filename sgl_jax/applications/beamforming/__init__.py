"""Energy-efficient edge inference: group-sparse beamforming, robust, batched, certified."""

from sgl_jax.applications.beamforming._draws import (
    SIZES as SIZES,
    Draw as Draw,
    draw as draw,
    sample as sample,
)
from sgl_jax.applications.beamforming._ellipsoids import (
    SHAPES as SHAPES,
    Ellipsoids as Ellipsoids,
    find_order as find_order,
    from_shapes as from_shapes,
    learn_ellipsoids as learn_ellipsoids,
)
from sgl_jax.applications.beamforming._methods import METHODS as METHODS
from sgl_jax.applications.beamforming._network import Network as Network
from sgl_jax.applications.beamforming._outage import (
    Calibrated as Calibrated,
    calibrate as calibrate,
    outage as outage,
    sinr as sinr,
)
from sgl_jax.applications.beamforming._solve import Solution as Solution, solve as solve
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
    "Network",
    "Solution",
    "calibrate",
    "draw",
    "find_order",
    "from_db",
    "from_dbm",
    "from_shapes",
    "learn_ellipsoids",
    "outage",
    "sample",
    "sinr",
    "solve",
    "to_db",
]
