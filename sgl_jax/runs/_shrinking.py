"""Shrinking of a run: channels that are dead leave while it trains, with their optimizer state."""

import jax.numpy as jnp

from sgl_jax import train
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.compaction import Plan, compacted_size, measure_size, narrow_state
from sgl_jax.compaction.channels import channel_groups
from sgl_jax.compaction.flax import compact_module, narrow_module
from sgl_jax.runs._run import Experiment, get_sparse_params, take_images
from sgl_jax.train import TrainState


__all__ = ["check_shrinking", "narrow_experiment", "shrink", "shrink_if_due"]


def shrink_if_due(
    experiment: Experiment, state: TrainState, share: float
) -> tuple[Experiment, TrainState]:
    """Removes the dead channels once what is left costs less than a share of the FLOPs.

    Args:
      experiment: the run, as it trains.
      state: its state, whole on one device.
      share: the share, between 0 and 1.

    Returns:
      Both as they were, or narrow.
    """
    network, sparse = experiment.network, get_sparse_params(experiment.config, state)
    now, left = (
        measure(network.apply, (sparse, state.rest), experiment.image).flops
        for measure in (measure_size, compacted_size)
    )
    return shrink(experiment, state) if left < share * now else (experiment, state)


def shrink(experiment: Experiment, state: TrainState) -> tuple[Experiment, TrainState]:
    """Removes the dead channels of the sparse network, and what the optimizer keeps of them.

    The trained parameters of an algorithm that has its zeros in a copy lose the channels that are
    dead in the copy.

    Args:
      experiment: the run, as it trains.
      state: its state, whole on one device.

    Returns:
      Both, of the narrow network.

    Raises:
      ValueError: the module does not give the same answers without its dead channels.
    """
    sparse = get_sparse_params(experiment.config, state)
    module = train.join(experiment.model, sparse, state.rest)
    small = compact_module(module, take_images(experiment.data, 1))
    network, folded, rest = train.split(small.module)
    trained, rebuild = flatten_by_path(small.plan.narrow_leaves(state.params))
    biases, _ = flatten_by_path(folded)
    rescaled = {path: trained[path] * factor for path, factor in small.rescaled.items()}
    params = rebuild(trained | rescaled | {path: biases[path] for path in small.report.folded})
    narrow = TrainState(params, rest, small.shrink(state.opt_state), state.step)
    whole = small.plan if experiment.plan is None else experiment.plan.then(small.plan)
    changed = experiment._replace(model=small.module, network=network, state=narrow, plan=whole)
    return changed, narrow


def narrow_experiment(experiment: Experiment, plan: Plan) -> Experiment:
    """Narrows the objects of a run as it begins by a plan.

    Args:
      experiment: the run, with all channels.
      plan: the positions that stay of every leaf.
    """
    model, before = narrow_module(experiment.model, plan), experiment.state
    network, params, rest = train.split(model)
    state = TrainState(params, rest, narrow_state(plan, before.opt_state), before.step)
    return experiment._replace(model=model, network=network, state=state, plan=plan)


def check_shrinking(experiment: Experiment) -> None:
    """Shrinks the network by one channel of each kind, so that a refusal comes before a training.

    Raises:
      ValueError: the network has no channels that could be removed, or its module does not give the
        same answers without some.
    """
    state = experiment.state
    variables = (state.params, state.rest)
    groups = channel_groups(experiment.network.apply, variables, experiment.image)
    leaves, rebuild = flatten_by_path(state.params)
    for family in groups.resolve(state.params):
        for member in family.members:
            leaves[member.path] = jnp.where(member.owners == 0, 0, leaves[member.path])
    shrink(experiment, state._replace(params=rebuild(leaves)))
