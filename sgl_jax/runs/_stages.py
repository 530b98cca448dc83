"""Stages of a run: with its regularizer, without the channels that have left, on a fixed support.

Between two epochs a run may follow a budget, change from its regularizer to its end, and lose its
dead channels. All of that is known from its records and from a plan, from which a folder restores
the objects.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from sgl_jax._util.signals import raise_if_stopped
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Plan
from sgl_jax.runs._budgeting import follow_budget, set_strengths, start_budget
from sgl_jax.runs._finishing import finish, finished_experiment
from sgl_jax.runs._run import Experiment, Run, get_sparse_params
from sgl_jax.runs._shrinking import check_shrinking, narrow_experiment, shrink_if_due
from sgl_jax.runs.config import Config
from sgl_jax.runs.records import Record
from sgl_jax.transforms.budgets import BudgetState


__all__ = [
    "begin_stages",
    "change_stage",
    "check_stages",
    "copy_sparse_params",
    "find_penalised",
    "restore_stage",
]


def begin_stages(run: Run) -> Run:
    """Makes a run ready for its first epoch: its strengths, its support, or its channels.

    Raises:
      ValueError: no strength sets all groups to zero, or the module does not give the same answers
        without its dead channels.
    """
    config = run.experiment.config
    if run.records:
        return run
    if config.target is not None:
        budget = start_budget(run.experiment)
        return run._replace(budget=budget, state=set_strengths(run.experiment, run.state, budget))
    if config.finish_epochs < config.epochs:
        return _shrink_if_due(run) if config.hold_zeros else run
    return _shrink_if_due(_finish(run, run.state.params))


def copy_sparse_params(run: Run) -> Params | None:
    """Copies the sparse parameters of a run with a budget, before an epoch consumes them."""
    if run.budget is None:
        return None
    sparse = get_sparse_params(run.experiment.config, run.state)
    return jax.tree.map(jnp.copy, sparse)


def change_stage(run: Run, before: Params | None) -> Run:
    """Takes a run from the stage of its newest epoch to that of the next.

    Args:
      run: the run after an epoch, with its record.
      before: from :func:`copy_sparse_params`.

    Raises:
      ValueError: the module does not give the same answers without its dead channels.
    """
    config, epoch = run.experiment.config, run.records[-1].epoch
    if run.budget is not None:
        run = _follow_budget(run, run.budget, before)
    elif config.target is None and epoch == _count_regularized(config, run.records):
        run = _finish(run, get_sparse_params(config, run.state))
    return _shrink_if_due(run)


def _shrink_if_due(run: Run) -> Run:
    """Lets the dead channels leave, if the run is to, once enough of them are dead."""
    share = run.experiment.config.shrink_at
    if share is None:
        return run
    experiment, state = shrink_if_due(run.experiment, run.state, share)
    return run._replace(experiment=experiment, state=state)


def _follow_budget(run: Run, budget: BudgetState, before: Params | None) -> Run:
    """Sets the strengths of the next epoch, or finishes a run that has reached its target."""
    followed = follow_budget(run.experiment, run.state, budget, before)
    record = run.records[-1]._replace(
        budget={**followed.budget._asdict(), "measured": followed.measured}
    )
    run = run._replace(records=[*run.records[:-1], record], budget=followed.budget)
    if followed.budget.done:
        return _finish(run._replace(budget=None), followed.params)
    # Zeros in a copy are made anew by every step; what is beyond the budget leaves at the end.
    state = run.state if record.gap else run.state._replace(params=followed.params)
    return run._replace(state=set_strengths(run.experiment, state, followed.budget))


def _finish(run: Run, params: Params) -> Run:
    left = run.experiment.config.epochs - len(run.records)
    experiment, state = finish(run.experiment, run.state, params, left)
    return run._replace(experiment=experiment, state=state)


def _count_regularized(config: Config, records: Sequence[Record]) -> int | None:
    """Counts the epochs with a penalty; ``None`` if none is known to be the last of them."""
    if config.target is None:
        return config.epochs - config.finish_epochs if config.finish_epochs else None
    done = (record.epoch for record in records if record.budget and record.budget["done"])
    return next(done, None)


def find_penalised(run: Run) -> Record | None:
    """Finds the record of the last epoch with a penalty, of a run that went on without one."""
    regularized = _count_regularized(run.experiment.config, run.records)
    if not regularized or regularized >= len(run.records):
        return None
    return run.records[regularized - 1]


def restore_stage(experiment: Experiment, records: Sequence[Record], plan: Plan | None) -> Run:
    """Makes a run as it is after some epochs, without the numbers of its state.

    Args:
      experiment: the run as it begins.
      records: the records of the epochs that are done.
      plan: the positions that are left, once channels have left.
    """
    config, budget = experiment.config, None
    regularized = _count_regularized(config, records)
    if regularized is not None and len(records) >= regularized:
        experiment = finished_experiment(experiment, config.epochs - regularized)
    elif config.target is not None and records:
        known = records[-1].budget or {}
        budget = BudgetState(**{name: known[name] for name in BudgetState._fields})
    if plan is not None:
        experiment = narrow_experiment(experiment, plan)
    return Run(experiment, experiment.state, list(records), budget)


def check_stages(experiment: Experiment) -> None:
    """Tries the later stages of a run on its first state, so that a refusal comes before it.

    Raises:
      ValueError: the network has no channels that could leave, or the algorithm no strengths that
        could be set.
    """
    raise_if_stopped()
    config = experiment.config
    if config.shrink_at is not None:
        check_shrinking(experiment)
    if config.finish_epochs:
        finished_experiment(experiment, config.finish_epochs)
    if config.target is not None:
        set_strengths(experiment, experiment.state, BudgetState(0, 1.0, 1.0, False))
