"""Records of runs that were never trained, for tables and figures."""

from sgl_jax.metrics import Sparsity
from sgl_jax.runs.records import Layer, Record


NONE = Sparsity(0.0, 0.0, 0.0, 0.0)

LAYERS = {"conv1/kernel": Layer(500, 500, 20, 20), "fc1/kernel": Layer(40_000, 40_000, 800, 800)}

DENSE = Record(2, 0.25, 0.0125, 0.04, 0.0125, 0.0, NONE, NONE, LAYERS)

SPARSE = DENSE._replace(
    error=0.02,
    sparse_error=0.02,
    sparsity=Sparsity(0.875, 0.25, 0.875, 0.25),
    w_sparsity=Sparsity(0.875, 0.25, 0.875, 0.25),
    layers={"conv1/kernel": Layer(125, 500, 9, 20), "fc1/kernel": Layer(1_234, 40_000, 567, 800)},
)

SPLIT = SPARSE._replace(
    sparse_error=0.0325,
    gap=0.125,
    w_sparsity=Sparsity(0.0, 0.0, 0.625, 0.375),
)
