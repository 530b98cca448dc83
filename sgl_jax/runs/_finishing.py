"""The end of a run on a fixed support: the sparse network is trained on, without a penalty."""

import optax

from sgl_jax._util.typing import Params
from sgl_jax.groups import GroupingLike, by_entry
from sgl_jax.runs._builders import build_grouping, build_transformation
from sgl_jax.runs._run import Experiment
from sgl_jax.runs.parts import OF_AN_ITERATE
from sgl_jax.train import TrainState
from sgl_jax.transforms import keep_support


__all__ = ["finish", "finished_experiment"]


def finish(
    experiment: Experiment, state: TrainState, params: Params, epochs: int
) -> tuple[Experiment, TrainState]:
    """Makes sparse parameters the trained ones, and keeps their zeros from then on.

    Args:
      experiment: the run, with its regularizer.
      state: its state, whole on one device.
      params: the sparse parameters.
      epochs: epochs that are left.

    Returns:
      Both, of a plain optimizer on the support, with a state of its own.
    """
    tx = _build_finishing(experiment, epochs)
    state = TrainState(params, state.rest, tx.init(params), state.step)
    return experiment._replace(tx=tx, state=state), state


def finished_experiment(experiment: Experiment, epochs: int) -> Experiment:
    """Makes the objects of a run that :func:`finish` has changed, without its numbers.

    Args:
      experiment: the run as it begins.
      epochs: as in :func:`finish`.
    """
    state = experiment.state
    tx = _build_finishing(experiment, epochs)
    return experiment._replace(tx=tx, state=state._replace(opt_state=tx.init(state.params)))


def _build_finishing(experiment: Experiment, epochs: int) -> optax.GradientTransformation:
    """Builds the base optimizer, at a rate that falls along a cosine, on the support.

    Channels that are dead stay so with their biases; of the paper's neurons, which have none, only
    the kernels keep their zeros.
    """
    config = experiment.config
    algorithm = "subgradient" if config.algorithm in OF_AN_ITERATE else config.algorithm
    plain = config.twin().changed(algorithm=algorithm, schedule="cosine", epochs=epochs)
    steps = len(experiment.data.y_train) // config.batch_size
    tx = build_transformation(plain, experiment.strengths, steps, None)
    return optax.chain(tx, keep_support(_build_support(experiment)))


def _build_support(experiment: Experiment) -> GroupingLike:
    """Builds a grouping of the leaves that keep their zeros."""
    config, state = experiment.config, experiment.state
    if config.groups != "neurons":
        return by_entry()
    variables = (state.params, state.rest)
    return build_grouping(config, experiment.network.apply, variables, experiment.image)[0]
