"""The catalogue of algorithms: one file each, one line here."""

from sgl_jax.algorithms._base import Algorithm as Algorithm
from sgl_jax.algorithms.admm import admm as admm
from sgl_jax.algorithms.fista import fista as fista
from sgl_jax.algorithms.hspg import hspg as hspg
from sgl_jax.algorithms.magnitude import magnitude as magnitude
from sgl_jax.algorithms.prox_adam import prox_adam as prox_adam
from sgl_jax.algorithms.prox_sgd import prox_sgd as prox_sgd
from sgl_jax.algorithms.rda import rda as rda
from sgl_jax.algorithms.relaxed_splitting import relaxed_splitting as relaxed_splitting
from sgl_jax.algorithms.schedule_free import schedule_free as schedule_free
from sgl_jax.algorithms.splitting import splitting as splitting
from sgl_jax.algorithms.subgradient import subgradient as subgradient


__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "admm",
    "fista",
    "hspg",
    "magnitude",
    "prox_adam",
    "prox_sgd",
    "rda",
    "relaxed_splitting",
    "schedule_free",
    "splitting",
    "subgradient",
]

ALGORITHMS: dict[str, Algorithm] = {
    "admm": admm,
    "fista": fista,
    "hspg": hspg,
    "magnitude": magnitude,
    "prox_adam": prox_adam,
    "prox_sgd": prox_sgd,
    "rda": rda,
    "relaxed_splitting": relaxed_splitting,
    "schedule_free": schedule_free,
    "splitting": splitting,
    "subgradient": subgradient,
}
