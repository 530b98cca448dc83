"""Recipes: the configs of their stages, what a stage begins with, interruptions, refusals."""

import dataclasses
import json
import re
import shutil

import jax
import numpy as np
import pytest
from support.tiny import bits, snapshot

from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import get_sparse_params
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.recipes import RECIPES, RecipeFolder, find_run_folder, read_recipe


FILE = """
title = "Rising, then fixed"
[[stages]]
name = "weak"
share = 0.5
times = { lam = 0.5, group_lam = 0.5 }
[[stages]]
name = "strong"
share = 0.3
penalty = "mcp"
[[stages]]
name = "fixed"
share = 0.2
finish = 1
"""

GIVEN = {
    "model": "support.tiny:Eight",
    "batch_size": 512,
    "learning_rate": 0.03,
    "lam": 4.0,
    "epochs": 5,
}


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(scope="module")
def whole(tmp_path_factory, standard_promotion):
    """The stages of a splitting that rises and is fixed, to the end: folder, stages and runs."""
    path = tmp_path_factory.mktemp("recipes")
    (path / "recipe.toml").write_text(FILE.replace('penalty = "mcp"', ""))
    given = {**GIVEN, "algorithm": "splitting", "penalty": "transformed_l1", "beta": 42.0}
    stages = read_recipe(str(path / "recipe.toml")).plan(given)
    folder, seen = RecipeFolder(path / "whole"), []
    folder.train(stages, "new", lambda *epoch: seen.append(epoch))
    return folder, stages, seen


def test_stages_share_the_epochs_and_scale_the_strengths(file):
    found = read_recipe(file(FILE)).plan({**GIVEN, "epochs": 10, "group_lam": 2.0})
    common = Config(**{**GIVEN, "group_lam": 2.0})
    assert found == {
        "weak": dataclasses.replace(common, epochs=5, lam=2.0, group_lam=1.0),
        "strong": dataclasses.replace(common, epochs=3, penalty="mcp"),
        "fixed": dataclasses.replace(common, epochs=2, finish=1.0),
    }


@pytest.mark.parametrize("epochs", [3, 7, 40, 101])
def test_epochs_of_stages_sum_to_those_of_the_run(file, epochs):
    stages = read_recipe(file(FILE)).plan({"epochs": epochs})
    shares = [config.epochs for config in stages.values()]
    assert sum(shares) == epochs
    for share, found in zip((0.5, 0.3, 0.2), shares, strict=True):
        assert found >= 1
        assert abs(found - share * epochs) <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_the_package_can_be_read(name):
    recipe = read_recipe(name)
    assert recipe.title
    assert sum(config.epochs for config in recipe.plan({"epochs": 20}).values()) == 20


def test_every_epoch_is_reported_with_its_stage(whole):
    _, stages, seen = whole
    assert [(stage, record.epoch) for stage, record in seen] == [
        (name, epoch) for name, config in stages.items() for epoch in range(1, config.epochs + 1)
    ]


def read_runs(folder, stages):
    from sgl_jax.runs.experiment import prepare

    found = folder.list_stages(stages)
    return [each.read_run(prepare(each.read_config())) for each in found]


def zeros_of(params):
    return [np.asarray(leaf) == 0 for leaf in jax.tree.leaves(params) if leaf.ndim > 1]


def test_a_fixed_support_is_that_of_the_copy_of_the_stage_before(whole):
    folder, stages, _ = whole
    _, strong, fixed = read_runs(folder, stages)
    assert strong.records[-1].gap > 0
    sparse = zeros_of(get_sparse_params(strong.experiment.config, strong.state))
    assert sum(mask.sum() for mask in sparse) > 0
    for before, after in zip(sparse, zeros_of(fixed.state.params), strict=True):
        np.testing.assert_array_equal(before, after)
    assert fixed.records[-1].gap == 0


@pytest.mark.slow
def test_a_stage_begins_with_the_weights_of_the_one_before(whole, tmp_path):
    """Trained by itself from those weights, a stage comes to the same end."""
    folder, stages, _ = whole
    weak, strong, _ = folder.list_stages(stages)
    config = dataclasses.replace(stages["strong"], init_from=str(weak.path))
    alone = RunFolder(tmp_path / "alone").train(config)
    assert alone.records == strong.read_records()


