"""Means over seeds, and which points are better in every respect."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sgl_jax.runs.results import Result


__all__ = ["FIGURES", "Moments", "Summary", "find_dominated", "find_front", "summarize"]


def _measure_flops(result: Result) -> float | None:
    """Measures what is left of the FLOPs without dead channels."""
    if result.before is None or result.after is None:
        return None
    return result.after.flops / result.before.flops


def _measure_rate(name: str) -> Callable[[Result], float | None]:
    """Makes a figure of a rate of storage, which runs on no levels do not have."""
    return lambda result: None if result.storage is None else result.storage.rates.get(name)


FIGURES: dict[str, Callable[[Result], float | None]] = {
    "error": lambda result: result.last.error,
    "sparse_error": lambda result: result.last.sparse_error,
    "weights": lambda result: float(result.last.sparsity.weights),
    "weights_paper": lambda result: float(result.last.w_sparsity.weights_paper),
    "groups": lambda result: float(result.last.sparsity.groups),
    "groups_paper": lambda result: float(result.last.w_sparsity.groups_paper),
    "flops": _measure_flops,
    "bytes": lambda result: None if result.after is None else result.after.bytes,
    "kept_rate": _measure_rate("weights"),
    "data_rate": _measure_rate("data of weights"),
    "indexed_rate": _measure_rate("weights with indices"),
    "file_bytes": lambda result: None if result.storage is None else result.storage.file_bytes,
    "file_rate": _measure_rate("file"),
    "seconds": lambda result: result.seconds,
}
"""Figures of a run by name: test errors of the trained weights and of their sparse copy; shares of
weights and groups that are exactly zero in the copy, or less than 1e-5 in the trained weights; what
is left of the FLOPs, and the bytes, without dead channels; of networks on levels the rates of
:class:`~sgl_jax.metrics.Storage` and the bytes of an archive; seconds of training."""


class Moments(NamedTuple):
    """Mean and spread of a figure over runs.

    Attributes:
      mean: the mean.
      std: the standard deviation, with one degree of freedom less than runs; 0 for a single run.
    """

    mean: float
    std: float


class Summary(NamedTuple):
    """The figures of runs that differ in their seed alone.

    Attributes:
      task: network, data set and epochs; points of one task can be compared.
      method: name of the method.
      group: group of the method; empty for none.
      setting: the values in which the runs of the method differ, such as ``lam=0.1``.
      seeds: number of runs.
      figures: by the names of :data:`FIGURES`, those that all runs have.
      results: the results of the runs.
    """

    task: str
    method: str
    group: str
    setting: str
    seeds: int
    figures: dict[str, Moments]
    results: tuple[Result, ...]


def summarize(results: Iterable[Result]) -> list[Summary]:
    """Summarizes runs over their seeds, in the order in which methods and settings first occur.

    Args:
      results: the results, of one sweep or of several.
    """
    methods: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        methods.setdefault((_name_task(result.config), result.method), []).append(result)
    found = []
    for (task, method), runs in methods.items():
        varied = _find_varied([run.config for run in runs])
        settings: dict[str, list[Result]] = {}
        for run in runs:
            shown = ", ".join(f"{name}={_show(run.config.get(name))}" for name in varied)
            settings.setdefault(shown, []).append(run)
        found += [_summarize(task, method, name, each) for name, each in settings.items()]
    return found


def find_dominated(
    points: Sequence[Summary], by: Sequence[Summary]
) -> list[tuple[Summary, Summary | None]]:
    """Finds for every point one of the others that is as good in every respect.

    A point of the same task dominates if its mean error is no higher, and no fewer of its weights
    and of its groups are zero. For ``points`` what is less than 1e-5 counts as zero, and the
    error is that of the trained weights, as the paper counts; for ``by`` exact zeros alone count.

    Args:
      points: the points that may be dominated.
      by: the points that may dominate.

    Returns:
      Each point, with the point of lowest error that dominates it, or ``None``.
    """
    found = []
    for point in points:
        better = [other for other in by if other.task == point.task and _dominates(other, point)]
        best = min(better, key=lambda other: other.figures["error"].mean, default=None)
        found.append((point, best))
    return found


def find_front(points: Sequence[Summary], name: str) -> list[Summary]:
    """Finds the points of which no other has both a lower error and a larger share of zeros.

    Args:
      points: the points, all of one task.
      name: name of the share.
    """
    pairs = [(-point.figures["error"].mean, point.figures[name].mean) for point in points]
    return [
        point
        for point, (error, share) in zip(points, pairs, strict=True)
        if not any(e >= error and s >= share and (e, s) != (error, share) for e, s in pairs)
    ]


def _dominates(one: Summary, other: Summary) -> bool:
    mine, theirs = one.figures, other.figures
    return mine["sparse_error"].mean <= theirs["error"].mean and all(
        mine[name].mean >= theirs[f"{name}_paper"].mean for name in ("weights", "groups")
    )


def _summarize(task: str, method: str, setting: str, runs: list[Result]) -> Summary:
    figures = {}
    for name, measure in FIGURES.items():
        values = [value for run in runs if (value := measure(run)) is not None]
        if len(values) == len(runs):
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            figures[name] = Moments(statistics.fmean(values), spread)
    return Summary(task, method, runs[0].group, setting, len(runs), figures, tuple(runs))


def _name_task(config: Mapping[str, Any]) -> str:
    held = f", {config['holdout']:,} images held out" if config.get("holdout") else ""
    return f"{config['model']} on {config['data']}, {config['epochs']} epochs{held}"


def _find_varied(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Finds the options in which configs differ, but for the seed."""
    names = dict.fromkeys(name for config in configs for name in config)
    return [
        name
        for name in names
        if name not in ("seed", "data_root", "download")
        and len({repr(config.get(name)) for config in configs}) > 1
    ]


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
