"""The groups of a run: those that its records count, found before anything is trained."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.tiny import Tiny

import sgl_jax as sgl
from sgl_jax.runs._groupings import GROUPINGS
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import measure, prepare
from sgl_jax.runs.records import Layer, Record, count_layers


CONFIG = Config(model="support.tiny:Tiny", epochs=1, batch_size=512)


class Lines(nnx.Module):
    """A convolution along lines, whose kernel has three axes, and a dense layer."""

    def __init__(self, classes, *, rngs):
        self.conv = nnx.Conv(28, 4, (3,), strides=3, param_dtype=float, rngs=rngs)
        self.fc = nnx.Linear(40, classes, param_dtype=float, rngs=rngs)

    def __call__(self, images):
        lines = jax.nn.relu(self.conv(images[..., 0]))
        return self.fc(lines.reshape(len(images), -1))


class Forgetful(Tiny):
    """A network that can be trained, but not be tested."""

    deterministic = False

    def __call__(self, images):
        if self.deterministic:
            raise TypeError("no such mode")
        return super().__call__(images)


def with_dead_channel(experiment):
    """Makes the record of a state whose first filter is zero, with its bias."""
    params = experiment.state.params
    for leaf in params["conv"].values():
        leaf[...] = leaf[...].at[..., 0].set(0.0)
    return measure(experiment, experiment.state, 1, 0.5)


def test_records_of_a_run_on_channels_count_channels():
    config = dataclasses.replace(CONFIG, groups="channels")
    record = with_dead_channel(prepare(config))
    kept = Layer(kept=25, weights=52, live=1, groups=2)
    assert record.layers == {"conv/kernel": kept._replace(kept=record.layers["conv/kernel"].kept)}
    assert 25 <= record.layers["conv/kernel"].kept <= 26
    assert record.sparsity.groups == 0.5
    assert record.sparsity.weights == pytest.approx(1 - record.layers["conv/kernel"].kept / 52)
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_the_dense_twin_counts_the_same_groups():
    sparse = dataclasses.replace(CONFIG, groups="channels")
    assert sparse.twin().groups == "channels"
    assert prepare(sparse.twin()).groups == prepare(sparse).groups


def test_records_of_a_run_on_neurons_count_neurons():
    record = with_dead_channel(prepare(CONFIG))
    assert record.layers == {
        "conv/kernel": Layer(25, 50, 1, 2),
        "fc/kernel": Layer(720, 720, 72, 72),
    }
    assert record.sparsity.groups == pytest.approx(1 / 74)


def test_groups_of_several_leaves_count_at_their_kernel():
    params = {
        "a": {"bias": np.ones(3), "kernel": np.ones((2, 3))},
        "b": {"kernel": np.ones((3, 2))},
    }
    params = jax.tree.map(jax.numpy.asarray, params)
    grouping = sgl.channel_groups(
        lambda p, x: (x @ p["a"]["kernel"] + p["a"]["bias"][None]) @ p["b"]["kernel"],
        params,
        jax.ShapeDtypeStruct((1, 2), jnp.float32),
    )
    params["a"] = jax.tree.map(lambda leaf: leaf.at[..., 1].set(0.0), params["a"])
    assert count_layers(params, grouping) == {"a/kernel": Layer(6, 9, 2, 3)}
    assert list(sgl.live_groups(params, grouping)) == ["a/kernel"]


def test_kernels_of_three_axes_are_refused_before_a_step_or_left_out_or_channels():
    config = dataclasses.replace(CONFIG, model=f"{__name__}:Lines")
    for each in (config, config.twin()):
        with pytest.raises(ValueError, match="'conv/kernel' with 3: take channel_groups") as error:
            prepare(each)
        assert "skip=" in str(error.value)
    assert prepare(dataclasses.replace(config, settings=("skip=conv",))).groups.paths == {
        "fc/kernel"
    }
    assert prepare(dataclasses.replace(config, groups="channels")).groups.paths == {
        "conv/kernel",
        "conv/bias",
    }


def test_a_network_that_cannot_be_tested_is_refused_before_a_step():
    with pytest.raises(ValueError, match="no such mode"):
        prepare(dataclasses.replace(CONFIG, model=f"{__name__}:Forgetful"))


@pytest.mark.parametrize("name", ["filters", "layers", "tree", "entries", "input_channels"])
def test_every_grouping_can_be_named(name):
    experiment = prepare(dataclasses.replace(CONFIG, groups=name))
    assert experiment.groups.paths >= {"conv/kernel", "fc/kernel"}
    assert name in GROUPINGS


@pytest.mark.parametrize("group_lam", [0.0, 0.4])
@pytest.mark.parametrize("algorithm", ["prox_adam", "splitting", "admm"])
def test_strengths_have_one_name_with_and_without_groups(algorithm, group_lam):
    config = dataclasses.replace(CONFIG, algorithm=algorithm, group_lam=group_lam)
    experiment = prepare(config)
    assert float(get_strength(experiment, "lam")) == pytest.approx(experiment.strengths.lam)
    if group_lam:
        found = float(get_strength(experiment, "group_lam"))
        assert found == pytest.approx(experiment.strengths.group_lam)


def get_strength(experiment, name):
    """Reads the first strength of a name from the state of the optimizer."""
    return optax.tree.get_all_with_path(experiment.state.opt_state, name)[0][1]
