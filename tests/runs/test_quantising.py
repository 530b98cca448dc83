"""Pruning and levels in stages: both constraints exactly, dead channels gone, interruptions."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest
from support.tiers import usual
from support.tiny import bits

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import get_sparse_params, prepare, run
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.recipes import RecipeFolder, read_recipe


LEFT = 0.01
"""Share of the weights that may be left."""

GIVEN = {
    "model": "support.tiny:Eight",
    "batch_size": 256,
    "learning_rate": 0.02,
    "target_sparsity": 1 - LEFT,
    "bits": ("2",),
    "epochs": 7,
}
COUNT = 2
"""Levels of either sign: two bits."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory, standard_promotion):
    """The folder, the stages and the last run of a network that is pruned and quantised."""
    folder = RecipeFolder(tmp_path_factory.mktemp("quantised") / "whole")
    stages = read_recipe("admm-nn").plan(GIVEN)
    return folder, stages, folder.train(stages)


def kernels(params):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(params) if leaf.ndim > 1]


def count(params):
    return sum(np.count_nonzero(kernel) for kernel in kernels(params))


@pytest.mark.slow
def test_both_constraints_hold_exactly_at_the_end(whole):
    folder, _, last = whole
    sparse = get_sparse_params(last.experiment.config, last.state)
    total = sum(
        kernel.size for kernel in kernels(prepare(Config(model=GIVEN["model"])).state.params)
    )
    assert 0 < count(sparse) <= round(LEFT * total)
    assert bits(sparse) == bits(last.state.params)
    for kernel in kernels(sparse):
        found = sgl.prox.project_levels(kernel, COUNT)
        np.testing.assert_array_equal(found.values, kernel)
        assert np.max(np.abs(found.codes)) <= COUNT
    assert folder.list_stages(read_recipe("admm-nn").plan(GIVEN))[-1].path.name == "7-fixed"


@pytest.mark.slow
def test_each_round_leaves_fewer_weights(whole):
    folder, stages, _ = whole
    records = [each.read_records()[-1] for each in folder.list_stages(stages)]
    left = [sum(layer.kept for layer in record.layers.values()) for record in records]
    assert left[0] > left[1] > left[2] > left[3] >= left[4] >= left[5] == left[6]
    agreements = [record.agreement for record in records]
    assert [found is None for found in agreements] == [True, *[False] * 3, True, False, False]
    assert agreements[3].keys() == agreements[5].keys() == {"primal", "dual", "changed"}


@pytest.mark.slow
def test_dead_channels_are_gone_before_levels_are_fitted(whole):
    folder, stages, last = whole
    retrained = folder.list_stages(stages)[4].read_records()[-1]
    live = retrained.layers["conv/kernel"].live
    assert live < 8
    assert last.experiment.model.conv.kernel.shape[-1] == live
    assert (folder.list_stages(stages)[5].path / "shrinks").exists()


RIVAL = {"penalty": "levels", "bits": ("2",), "constrain": "all", "hold_zeros": True, "epochs": 2}


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["straight_through", "incremental", "admm"])
def test_rivals_start_from_the_stage_after_compaction(whole, algorithm):
    folder, stages, _ = whole
    source = folder.list_stages(stages)[4]
    given = {name: GIVEN[name] for name in ("model", "batch_size")}
    config = Config.of({**given, **RIVAL, "init_from": str(source.path), "algorithm": algorithm})
    experiment = prepare(config)
    before = RunFolder(source.path).read_run(prepare(source.read_config()))
    wide = before.experiment.widen(before.state.params)
    assert bits(experiment.state.params) == bits(wide)
    found = run(config)
    sparse = get_sparse_params(config, found.state)
    for leaf, start in zip(jax.tree.leaves(sparse), jax.tree.leaves(wide), strict=True):
        np.testing.assert_array_equal(np.asarray(leaf) == 0, np.asarray(start) == 0)
        np.testing.assert_array_equal(sgl.prox.project_levels(leaf, COUNT).values, leaf)
    assert found.records[-1].agreement["changed"] >= 0
    data = experiment.data
    variables = (sparse, found.state.rest)
    error = train.evaluate(experiment.network.apply, variables, data.x_test, data.y_test).error
    assert error == pytest.approx(found.records[-1].sparse_error)


@pytest.mark.slow
@pytest.mark.parametrize("stage", usual([3, 5, 6], [5], "exhaustive"))
def test_an_interrupted_recipe_ends_on_the_same_weights(whole, tmp_path, stage):
    before, stages, last = whole
    folder = RecipeFolder(shutil.copytree(before.path, tmp_path / "copied"))
    for each in folder.list_stages(stages)[stage:]:
        shutil.rmtree(each.path)

    def stop(name, record):
        if name == list(stages)[stage] and record.epoch == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        folder.train(stages, "resume", stop)
    assert bits(folder.train(stages, "resume").state) == bits(last.state)


def test_bits_are_levels_by_layer():
    given = {"penalty": "levels", "algorithm": "admm", "constrain": "kernels", "epochs": 1}
    found = {}
    for bits_of_layers in (("3",), ("2", "conv=1"), ("conv=4", "fc=1")):
        config = Config.of({**given, "model": GIVEN["model"], "bits": bits_of_layers})
        config.check()
        found[bits_of_layers] = prepare(config).regularizer.penalty.count
    assert list(found.values()) == [4, (("conv", 1), ("", 2)), (("conv", 8), ("fc", 1))]
    for wrong in (("0",), ("16",), ("three",), ("conv=",), ("2", "3")):
        with pytest.raises(ValueError, match=f"from 1 to 15 and each once, got bits={wrong[0]}"):
            Config(bits=wrong).check()


def test_target_is_held_by_a_constraint_from_the_first_epoch():
    config = Config.of({**GIVEN, "penalty": "top_k", "algorithm": "admm", "bits": (), "epochs": 1})
    assert config.target is None
    assert config.finish_epochs == 0
    assert config.group_lam is None
    for leaves in ("kernels", "network"):
        found = run(dataclasses.replace(config, constrain=leaves))
        sparse = get_sparse_params(config, found.state)
        shares = [np.count_nonzero(kernel) / kernel.size for kernel in kernels(sparse)]
        assert (max(shares) <= LEFT) == (leaves == "kernels")
        total = sum(kernel.size for kernel in kernels(sparse))
        assert count(sparse) <= round(LEFT * total)
