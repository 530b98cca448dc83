"""Grids of runs: their configs and names, files of methods, means over seeds, dominated points."""

import dataclasses
import itertools
import re
import statistics

import pytest
from support.records import SPARSE

from sgl_jax.metrics import Sparsity
from sgl_jax.runs.config import Config
from sgl_jax.runs.results import Result
from sgl_jax.runs.sweeps import (
    PRESETS,
    find_dominated,
    find_front,
    make_sweep,
    read_sweep,
    summarize,
)


FILE = """
title = "Two methods"
[common]
epochs = 3
milestones = [1, 2]
seed = [0, 1]
[groups.paper]
algorithm = "splitting"
points = [{ lam = 1, beta = 25.0 }, { lam = 2, beta = 50.0 }]
[methods.SGL0]
group = "paper"
penalty = "l0"
schedule = "staircase"
[methods.ours]
lam = [0.5, 1.5]
penalty = "mcp"
epochs = 4
schedule = "staircase"
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "two.toml"
        path.write_text(text)
        return str(path)

    return write


def test_grid_has_every_combination_once_and_no_option_without_effect():
    algorithms, strengths, betas = ["splitting", "prox_adam"], [0.1, 0.2], [1.0, 2.0]
    given = {"algorithm": algorithms, "lam": strengths, "beta": betas, "seed": [3, 4]}
    runs = make_sweep(given).runs
    expected = [
        Config(algorithm="splitting", lam=lam, beta=beta, seed=seed)
        for lam, beta, seed in itertools.product(strengths, betas, [3, 4])
    ] + [
        Config(algorithm="prox_adam", lam=lam, seed=seed)
        for lam, seed in itertools.product(strengths, [3, 4])
    ]
    assert [planned.config for planned in runs.values()] == expected
    assert "grid/algorithm=splitting,lam=0.1,beta=2,seed=4" in runs
    assert "grid/algorithm=prox_adam,lam=0.2,seed=3" in runs
    assert {planned.method for planned in runs.values()} == {"splitting l1", "prox_adam l1"}


def test_file_has_methods_whose_options_belong_together(file):
    sweep = read_sweep(file(FILE), {})
    assert sweep.title == "Two methods"
    assert sweep.groups == {"SGL0": "paper"}
    shared = {"milestones": (1, 2), "schedule": "staircase"}
    paper = {"algorithm": "splitting", "penalty": "l0", "epochs": 3, **shared}
    ours = {"penalty": "mcp", "epochs": 4, **shared}
    assert {name: planned.config for name, planned in sweep.runs.items()} == {
        f"SGL0/lam={lam},beta={25 * lam},seed={seed}": Config(
            lam=lam, beta=25.0 * lam, seed=seed, **paper
        )
        for lam in (1, 2)
        for seed in (0, 1)
    } | {
        f"ours/lam={lam},seed={seed}": Config(lam=lam, seed=seed, **ours)
        for lam in (0.5, 1.5)
        for seed in (0, 1)
    }


def test_options_replace_those_of_all_methods(file):
    runs = read_sweep(file(FILE), {"seed": [7], "epochs": [2], "lam": [9.0]}).runs
    assert {(p.config.seed, p.config.epochs, p.config.lam) for p in runs.values()} == {(7, 2, 9.0)}
    assert [name for name in runs if name.startswith("SGL0")] == ["SGL0/beta=25", "SGL0/beta=50"]


@pytest.mark.parametrize(
    ("only", "found"),
    [(["paper"], {"SGL0"}), (["ours"], {"ours"}), (["paper", "ours"], {"SGL0", "ours"})],
)
def test_methods_are_chosen_by_name_and_group(file, only, found):
    everything = read_sweep(file(FILE), {})
    some = read_sweep(file(FILE), {}, only)
    assert {planned.method for planned in some.runs.values()} == found
    assert some.runs.items() <= everything.runs.items()


def test_an_unknown_method_is_refused(file):
    with pytest.raises(ValueError, match=r"one of SGL0, paper, ours, got only='theirs'"):
        read_sweep(file(FILE), {}, ["paper", "theirs"])


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_read(name):
    sweep = read_sweep(name, {})
    assert sweep.title
    assert all(planned.method in name for name, planned in sweep.runs.items())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lam": [-1.0]}, "A run needs lam >= 0, got lam=-1.0. (In the sweep: grid, with lam"),
        ({"lam": []}, "needs 1 to 10000 runs of each method, got 0 of 'grid'"),
        ({"seed": list(range(200)), "lam": [0.1 * k for k in range(100)]}, "got 20000 of 'grid'"),
        ({"beta": [1.0], "algorithm": ["rda"]}, "got beta, which has none"),
        ({"penalty": ["l1", "l9"]}, "unknown penalty 'l9'"),
    ],
)
def test_impossible_grids_are_refused(given, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make_sweep(given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[methods.ours]", "[methods.ours"), "needs a file in TOML, got 'Expected ']'"),
        (("[common]", "[comon]"), "unknown key 'comon' (did you mean common?)"),
        (("lam = [0.5", "lamb = [0.5"), "[methods.ours]: unknown option 'lamb' (did you mean lam"),
        (("[0.5, 1.5]", '["0.5"]'), "[methods.ours]: the option lam needs a value of float, got"),
        (("epochs = 4", "epochs = 4.5"), "the option epochs needs a value of int, got 4.5"),
        (("epochs = 4", "epochs = 4\nbeta = 2.0"), "got beta, which has none"),
        (("[1, 2]", "[1, 2.5]"), "the option milestones needs a value of tuple[int, ...]"),
        (("[methods.", "[other."), "unknown key 'other'"),
    ],
)
def test_files_with_mistakes_are_refused(file, change, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        read_sweep(file(FILE.replace(*change)), {})


def test_a_file_without_methods_and_an_unknown_preset_are_refused(file):
    with pytest.raises(ValueError, match=r"needs a table \[methods.NAME\] at least, got none"):
        read_sweep(file('title = "none"'), {})
    with pytest.raises(ValueError, match=r"unknown sweep 'mnist'.*mnist-table.*path of a .toml"):
        read_sweep("mnist", {})
    with pytest.raises(FileNotFoundError):
        read_sweep("missing.toml", {})


def result(method, error, zeros=0.5, *, lam=0.1, seed=0, paper=0.6, group=""):
    shares = {"sparsity": Sparsity(zeros, zeros, zeros, zeros), "error": error}
    shares |= {"w_sparsity": Sparsity(zeros, zeros, paper, paper), "sparse_error": error}
    config = dataclasses.asdict(Config(lam=lam, seed=seed))
    name = f"{method}/{lam},{seed}"
    return Result(name, method, {"config": config}, 5.0, SPARSE._replace(**shares), group=group)


def test_summaries_are_means_and_deviations_over_seeds():
    errors = [0.01, 0.02, 0.06]
    found = summarize(
        [result("a", error, seed=seed) for seed, error in enumerate(errors)]
        + [result("a", 0.5, lam=0.2), result("b", 0.25)]
    )
    assert [(s.method, s.setting, s.seeds) for s in found] == [
        ("a", "lam=0.1", 3),
        ("a", "lam=0.2", 1),
        ("b", "", 1),
    ]
    assert found[0].figures["error"] == (statistics.mean(errors), statistics.stdev(errors))
    assert found[1].figures["error"] == (0.5, 0.0)
    assert "flops" not in found[0].figures


def test_points_are_dominated_by_those_as_good_in_every_respect():
    points = summarize([result("a", 0.02, paper=0.6)])
    better = [result("b", 0.02, 0.6), result("c", 0.01, 0.7), result("d", 0.03, 0.9)]
    assert find_dominated(points, summarize(better[2:])) == [(points[0], None)]
    assert find_dominated(points, summarize([result("e", 0.01, 0.59)])) == [(points[0], None)]
    ((_, best),) = find_dominated(points, summarize(better))
    assert best.method == "c"
    others = [each._replace(task="another") for each in summarize(better)]
    assert find_dominated(points, others) == [(points[0], None)]


def test_front_has_the_points_that_no_other_is_better_than():
    points = summarize(
        [
            result("a", 0.01, 0.1),
            result("b", 0.02, 0.5),
            result("c", 0.03, 0.4),
            result("d", 0.04, 0.9),
        ]
    )
    assert [point.method for point in find_front(points, "weights")] == ["a", "b", "d"]
