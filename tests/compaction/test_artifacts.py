"""Compacted networks on disk come back bit by bit, and replace nothing else."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.dead import NETWORKS, assert_same
from support.idx_files import assert_sentence
from support.tiny import bits, full_disk, snapshot

import sgl_jax as sgl
from sgl_jax._util import orbax
from sgl_jax.compaction.artifacts import _folder


# Orbax leaves tasks of a closed event loop behind where it fails.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]


@pytest.mark.parametrize("shapes", [False, True], ids=["arrays", "shapes"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_bit_of_a_network_comes_back(tmp_path, networks, name, shapes):
    apply, params, x, small = networks[name]
    assert small.report.after.parameters < small.report.before.parameters
    sgl.save_compact(tmp_path / "small", small)
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    like = jax.eval_shape(lambda: params) if shapes else params
    found = sgl.load_compact(str(tmp_path / "small"), apply, like)
    assert_same(found, small, x)
    assert bits(found.shrink(params)).keys() == bits(small.params).keys()


def test_leaves_are_found_by_name_whatever_their_order(tmp_path, networks):
    apply, params, x, small = networks["float32"]
    sgl.save_compact(tmp_path / "small", small)
    like = collections.OrderedDict(reversed(params.items()))
    found = sgl.load_compact(tmp_path / "small", apply, like)
    assert list(found.params) == ["c", "b", "a"]
    np.testing.assert_array_equal(found.apply(found.params, x), small.apply(small.params, x))


def test_inputs_that_are_no_arrays_are_not_kept(tmp_path):
    def apply(params, batch):
        return batch["x"] @ params

    params = jnp.ones((3, 2))
    small = sgl.compact(apply, params, {"x": jnp.ones((1, 3))})
    sgl.save_compact(tmp_path / "small", small)
    found = sgl.load_compact(tmp_path / "small", apply, params)
    assert (found.inputs, found.plan) == ((), small.plan)
    with pytest.raises(ValueError, match="shapes of the inputs") as error:
        sgl.export(tmp_path / "small.stablehlo", found)
    assert_sentence(error)


def test_a_network_is_replaced_and_nothing_else_is(tmp_path, networks):
    *_, small = networks["float32"]
    apply, params, x, other = networks["bfloat16"]
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "deep" / "new", tmp_path / "empty"):
        sgl.save_compact(path, small)
        (path / "network.onnx").write_text("of the one before")
        for left in (".new.part", ".new.old", ".empty.part", ".empty.old"):
            (path.parent / left).mkdir()
        sgl.save_compact(path, other)
        assert sorted(each.name for each in path.iterdir()) == ["params", "plan.json"]
        assert_same(sgl.load_compact(path, apply, params), other, x)
        assert not (path.parent / f".{path.name}.part").exists()
        assert not (path.parent / f".{path.name}.old").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_anything_else_than_a_network_is_not_replaced(tmp_path, networks, kind):
    path = tmp_path / "thesis"
    if kind == "folder":
        path.mkdir()
        (path / "thesis.tex").write_text("years of work")
    else:
        path.write_text("years of work")
    before = snapshot(tmp_path)
    with pytest.raises(FileExistsError, match="something else") as error:
        sgl.save_compact(path, networks["float32"][3])
    assert_sentence(error, path)
    assert snapshot(tmp_path) == before


def test_an_interrupted_saving_leaves_what_was_there(copied, networks, monkeypatch):
    *_, small = networks["flax"]
    before = snapshot(copied.parent)

    def stopped(path, leaves):
        path.mkdir()
        (path / "half").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(orbax, "write", stopped)
    for path in (copied, copied.with_name("new")):
        with pytest.raises(KeyboardInterrupt):
            sgl.save_compact(path, small)
        assert snapshot(copied.parent) == before


def test_a_rename_that_fails_leaves_what_was_there(copied, networks, monkeypatch):
    before, rename = snapshot(copied.parent), _folder.replace_folder.__globals__["os"].replace

    def replace(source, target):
        if str(source).endswith(".part"):
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(OSError, match="can be written") as error:
        sgl.save_compact(copied, networks["flax"][3])
    assert_sentence(error, copied, "Permission denied")
    assert snapshot(copied.parent) == before


def test_a_full_disk_is_refused_and_leaves_what_was_there(copied, networks):
    before = snapshot(copied.parent)
    with full_disk(), pytest.raises(OSError, match="needs a disk that can be written") as error:
        sgl.save_compact(copied, networks["flax"][3])
    assert_sentence(error, copied)
    assert snapshot(copied.parent) == before


def test_a_place_that_cannot_be_written_is_refused(tmp_path, networks):
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OSError, match="needs a disk that can be written") as error:
        sgl.save_compact(tmp_path / "file" / "small", networks["float32"][3])
    assert_sentence(error, "Not a directory", tmp_path / "file")
