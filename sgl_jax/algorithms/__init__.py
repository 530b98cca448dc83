"""The catalogue of algorithms: one file each, one line here."""

from sgl_jax._util.catalogue import by_file as _by_file, exported as _exported
from sgl_jax.algorithms._base import Algorithm as Algorithm
from sgl_jax.algorithms.admm import admm as admm
from sgl_jax.algorithms.cges import cges as cges
from sgl_jax.algorithms.fista import fista as fista
from sgl_jax.algorithms.hspg import hspg as hspg
from sgl_jax.algorithms.incremental import incremental as incremental
from sgl_jax.algorithms.magnitude import magnitude as magnitude
from sgl_jax.algorithms.prox_adam import prox_adam as prox_adam
from sgl_jax.algorithms.prox_sgd import prox_sgd as prox_sgd
from sgl_jax.algorithms.rda import rda as rda
from sgl_jax.algorithms.relaxed_splitting import relaxed_splitting as relaxed_splitting
from sgl_jax.algorithms.schedule_free import schedule_free as schedule_free
from sgl_jax.algorithms.splitting import splitting as splitting
from sgl_jax.algorithms.straight_through import straight_through as straight_through
from sgl_jax.algorithms.subgradient import subgradient as subgradient


ALGORITHMS: dict[str, Algorithm] = _by_file(__name__, globals())
"""Every algorithm by the name of its file, sorted."""

__all__ = _exported(globals())  # pyrefly: ignore[unresolvable-dunder-all]
