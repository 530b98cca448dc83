"""A run in memory, from Config to Record, and the parts that a Config names."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from support.tiny import bits

from sgl_jax.runs import _builders as builders
from sgl_jax.runs._data import build_dataset
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Run, prepare, reseed, run, train_epochs
from sgl_jax.runs.optimizers import OPTIMIZERS
from sgl_jax.runs.records import Record


SHORT = Config(model="support.tiny:Wider", epochs=2, batch_size=128, lam=2.0, learning_rate=0.03)
SPLITTING = dataclasses.replace(SHORT, algorithm="splitting", penalty="transformed_l1", beta=42.0)


@pytest.fixture(scope="module")
def records():
    configs = {"dense": SHORT.twin(), "splitting": SPLITTING, "prox_adam": SHORT}
    return {name: run(config).records[-1] for name, config in configs.items()}


@pytest.mark.slow
def test_dense_twin_keeps_every_weight(records):
    record = records["dense"]
    assert sum(layer.kept for layer in record.layers.values()) == 1_155
    assert sum(layer.live for layer in record.layers.values()) == 111
    assert record.sparsity.weights == record.gap == 0


def test_proximal_adam_has_exact_zeros_in_its_weights(records):
    record = records["prox_adam"]
    assert record.sparsity.weights > 0.1
    assert record.sparsity == record.w_sparsity
    assert record.error == record.sparse_error
    assert record.gap == 0
    assert sum(layer.kept for layer in record.layers.values()) < 1_155


def test_splitting_reports_both_copies(records):
    record = records["splitting"]
    assert record.gap > 0
    assert record.sparsity.weights > 0.1
    assert record.w_sparsity.weights < 0.01
    assert 0 <= record.error <= record.sparse_error <= 1


def test_record_comes_back_from_json(records):
    for record in records.values():
        found = json.loads(json.dumps(record.to_json()))
        assert Record.from_json(found) == record
        assert Record.from_json({**found, "of another version": 1}) == record


def test_groups_of_channels_die_as_wholes():
    config = dataclasses.replace(
        SHORT,
        model="support.tiny:Wider",
        groups="channels",
        group_penalty="transformed_l1",
        group_weight="flops",
        lam=0.0,
        group_lam=2000.0,
    )
    state = run(config).state
    filters, biases = state.params["conv"]["kernel"][...], state.params["conv"]["bias"][...]
    dead = np.asarray(jnp.abs(filters).max((0, 1, 2)) == 0)
    assert dead.any()
    np.testing.assert_array_equal(dead, np.asarray(biases) == 0)


def test_weight_by_flops_needs_groups_of_channels():
    with pytest.raises(ValueError, match="group_weight='flops' needs groups='channels'"):
        prepare(dataclasses.replace(SHORT, group_weight="flops"))


def test_same_seed_gives_the_same_record(records):
    assert run(SHORT).records[-1] == records["prox_adam"]


def test_a_run_goes_on_from_any_epoch(records):
    experiment = prepare(SHORT)
    first = next(train_epochs(Run(experiment, experiment.state, [])))
    *_, last = train_epochs(first)
    assert last.records[-1] == records["prox_adam"]


def test_strengths_are_divided_by_the_number_of_training_images():
    config = Config(algorithm="splitting", lam=0.1, beta=2.5)
    assert config.strengths(60_000) == (0.1 / 60_000, 0.1 / 60_000, 2.5 / 60_000)
    undivided = dataclasses.replace(config, undivided=True, group_lam=0.2)
    assert undivided.strengths(60_000) == (0.1, 0.2, 2.5)
    assert Config(lam=0.1).strengths(10) == (0.01, 0.01, None)
    assert config.twin().strengths(10) == (None, None, None)
    held_out = prepare(dataclasses.replace(SHORT, holdout=97))
    assert held_out.strengths.lam == SHORT.lam / 1300


def test_held_out_images_are_training_images_and_the_same_in_every_run():
    whole = build_dataset(SHORT)
    data = build_dataset(dataclasses.replace(SHORT, holdout=97))
    again = build_dataset(dataclasses.replace(SHORT, holdout=97, seed=5))
    assert (len(data.y_train), len(data.y_test)) == (1300, 97)
    np.testing.assert_array_equal(data.x_test, again.x_test)
    both = np.concatenate([data.x_train, data.x_test]).reshape(1397, -1)
    np.testing.assert_array_equal(
        np.unique(both, axis=0), np.unique(whole.x_train.reshape(1397, -1), axis=0)
    )


@pytest.mark.parametrize("settings", [(), ("model.widths=3,4,5",)])
def test_images_to_standardise_need_a_model_that_does(settings):
    data = build_dataset(SHORT)._replace(mean=(0.5,), std=(0.2,))
    config = dataclasses.replace(SHORT, model="lenet5", settings=settings)
    with pytest.raises(ValueError, match="a model that takes mean= and std=, got 'lenet5'"):
        builders.build_model(config, data)


def test_another_seed_begins_as_if_it_had_been_the_first():
    first, other = prepare(SHORT), prepare(dataclasses.replace(SHORT, seed=5))
    found = reseed(first, 5)
    assert bits(found.state) == bits(other.state) != bits(first.state)
    assert found.config == other.config
    assert (found.network, found.tx) == (first.network, first.tx)


def test_paper_protocol_steps_at_its_milestones():
    """The rate falls on all kernels, beta grows on convolutions only, lam rises from zero."""
    config = Config(
        algorithm="splitting",
        optimizer="sgd",
        momentum=0.0,
        epochs=3,
        learning_rate=0.5,
        schedule="staircase",
        milestones=(1, 2),
        lam=0.1,
        beta=0.25,
        undivided=True,
        beta_growth=2.0,
        lam_warmup=2,
    )
    params = {"conv": jnp.ones((3, 3, 1, 2)), "fc": jnp.ones((4, 2))}
    regularizer = builders.build_regularizer(config, config.strengths(1), params, steps=10)
    tx = builders.build_transformation(config, config.strengths(1), 10, regularizer)
    state, found = tx.init(params), []
    bias = {"bias": jnp.ones(2)}
    rate = builders.build_transformation(config.twin(), config.strengths(1), 10, None)
    rate_state = rate.init(bias)
    for _ in range(30):
        updates, rate_state = rate.update(bias, rate_state, bias)
        _, state = tx.update(params, state, params)
        links = [link.strengths for link in state[:2]]
        betas = [float(strengths["beta"]) for strengths in links]
        found.append((-float(updates["bias"][0]), *betas, float(links[0]["lam"])))
    rates, conv, dense, lam = zip(*found, strict=True)
    np.testing.assert_allclose(rates, np.repeat([0.5, 0.05, 0.005], 10), rtol=1e-6)
    np.testing.assert_allclose(conv, np.repeat([0.25, 0.5, 1.0], 10), rtol=1e-6)
    np.testing.assert_allclose(dense, 0.25)
    np.testing.assert_allclose(lam, np.minimum(np.arange(30) / 20, 1) * 0.1, rtol=1e-6)


def test_every_optimizer_and_schedule_trains():
    for optimizer in OPTIMIZERS:
        config = dataclasses.replace(SPLITTING, optimizer=optimizer, epochs=1)
        assert 0 <= run(config).records[-1].error < 0.9


def test_unknown_names_are_refused_with_the_nearest():
    for field, kind in [("penalty", "penalty"), ("data", "data set"), ("schedule", "schedule")]:
        with pytest.raises(ValueError, match=rf"^unknown {kind} 'nosuch'; choose from \w+, "):
            prepare(dataclasses.replace(SHORT, **{field: "nosuch"}))
    with pytest.raises(
        ValueError, match=r"'scadd' \(did you mean scad\?\); choose from box, capped_l1"
    ):
        prepare(dataclasses.replace(SHORT, penalty="scadd"))
