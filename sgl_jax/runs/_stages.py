"""Stages of a run: with its regularizer, without the channels that have left, on a fixed support.

Between two epochs a run may lose its dead channels, and may change from its regularizer to its end.
Either is known from the number of the epoch and from a plan, from which a folder restores the
objects.
"""

from sgl_jax.compaction import Plan
from sgl_jax.runs._finishing import finish, finished_experiment
from sgl_jax.runs._run import Experiment, Run
from sgl_jax.runs._shrinking import check_shrinking, narrow_experiment, shrink_if_due


__all__ = ["change_stage", "check_stages", "restore_stage"]


def change_stage(run: Run) -> Run:
    """Takes a run from the stage of its newest epoch to that of the next.

    Raises:
      ValueError: the module does not give the same answers without its dead channels.
    """
    experiment, state = run.experiment, run.state
    config, epoch = experiment.config, run.records[-1].epoch
    if config.finish_epochs and epoch == config.epochs - config.finish_epochs:
        experiment, state = finish(experiment, state)
    if config.shrink_at is not None:
        experiment, state = shrink_if_due(experiment, state, config.shrink_at)
    return Run(experiment, state, run.records)


def restore_stage(experiment: Experiment, done: int, plan: Plan | None) -> Experiment:
    """Makes the objects of a run as they are after some epochs, without its numbers.

    Args:
      experiment: the run as it begins.
      done: epochs that are done.
      plan: the positions that are left, once channels have left.
    """
    config = experiment.config
    if config.finish_epochs and done >= config.epochs - config.finish_epochs:
        experiment = finished_experiment(experiment)
    return experiment if plan is None else narrow_experiment(experiment, plan)


def check_stages(experiment: Experiment) -> None:
    """Tries the later stages of a run on its first state, so that a refusal comes before it.

    Raises:
      ValueError: the network has no channels that could leave.
    """
    config = experiment.config
    if config.shrink_at is not None:
        check_shrinking(experiment)
    if config.finish_epochs:
        finished_experiment(experiment)
