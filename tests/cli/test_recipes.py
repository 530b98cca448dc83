"""Training in stages as a command, alone and in a sweep."""

import json

import pytest
from support.commands import TINY, assert_refused, errors_of
from support.tiny import snapshot

from sgl_jax import cli


RECIPE = """
title = "Half a strength, then its support"
[[stages]]
name = "half"
share = 0.5
times = { lam = 0.5 }
[[stages]]
name = "support"
share = 0.5
finish = 1.0
"""

STAGES = [*TINY, "--lam", "4", "--recipe", "half.toml"]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "half.toml").write_text(RECIPE)


@pytest.mark.slow
@pytest.mark.usefixtures("recipe")
def test_stages_train_resume_and_are_tested_again(typed, tmp_path):
    status, out, err = typed("train", *STAGES, "--name", "staged")
    assert (status, err) == (0, [])
    epochs = [line.split(" loss")[0] for line in out if " loss " in line]
    assert epochs == ["half 1/1", "support 1/1", "dense 1/2", "dense 2/2"]
    folder = tmp_path / "runs" / "staged"
    kept = snapshot(folder / "1-half")
    config = json.loads((folder / "1-half" / "config.json").read_text())["config"]
    assert (config["lam"], config["finish"]) == (2.0, None)
    for words in (["--resume"], [*STAGES, "--resume"]):
        again = typed("train", *words, "--name", "staged")
        assert again[::2] == (0, [])
        assert errors_of(again[1]) == errors_of(out)
    tested = typed("evaluate", folder)
    assert errors_of(tested[1])[0] == [errors_of(out)[0][1]]
    assert typed("compact", folder)[0] == 0
    assert (folder / "2-support" / "compact").is_dir()
    assert snapshot(folder / "1-half") == kept


@pytest.mark.slow
@pytest.mark.usefixtures("recipe")
def test_a_sweep_takes_a_recipe(typed, tmp_path):
    (tmp_path / "sweep.toml").write_text(
        """
        [common]
        model = "support.tiny:Tiny"
        epochs = 2
        batch_size = 512
        [methods.staged]
        recipe = "half.toml"
        lam = [2.0, 4.0]
        """
    )
    status, _, err = typed("sweep", "--preset", "sweep.toml", "--name", "two")
    assert (status, err) == (0, [])
    lines = (tmp_path / "runs" / "two" / "results.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert [(each["config"]["lam"], each["config"]["epochs"]) for each in results] == [
        (2.0, 2),
        (4.0, 2),
    ]
    before = snapshot(tmp_path / "runs" / "two")
    assert typed("sweep", "--resume", "--name", "two")[0] == 0
    assert snapshot(tmp_path / "runs" / "two") == before
    assert typed("report", "runs/two")[0] == 0


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "half"], "unknown recipe 'half'"),
        (["--recipe", "none.toml"], "none.toml"),
        ([*STAGES, "--beta", "2"], "in one of its stages, got beta, which has none"),
        ([*STAGES, "--epochs", "1"], "needs as many epochs at least, got epochs=1"),
    ],
)
def test_mistakes_are_refused_and_nothing_is_written(typed, tmp_path, words, said):
    assert_refused(typed("train", *words), said)
    assert [path.name for path in tmp_path.iterdir()] == ["half.toml"]


@pytest.mark.slow
@pytest.mark.usefixtures("recipe")
def test_other_options_need_the_recipe_again(typed, tmp_path):
    assert cli.main(["train", *STAGES, "--name", "staged", "--no-twin"]) == 0
    before = snapshot(tmp_path / "runs")
    refused = typed("train", "--resume", "--name", "staged", "--lam", "3")
    assert_refused(refused, "needs its --recipe beside other options, got lam without it")
    assert snapshot(tmp_path / "runs") == before