@pytest.mark.slow
@pytest.mark.parametrize("left", ["first", "second", "third"])
def test_an_interrupted_recipe_goes_on_to_the_same_end(whole, tmp_path, left):
    before, stages, _ = whole
    folder = RecipeFolder(shutil.copytree(before.path, tmp_path / "copied"))
    gone = ["first", "second", "third"].index(left)
    for each in folder.list_stages(stages)[gone:]:
        shutil.rmtree(each.path)
    found = folder.train(stages, "resume")
    assert bits(found.state) == bits(read_runs(before, stages)[-1].state)
    assert find_run_folder(folder.path) == folder.list_stages(stages)[-1]


@pytest.mark.slow
def test_dead_channels_leave_before_the_first_epoch_on_their_support(tmp_path):
    given = {**GIVEN, "groups": "channels", "group_lam": 60.0, "lam": 0.0, "epochs": 4}
    stages = read_recipe("retrain").plan(given)
    folder = RecipeFolder(tmp_path / "retrained")
    last = folder.train(stages)
    first, second = (each.read_records() for each in folder.list_stages(stages))
    live = first[-1].layers["conv/kernel"].live
    assert 0 < live < 8
    assert second[-1].layers["conv/kernel"].live == live
    assert last.experiment.model.conv.kernel.shape[-1] == live
    plans = folder.list_stages(stages)[1].path / "shrinks"
    assert [path.name for path in plans.iterdir()] == ["1.json"]


def test_other_options_than_it_began_with_are_refused(whole):
    folder, stages, _ = whole
    before = snapshot(folder.path)
    others = {name: dataclasses.replace(c, seed=3) for name, c in stages.items()}
    with pytest.raises(ValueError, match="needs the options it began with, got others"):
        folder.train(others, "resume")
    with pytest.raises(FileExistsError, match="add --resume to go on with it"):
        folder.train(stages, "new")
    assert snapshot(folder.path) == before


def test_a_list_of_stages_that_cannot_be_read_is_refused(whole, tmp_path):
    folder = RecipeFolder(shutil.copytree(whole[0].path, tmp_path / "copied"))
    found = json.loads((folder.path / "recipe.json").read_text())
    for content in ("{", json.dumps({"stages": {"a": {"lamb": 1}}}), json.dumps(list(found))):
        (folder.path / "recipe.json").write_text(content)
        with pytest.raises(ValueError, match=r"needs a recipe\.json as `sgl-jax train --recipe`"):
            folder.read_stages()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[[stages]]", "[[stage]]"), "unknown key 'stage' (did you mean stages?)"),
        (("share = 0.5", "share = 0.4"), "shares that sum to 1, got weak 0.4, strong 0.3, fixed"),
        (('"fixed"', '"weak"'), "needs stages with names of their own"),
        (("share = 0.5", "share = 0"), "a share of the epochs between 0 and 1"),
        (('name = "weak"', ""), "needs a name and a share"),
        (("finish = 1", "finsh = 1"), "stage 3: unknown key 'finsh' (did you mean finish?)"),
        (("finish = 1", "seed = 1"), "stage 3: unknown key 'seed'"),
        (("lam = 0.5, g", "penalty = 0.5, g"), "stage 1: unknown key 'penalty'"),
        (("finish = 1", "finish = 2"), "(In the stage 'fixed' of the recipe.)"),
    ],
)
def test_recipes_with_mistakes_are_refused(file, change, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        read_recipe(file(FILE.replace(*change))).plan({"epochs": 10})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": 2}, "A recipe of 3 stages needs as many epochs at least, got epochs=2."),
        ({"beta": 3.0}, "needs options that have an effect in one of its stages, got beta"),
    ],
)
def test_options_that_do_not_fit_are_refused(file, given, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        read_recipe(file(FILE)).plan(given)


def test_a_recipe_without_stages_and_an_unknown_one_are_refused(file):
    with pytest.raises(ValueError, match=r"needs a table \[\[stages\]\] at least, got none"):
        read_recipe(file('title = "none"'))
    with pytest.raises(ValueError, match="unknown recipe 'continuatio'"):
        read_recipe("continuatio")
