"""The objects of a run, and what is read off them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from sgl_jax import train
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Plan
from sgl_jax.data import Augmentation, Dataset, take_batch
from sgl_jax.groups import Groups
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.reparametrizations import Reparametrization
from sgl_jax.runs.config import Config, Strengths
from sgl_jax.runs.parts import is_regularized
from sgl_jax.runs.records import Record
from sgl_jax.train.placement import Placement
from sgl_jax.transforms import sparse_params
from sgl_jax.transforms.budgets import BudgetState


__all__ = ["Experiment", "Run", "get_sparse_params", "take_images"]


class Experiment(NamedTuple):
    """A run that is ready to start: the objects that its config names, checked.

    Attributes:
      config: the config.
      strengths: the strengths in force, undivided.
      data: the images to train and to test on.
      model: the model, without the channels that have left.
      network: the model as functions.
      full: the network with all channels.
      tx: the optimizer.
      state: the state before the first step.
      groups: the groups that its records count, of the network with all channels.
      regularizer: the regularizer on that network; ``None`` for a run without one.
      augment: changes the training images at random.
      placement: the devices to train on, if many.
      plan: the positions that are left of every leaf, once channels have left.
      method: what the weights are made by, if others are trained; ``network.forward`` takes those
        then, and ``network.apply`` the weights.
    """

    config: Config
    strengths: Strengths
    data: Dataset
    model: nnx.Module
    network: train.Network
    full: train.Network
    tx: optax.GradientTransformation
    state: train.TrainState
    groups: Groups
    regularizer: RegularizerLike | None
    augment: Augmentation
    placement: Placement | None = None
    plan: Plan | None = None
    method: Reparametrization | None = None

    @property
    def image(self) -> jax.ShapeDtypeStruct:
        """Shape and dtype of a batch of one image."""
        return jax.ShapeDtypeStruct((1, *self.data.x_train.shape[1:]), jnp.float32)

    def read(self, state: train.TrainState) -> train.TrainState:
        """Reads the weights in use off a state, and the other arrays of the network."""
        if self.method is None:
            return state
        others, _ = state.rest
        return state._replace(params=self.method.read(state.params), rest=others)

    def widen(self, tree: Any) -> Any:
        """Puts zeros where channels have left, into the parameters or the rest of the arrays."""
        return tree if self.plan is None else self.plan.widen(tree)


class Run(NamedTuple):
    """A run as far as it has come.

    Attributes:
      experiment: its objects.
      state: the state after the newest epoch.
      records: the records of all epochs so far.
      budget: the state of the budget that it follows, if any.
    """

    experiment: Experiment
    state: train.TrainState
    records: list[Record]
    budget: BudgetState | None = None


def get_sparse_params(config: Config, state: train.TrainState) -> Params:
    """Reads the weights with their exact zeros; as they are where no regularizer sets any.

    Args:
      config: the config of the run.
      state: a state of the network's own weights, as :meth:`Experiment.read` makes it.
    """
    if not is_regularized(vars(config)):
        return state.params
    return sparse_params(state.opt_state, state.params)


def take_images(data: Dataset, count: int) -> jax.Array:
    """Takes the first test images, over again if there are not enough."""
    indices = np.arange(count) % len(data.y_test)
    few = jnp.asarray(data.x_test[indices]), jnp.asarray(data.y_test[indices])
    return take_batch(*few, jnp.arange(count))[0]
