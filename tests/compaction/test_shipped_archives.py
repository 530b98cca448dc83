"""Archives beside the records are what the records say, to the last weight."""

import jax
import numpy as np
import pytest
from support.measured import RESULTS, record

import sgl_jax as sgl


WEIGHTS = 430_500
RUNS = {run["run"]: run for run in record("mnist_levels")["runs"]}
SHIPPED = [name.partition("/")[0] for name, run in RUNS.items() if "archive" in run]


@pytest.mark.parametrize("name", SHIPPED)
def test_archive_is_as_sparse_and_on_as_few_levels_as_asked_for(name):
    pruned, run = RUNS[f"{name}/5-retrained"], RUNS[f"{name}/7-fixed"]
    path = RESULTS / "mnist_levels" / run["archive"]["file"]
    assert path.stat().st_size == run["storage"]["file_bytes"]
    leaves = map(np.asarray, jax.tree.leaves(sgl.load_archive(path)))
    kernels = [leaf for leaf in leaves if leaf.ndim > 1]
    kept = sum(np.count_nonzero(kernel) for kernel in kernels)
    assert 0 < kept == run["storage"]["kept"] <= (1 - pruned["config"]["target_sparsity"]) * WEIGHTS
    (bits,) = map(int, run["config"]["bits"])
    for kernel in kernels:
        levels = sgl.read_levels(kernel)
        assert 1 <= levels.largest <= 2 ** (bits - 1)
        np.testing.assert_array_equal(levels.interval * np.float32(levels.codes), kernel)
