"""Dead channels leave a run while it trains, and nothing else changes."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.tiers import usual
from support.tiny import Wider, bits, resumed_after

from sgl_jax.runs.compaction import compact_run
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import get_sparse_params, prepare, run
from sgl_jax.runs.folder import RunFolder
from sgl_jax.train.placement import data_parallel


CONFIG = Config(
    model="support.tiny:Wider",
    groups="channels",
    group_penalty="transformed_l1",
    group_weight="flops",
    lam=0.0,
    group_lam=2000.0,
    epochs=4,
    batch_size=512,
    shrink_at=0.9,
)


@pytest.fixture(scope="module", autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def whole(double, tmp_path_factory):
    """The folder of an uninterrupted run, and the run."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "whole")
    return folder, folder.train(CONFIG)


@pytest.fixture
def copied(whole, tmp_path):
    return RunFolder(shutil.copytree(whole[0].path, tmp_path / "copied"))


def shrunk_after(folder):
    """The epochs after which channels left, ascending."""
    return sorted(int(path.stem) for path in (folder.path / "shrinks").iterdir())


def test_network_is_smaller_and_its_answers_are_those_without_shrinking(whole):
    reached, same = whole[1], run(dataclasses.replace(CONFIG, shrink_at=None))
    live = reached.records[-1].layers["conv/kernel"].live
    assert 0 < live < 3
    assert reached.experiment.model.conv.out_features == live
    assert reached.state.params["fc"]["kernel"].shape == (36 * live, 10)
    assert same.experiment.model.conv.out_features == 3
    for mine, other in zip(reached.records, same.records, strict=True):
        assert mine.error == other.error
        np.testing.assert_allclose(mine.loss, other.loss, rtol=1e-9)
    wide = reached.experiment.widen(get_sparse_params(CONFIG, reached.state))
    filters = [np.asarray(tree["conv"]["kernel"][...]) for tree in (wide, same.state.params)]
    np.testing.assert_allclose(*filters, rtol=1e-8, atol=1e-12)


def test_moments_of_the_optimizer_are_as_narrow_as_the_network(whole):
    state = whole[1].state
    shapes = {leaf.shape for leaf in jax.tree.leaves(state.params)}
    moments = {leaf.shape for leaf in jax.tree.leaves(state.opt_state) if np.ndim(leaf) > 1}
    assert moments == {shape for shape in shapes if len(shape) > 1}


@pytest.mark.slow
@pytest.mark.parametrize("epoch", usual(range(1, CONFIG.epochs), {2}, "exhaustive"))
def test_run_stopped_after_any_epoch_ends_as_if_it_had_not_been(whole, tmp_path, epoch):
    folder, reached = whole
    assert shrunk_after(folder)
    other = RunFolder(tmp_path / "other")
    resumed = resumed_after(epoch, other, CONFIG)
    assert resumed.records == reached.records
    assert bits(resumed.state) == bits(reached.state)
    assert shrunk_after(other) == shrunk_after(folder)


def test_files_of_an_epoch_without_checkpoint_count_as_nothing(whole, copied):
    last = copied.path / "shrinks" / "5.json"
    last.write_text("nothing that could be read")
    found = copied.read_run(prepare(CONFIG))
    assert bits(found.state) == bits(whole[1].state)


def test_damaged_plan_is_one_sentence(copied):
    for path in (copied.path / "shrinks").iterdir():
        path.write_text(json.dumps({"conv/kernel": {"shape": [5, 5, 1, 3], "kept": [7]}}))
    with pytest.raises(ValueError, match=r"A run whose channels left needs the file .*\.json"):
        copied.read_run(prepare(CONFIG))


def test_run_is_compacted_from_the_full_network(whole, copied):
    found = compact_run(copied, whole[1])
    full = prepare(CONFIG).state.params
    assert found.full.size.parameters == sum(leaf.size for leaf in jax.tree.leaves(full))
    assert found.compact.size.parameters <= sum(
        leaf.size for leaf in jax.tree.leaves(whole[1].state.params)
    )
    assert found.full.error == found.compact.error == whole[1].records[-1].error


@pytest.mark.slow
def test_channels_leave_on_many_devices_too(whole):
    placement = data_parallel(jax.devices()[:2])
    folder, reached = whole
    many = RunFolder(folder.path.parent / "many").train(CONFIG, placement=placement)
    assert many.experiment.plan == reached.experiment.plan
    np.testing.assert_allclose(many.records[-1].loss, reached.records[-1].loss, rtol=1e-9)


class Counting(Wider):
    """A network that divides by the number of its filters."""

    def __call__(self, images):
        x = jax.nn.relu(self.conv(images))
        return self.fc((x / jnp.sqrt(x.shape[-1])).reshape(images.shape[0], -1))


class Loop(nnx.Module):
    """A network without channels that could leave."""

    def __init__(self, classes, *, rngs):
        self.fc = nnx.Linear(784, classes, rngs=rngs)

    def __call__(self, images):
        return self.fc(images.reshape(images.shape[0], -1))


@pytest.mark.parametrize(
    ("model", "message"),
    [(Counting, "must give the same outputs by its own code"), (Loop, "channel")],
)
def test_network_that_cannot_shrink_is_refused_before_anything_is_written(
    model, message, tmp_path, monkeypatch
):
    monkeypatch.setattr("support.tiny.Refused", model, raising=False)
    config = dataclasses.replace(
        CONFIG, model="support.tiny:Refused", groups="neurons", group_weight="sqrt_size"
    )
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match=message):
        folder.train(config)
    assert not folder.path.exists()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_share_has_a_range(share):
    with pytest.raises(ValueError, match="needs shrink_at between 0 and 1, got"):
        prepare(dataclasses.replace(CONFIG, shrink_at=share))
