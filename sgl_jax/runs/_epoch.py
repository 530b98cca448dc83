"""The end of an epoch: errors and sparsity are measured, and the run goes to its next stage."""

import math
from typing import Any

import optax

from sgl_jax import train
from sgl_jax._util.typing import Params
from sgl_jax.runs._run import Experiment, Run, get_sparse_params
from sgl_jax.runs._stages import change_stage
from sgl_jax.runs.parts import is_regularized
from sgl_jax.runs.records import Record, count_layers, measure_shares
from sgl_jax.train.placement import gathered
from sgl_jax.transforms import splitting_gap


__all__ = ["end_epoch", "measure"]


def end_epoch(run: Run, state: train.TrainState, loss: float, before: Params | None) -> Run:
    """Measures an epoch, and takes the run to the stage of the next.

    Args:
      run: the run before the epoch.
      state: its state after the epoch.
      loss: the mean loss over the steps of the epoch.
      before: from :func:`copy_sparse_params`, before the epoch.

    Raises:
      FloatingPointError: the loss is no finite number.
      ValueError: dead channels cannot leave the network.
    """
    epoch, whole = len(run.records) + 1, gathered(state)
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"Training needs a finite loss, got {loss} in epoch {epoch}: lower the learning rate "
            f"(now {run.experiment.config.learning_rate})."
        )
    record = measure(run.experiment, whole, epoch, loss)
    return change_stage(run._replace(state=whole, records=[*run.records, record]), before)


def measure(experiment: Experiment, state: train.TrainState, epoch: int, loss: float) -> Record:
    """Measures errors on the test images and sparsity; returns the record of an epoch."""
    config, data, network = experiment.config, experiment.data, experiment.network

    def test(params: Params) -> train.Evaluation:
        variables, where = (params, state.rest), experiment.placement
        return train.evaluate(network.apply, variables, data.x_test, data.y_test, placement=where)

    state = experiment.read(state)
    sparse = get_sparse_params(config, state)
    is_split = is_regularized(vars(config))
    gap = float(splitting_gap(state.opt_state, state.params)) if is_split else 0.0
    wide, groups = experiment.widen(sparse), experiment.groups
    tested, shares = test(state.params), measure_shares(experiment.widen(state.params), groups)
    return Record(
        epoch,
        loss,
        tested.error,
        tested.loss,
        test(sparse).error if gap else tested.error,
        gap,
        measure_shares(wide, groups) if gap else shares,
        shares,
        count_layers(wide, groups),
        agreement=_read_agreement(state.opt_state),
    )


def _read_agreement(opt_state: Any) -> dict[str, float] | None:
    """Reads residuals and changes off the state of an algorithm that has them."""
    found = {name: optax.tree.get(opt_state, name) for name in ("primal", "dual", "changed")}
    return {n: float(value) for n, value in found.items() if value is not None} or None
