"""Runs whose trained kernels are put on levels, as a quantising training leaves them."""

import jax.numpy as jnp
import numpy as np

from sgl_jax.runs import _checkpoint as checkpoint
from sgl_jax.runs.experiment import prepare


def round_kernel(kernel, most=4):
    """A kernel on levels, without its smaller half."""
    array = np.asarray(kernel, np.float32)
    interval = np.float32(np.abs(array).max() / most)
    codes = np.where(np.abs(array) > np.median(np.abs(array)), np.rint(array / interval), 0)
    return jnp.asarray(interval * codes.astype(np.float32))


def put_on_levels(folder):
    """Rounds the kernels in the newest checkpoint of a run folder; its first filter is dead."""
    experiment = prepare(folder.read_config())
    run = folder.read_run(experiment)
    params = run.state.params
    for layer in params.values():
        layer["kernel"][...] = round_kernel(layer["kernel"][...])
    first = next(iter(params.values()))
    for name in ("kernel", "bias"):
        first[name][...] = first[name][...].at[..., 0].set(0.0)
    checkpoint.save(folder.path / "checkpoints", run.records[-1].epoch, run.state)
