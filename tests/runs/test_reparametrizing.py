"""Runs that train gates beside the weights: records, folder, twin, compaction, refusals."""

import dataclasses

import numpy as np
import pytest
from support.tiny import bits, resumed_after

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax.runs.compaction import compact_run
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import prepare, reseed
from sgl_jax.runs.folder import RunFolder


CONFIG = Config(
    model="support.tiny:Eight",
    reparametrization="hard_concrete",
    settings=("drop_rate=0.8",),
    lam=1.0,
    learning_rate=0.1,
    epochs=4,
    batch_size=128,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run, as its folder and what it reached."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "whole")
    return folder, folder.train(CONFIG)


def test_records_count_the_zeros_of_the_weights_in_use(whole):
    _, reached = whole
    experiment, last = reached.experiment, reached.records[-1]
    gates, weights = reached.state.params["gates"], experiment.read(reached.state).params
    for name, location in gates.items():
        shut = np.asarray(location) < -np.log(11.0)
        layer = weights[name.partition("/")[0]]["kernel"][...]
        np.testing.assert_array_equal(
            np.all(layer == 0, axis=_spanned(location), keepdims=True), shut
        )
        assert last.layers[name].live == np.sum(~shut)
    assert 0 < last.sparsity.groups < 1
    assert last.sparsity == last.w_sparsity
    data, others = experiment.data, experiment.read(reached.state).rest
    tested = train.evaluate(experiment.full.apply, (weights, others), data.x_test, data.y_test)
    assert (last.error, last.sparse_error, last.gap) == (tested.error, tested.error, 0.0)


def _spanned(location):
    """The axes that a group spans: those along which there is one gate."""
    return tuple(axis for axis, size in enumerate(location.shape) if size == 1)


@pytest.mark.slow
def test_a_run_goes_on_with_the_draws_that_come_next(whole, tmp_path):
    _, reached = whole
    resumed = resumed_after(2, RunFolder(tmp_path / "resumed"), CONFIG)
    assert resumed.records == reached.records
    assert bits(resumed.state) == bits(reached.state)


def test_groups_whose_gates_are_shut_leave(whole):
    folder, reached = whole
    found = compact_run(folder, reached)
    assert found.compact.error == found.full.error == reached.records[-1].error
    assert found.compact.size.parameters < found.full.size.parameters


def test_another_seed_draws_as_if_it_had_been_the_first(whole):
    _, reached = whole
    other = dataclasses.replace(CONFIG, seed=5)
    assert bits(reseed(reached.experiment, 5).state) == bits(prepare(other).state)


def test_twin_trains_the_weights_themselves():
    twin = CONFIG.twin()
    assert (twin.dense, twin.reparametrization, twin.lam) == (True, "none", Config().lam)
    assert twin.learning_rate == CONFIG.learning_rate


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"penalty": "mcp"}, "penalty='mcp' needs a regularizer, got reparametrization="),
        ({"finish": 0.5}, "finish=0.5 needs a regularizer, got reparametrization='hard_concrete'"),
        ({"target_sparsity": 0.5}, "target_sparsity=0.5 needs a penalty with a strength, got "),
        ({"lam_warmup": 1}, "lam_warmup=1 needs a penalty with a strength, got "),
        ({"dense": True}, "reparametrization='hard_concrete' needs a run that is not dense, got "),
        ({"lam": -1.0}, "A run needs lam >= 0, got lam=-1.0"),
    ],
)
def test_options_without_an_effect_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, settings=(), **changes).check()


def test_settings_reach_the_gates():
    settings = (
        "reparametrization.drop_rate=0.3",
        "reparametrization.weight_decay=0.5",
        "groups.only=conv",
    )
    config = dataclasses.replace(CONFIG, settings=settings, epochs=1, lam=0.0)
    experiment = prepare(config)
    assert (experiment.method.drop_rate, experiment.method.weight_decay) == (0.3, 0.5)
    (location,) = experiment.state.params["gates"].values()
    np.testing.assert_allclose(np.mean(location), np.log(0.7 / 0.3), atol=0.02)
    assert experiment.groups == sgl.by_neuron(only="conv").resolve(
        experiment.read(experiment.state).params
    )
