"""The catalogue of algorithms: one file each, one line here."""

from sgl_jax.algorithms._base import Algorithm as Algorithm
from sgl_jax.algorithms.prox_adam import prox_adam as prox_adam
from sgl_jax.algorithms.prox_sgd import prox_sgd as prox_sgd
from sgl_jax.algorithms.splitting import splitting as splitting
from sgl_jax.algorithms.subgradient import subgradient as subgradient


__all__ = ["ALGORITHMS", "Algorithm", "prox_adam", "prox_sgd", "splitting", "subgradient"]

ALGORITHMS: dict[str, Algorithm] = {
    "prox_adam": prox_adam,
    "prox_sgd": prox_sgd,
    "splitting": splitting,
    "subgradient": subgradient,
}
