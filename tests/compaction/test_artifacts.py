"""Compacted networks on disk: all of it comes back, or a sentence says why not."""

import collections
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.dead import NETWORKS, Noisy, assert_same
from support.idx_files import assert_sentence
from support.tiny import bits, full_disk, snapshot

import sgl_jax as sgl
from sgl_jax._util import orbax
from sgl_jax.compaction.artifacts import _folder
from sgl_jax.train import split


# Orbax leaves tasks of a closed event loop behind where it fails.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]


@pytest.fixture(scope="module")
def networks():
    """The full networks, and what is left of them."""
    found = {name: make() for name, make in NETWORKS.items()}
    return {
        name: (*full, sgl.compact(full[0], full[1], full[2][:1])) for name, full in found.items()
    }


@pytest.fixture(scope="module")
def stored(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "small"
    sgl.save_compact(path, networks["flax"][3])
    return path


@pytest.fixture
def copied(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "small")


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
def test_what_is_no_network_is_not_replaced(tmp_path, networks, kind):
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


def test_where_there_is_nothing_nothing_is_loaded(tmp_path, networks):
    apply, params, *_ = networks["flax"]
    for path, said in ((tmp_path / "nowhere", "its folder"), (tmp_path, "its plan.json")):
        with pytest.raises(FileNotFoundError, match=said) as error:
            sgl.load_compact(path, apply, params)
        assert_sentence(error, path)


def edited(**changes):
    """What changes the description of a network."""

    def edit(text):
        found = json.loads(text)
        for name, change in changes.items():
            found[name] = change(found[name])
        return json.dumps(found)

    return edit


def leaf(**changes):
    return edited(leaves=lambda leaves: {**leaves, "0/conv/bias": {**BIAS, **changes}})


BIAS = {"shape": [6], "dtype": "float32", "kept": [[0, 1, 4, 5]]}

DAMAGED = {
    "empty": (lambda text: "", "to be whole"),
    "cut short": (lambda text: text[: len(text) // 2], "to be whole"),
    "null": (lambda text: "null", "written by save_compact"),
    "another file": (lambda text: '{"config": 3}', "written by save_compact"),
    "newer": (
        edited(format=lambda number: number + 1),
        "of format 1 for this version, got format 2",
    ),
    "no report": (edited(report=lambda report: {}), "'before'"),
    "no shape": (leaf(shape=None), "to be whole"),
    "kept twice": (leaf(kept=[[0, 0, 4, 5]]), "kept positions"),
    "kept beyond": (leaf(kept=[[0, 1, 4, 6]]), "kept positions"),
    "another width": (
        leaf(kept=[[0, 1, 4]]),
        "which has float32[3] at '0/conv/bias', got float32[4]",
    ),
    "another shape": (leaf(shape=[7]), "float32[6] at '0/conv/bias' where"),
    "another type": (leaf(dtype="float16"), "float32[6] at '0/conv/bias' where"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_description_is_refused(copied, networks, damage):
    apply, params, *_ = networks["flax"]
    change, said = DAMAGED[damage]
    path = copied / "plan.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match="compacted network needs") as error:
        sgl.load_compact(copied, apply, params)
    assert_sentence(error, said, copied)


@pytest.mark.parametrize("files", ["params", "params/manifest.ocdbt", "params/_METADATA"])
def test_damaged_arrays_are_refused(copied, networks, files):
    apply, params, *_ = networks["flax"]
    path = copied / files
    path.write_bytes(b"\0") if path.is_file() else shutil.rmtree(path)
    with pytest.raises(ValueError, match="needs to be whole") as error:
        sgl.load_compact(copied, apply, params)
    assert_sentence(error, copied)


def test_another_full_network_is_refused_by_its_first_leaf(stored, networks):
    apply, (params, rest), *_ = networks["flax"]
    _, wider, _ = split(Noisy(width=7))
    for like, said in (
        ((wider, rest), "float32[7] at '0/conv/bias' where"),
        (params, "nothing at '0/conv/bias' where"),
        ((params, rest, {"more": jnp.zeros(2)}), "float32[2] at '2/more' where"),
        ((jax.tree.map(lambda x: x.astype("float16"), params), rest), "float16[6] at"),
    ):
        with pytest.raises(ValueError, match="full network that it was made from") as error:
            sgl.load_compact(stored, apply, like)
        assert_sentence(error, said, stored)


def test_another_function_is_refused(stored, networks):
    apply, params, *_ = networks["flax"]

    def wrong(variables, images):
        return apply(variables, images[:, :-1])

    def features(variables, images):
        return apply(variables, images)[:, :1]

    for function, said in ((wrong, "one that fails"), (features, "float32[1, 1]")):
        with pytest.raises(ValueError, match="the `apply` it was made from") as error:
            sgl.load_compact(stored, function, params)
        assert_sentence(error, said, stored)
