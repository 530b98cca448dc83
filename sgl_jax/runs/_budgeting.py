"""Budgets of a run: the strength follows what is left of the network, until a target is reached."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from sgl_jax import train
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Size, compacted_size, measure_size
from sgl_jax.data import take_batch
from sgl_jax.metrics import sparsity
from sgl_jax.regularizers import RegularizerLike, lam_max, project_to_budget
from sgl_jax.runs._run import Experiment, get_sparse_params
from sgl_jax.transforms.budgets import Budget, BudgetState, scale_strengths


__all__ = ["Followed", "follow_budget", "set_strengths", "start_budget"]

EXAMPLES = 1000
"""Most training images of the first gradient, by which the strengths are scaled."""


class Followed(NamedTuple):
    """The parameters and the state of a budget after an epoch.

    Attributes:
      params: the sparse parameters, without what was left beyond the budget.
      budget: its state for the next epoch.
      measured: the share that was left after the epoch.
    """

    params: Params
    budget: BudgetState
    measured: float


def start_budget(experiment: Experiment) -> BudgetState:
    """Finds the strength of the first epoch from the gradient at the initial parameters.

    Raises:
      ValueError: no strength sets all groups to zero.
    """
    data, state = experiment.data, experiment.state
    count = min(EXAMPLES, len(data.y_train))
    few = jnp.asarray(data.x_train[:count]), jnp.asarray(data.y_train[:count])
    images, labels = take_batch(*few, jnp.arange(count))

    def loss(params: Params) -> jax.Array:
        logits, _ = experiment.network.forward(params, state.rest, images)
        return train.cross_entropy(logits, labels).mean()

    grads = train.compiled(jax.grad(loss))(state.params)
    zeros = jax.tree.map(jnp.zeros_like, state.params)
    most = float(lam_max(cast(RegularizerLike, experiment.regularizer), zeros, grads))
    strengths = experiment.strengths
    return _make_budget(experiment).init(most / max(strengths.lam or 0, strengths.group_lam or 0))


def set_strengths(
    experiment: Experiment, state: train.TrainState, budget: BudgetState
) -> train.TrainState:
    """Sets the strengths in the state of the optimizer to those of a budget.

    Raises:
      ValueError: the algorithm has no strengths in its state, or evaluates them anew.
    """
    initial = experiment.tx.init(experiment.widen(state.params))
    return state._replace(opt_state=scale_strengths(state.opt_state, initial, budget.factor))


def follow_budget(
    experiment: Experiment, state: train.TrainState, budget: BudgetState, before: Params
) -> Followed:
    """Chooses the next strength, and removes what is left beyond the budget of the epoch.

    Args:
      experiment: the run.
      state: its state after an epoch, whole on one device.
      budget: the state of the budget that the epoch was trained with.
      before: the sparse parameters before the epoch.
    """
    sparse = experiment.widen(get_sparse_params(experiment.config, state))
    share = _make_share(experiment, sparse, experiment.widen(state.rest))
    left = lambda params: share(_drop_shifts(experiment, params))  # noqa: E731
    measured = left(sparse)
    budget = _make_budget(experiment).update(budget, measured)
    regularizer, before = cast(RegularizerLike, experiment.regularizer), experiment.widen(before)
    wide = project_to_budget(regularizer, sparse, left, budget.allowed, before=before)
    wide = _drop_shifts(experiment, wide)
    params = wide if experiment.plan is None else experiment.plan.narrow_leaves(wide)
    return Followed(params, budget, measured)


def _drop_shifts(experiment: Experiment, params: Params) -> Params:
    """Sets the shifts beside scales of zero to zero, where the scales are the groups."""
    if experiment.config.groups != "scales":
        return params
    leaves, rebuild = flatten_by_path(params)
    for path, scale in leaves.items():
        shift = path.removesuffix("scale") + "bias"
        if path.endswith("scale") and shift in leaves:
            leaves[shift] = jnp.where(scale == 0, 0, leaves[shift])
    return rebuild(leaves)


def _make_budget(experiment: Experiment) -> Budget:
    config = experiment.config
    by = 1.0 - config.finish_epochs / config.epochs
    return Budget(cast(float, config.target), config.epochs, by=by)


def _make_share(experiment: Experiment, params: Params, rest: Any) -> Callable[[Params], float]:
    """Makes the function that measures the share that is left of the full network."""
    option = cast(str, experiment.config.target_option)
    return _SHARES[option](experiment, params, rest)


def _size_share(name: str) -> Callable[[Experiment, Params, Any], Callable[[Params], float]]:
    """Measures sizes that a compaction would leave; ``name`` is that of a :class:`Size`."""

    def make(experiment: Experiment, params: Params, rest: Any) -> Callable[[Params], float]:
        def measure(sizes: Callable[..., Size], params: Params) -> int:
            return getattr(sizes(experiment.full.apply, (params, rest), experiment.image), name)

        whole = measure(measure_size, params)
        return lambda params: measure(compacted_size, params) / whole

    return make


def _weights_share(experiment: Experiment, params: Params, rest: Any) -> Callable[[Params], float]:
    """Measures the share of weights that are not zero."""
    del experiment, params, rest
    return lambda params: 1.0 - float(sparsity(params).weights)


_SHARES = {
    "target_flops": _size_share("flops"),
    "target_params": _size_share("parameters"),
    "target_sparsity": _weights_share,
}
"""Measures of what is left, by the option that sets a target for it."""
