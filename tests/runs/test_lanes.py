"""Runs side by side are those of one after the other, as long as one program trains them."""

import shutil

import pytest

from sgl_jax.runs import lanes
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Run, prepare, reseed, run
from sgl_jax.runs.lanes import train_lanes
from sgl_jax.runs.sweeps import Failure, SweepFolder, make_sweep


TINY = {"model": "support.tiny:Tiny", "epochs": 3, "batch_size": 512, "learning_rate": 0.03}
SWEEP = make_sweep({name: [value] for name, value in TINY.items()} | {"lam": [1.0, 2.0, 4.0]})


def start(experiment):
    return Run(experiment, experiment.state, [])


def begin(**options):
    return start(prepare(Config(**TINY | options)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"penalty": "transformed_l1", "algorithm": "splitting"},
        {"target_sparsity": 0.5, "finish": 0.4},
        {"reparametrization": "hard_concrete"},
    ],
    ids=["prox_adam", "splitting", "budget", "gates"],
)
def test_lanes_are_the_single_runs(options):
    first = begin(lam=1.0, **options)
    others = {"seed": start(reseed(first.experiment, 1)), "lam": begin(lam=2.0, **options)}
    if options.keys() & {"target_sparsity", "reparametrization"}:  # lam is none of their state
        del others["lam"]
    runs = {"one": first, **others}
    configs = {name: lane.experiment.config for name, lane in runs.items()}
    *_, last = epochs = list(train_lanes(runs))
    assert len(epochs) == 3
    for name, config in configs.items():
        assert last[name].records == run(config).records


@pytest.mark.parametrize(
    "other",
    [{"penalty": "scad"}, {"batch_size": 256}, {"holdout": 100}, {"lam_warmup": 2}, {"epochs": 4}],
    ids=lambda other: next(iter(other)),
)
def test_runs_of_other_programs_or_data_are_no_lanes(other):
    assert list(train_lanes({"one": begin(lam=1.0), "other": begin(lam=1.0, **other)})) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory, standard_promotion):
    """A sweep, one run after the other: its folder and results."""
    folder = SweepFolder(tmp_path_factory.mktemp("sweeps") / "whole")
    return folder, train(folder, "new", lanes=1)


def train(folder, mode, **options):
    found = folder.train(SWEEP, mode, **options)
    return [each if isinstance(each, Failure) else each._replace(seconds=0) for each in found]


@pytest.fixture
def counted(monkeypatch):
    """The numbers of lanes that were trained, an entry for every epoch."""
    found = []

    def count(keys, *arguments, **options):
        found.append(len(keys))
        return lanes_of(keys, *arguments, **options)

    lanes_of = lanes.train_many
    monkeypatch.setattr(lanes, "train_many", count)
    return found


def test_a_sweep_in_lanes_has_the_same_results(whole, counted, tmp_path):
    folder = SweepFolder(tmp_path / "lanes")
    assert train(folder, "new", lanes=2) == whole[1]
    assert counted == [2, 2, 2]  # the third run is alone
    timing = folder.find_run(next(iter(SWEEP.runs))).path / "timing.jsonl"
    assert len(timing.read_text().splitlines()) == 3


def test_on_a_cpu_runs_take_turns(counted, tmp_path):
    found = SweepFolder(tmp_path / "turns").train(SWEEP, "new")
    next(found)
    assert counted == []


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_in_lanes_of_unequal_epochs(whole, counted, tmp_path):
    folder, (first, second, _) = SweepFolder(tmp_path / "lanes"), SWEEP.runs

    class Interruption(Exception):
        pass

    def interrupt(name, record):
        if (name, record.epoch) == (first, 2):  # the others have one epoch then
            raise Interruption

    with pytest.raises(Interruption):
        train(folder, "new", lanes=3, on_epoch=interrupt)
    assert [len(folder.find_run(name).read_records()) for name in (first, second)] == [2, 1]
    assert train(folder, "resume", lanes=3) == whole[1]
    assert counted == [3, 3, 2, 3]


@pytest.mark.slow
def test_a_lane_that_diverges_leaves_the_others_alone(whole, counted, tmp_path, monkeypatch):
    folder, (_, second, _) = SweepFolder(tmp_path / "lanes"), SWEEP.runs
    bad = SWEEP.runs[second].config.lam

    def end(run, state, loss, before):
        diverges = run.experiment.config.lam == bad and len(run.records) == 1
        return end_epoch(run, state, float("nan") if diverges else loss, before)

    end_epoch = lanes.end_epoch
    monkeypatch.setattr(lanes, "end_epoch", end)
    monkeypatch.setattr("sgl_jax.runs.experiment.end_epoch", end)
    one, failed, other = train(folder, "new", lanes=3)
    assert [one, other] == [whole[1][0], whole[1][2]]
    assert isinstance(failed, Failure)
    assert "finite loss, got nan in epoch 2" in str(failed.error)
    assert counted == [3, 3, 2]
    monkeypatch.undo()
    assert sorted(train(folder, "resume")) == sorted(whole[1])


def test_a_number_of_lanes_below_one_is_refused(whole, tmp_path):
    folder = SweepFolder(shutil.copytree(whole[0].path, tmp_path / "copied"))
    with pytest.raises(ValueError, match="needs lanes >= 1, got lanes=0"):
        train(folder, "resume", lanes=0)
