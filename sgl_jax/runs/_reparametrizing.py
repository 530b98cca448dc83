"""Runs whose weights are drawn from other parameters."""

from typing import Any

import jax

from sgl_jax import train
from sgl_jax._util.typing import Params
from sgl_jax.reparametrizations import Reparametrization, reparametrized
from sgl_jax.runs._run import Experiment
from sgl_jax.train import Network


__all__ = ["draw_start", "reparametrize"]


def reparametrize(experiment: Experiment, method: Reparametrization) -> Experiment:
    """Makes a run train the parameters that its weights are drawn from.

    Args:
      experiment: the run as it begins, without a regularizer.
      method: what the weights are drawn by.

    Returns:
      The run, whose step takes those parameters; :meth:`Experiment.read` makes weights of them.
    """
    begun, state = experiment._replace(method=method), experiment.state
    drawing, trained, rest = draw_start(begun, state.params, state.rest)
    tx = reparametrized(method, experiment.tx)
    return begun._replace(
        network=experiment.network._replace(forward=drawing.forward),
        tx=tx,
        state=train.init_state(tx, trained, rest),
    )


def draw_start(experiment: Experiment, weights: Params, rest: Any) -> tuple[Network, Params, Any]:
    """Draws what a run trains in the place of its weights.

    Args:
      experiment: the run, with its reparametrization.
      weights: the weights of its network.
      rest: the rest of the arrays of its network.

    Returns:
      The network that draws, the parameters to train, and the rest of the arrays with a key.
    """
    # The orders of the images are drawn from this key and the numbers of epochs, which begin at 1.
    key = jax.random.fold_in(jax.random.key(experiment.config.seed), 0)
    assert experiment.method is not None
    return train.reparametrize(key, experiment.full, weights, rest, experiment.method)
