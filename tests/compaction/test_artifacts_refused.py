"""Damaged networks on disk, and other networks than the one asked for, are refused."""

import json
import shutil

import jax
import jax.numpy as jnp
import pytest
from support.dead import Noisy
from support.idx_files import assert_sentence

import sgl_jax as sgl
from sgl_jax.train import split


# Orbax leaves tasks of a closed event loop behind where it fails.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]


def test_missing_folder_or_plan_is_refused(tmp_path, networks):
    apply, params, *_ = networks["flax"]
    for path, said in ((tmp_path / "nowhere", "its folder"), (tmp_path, "its plan.json")):
        with pytest.raises(FileNotFoundError, match=said) as error:
            sgl.load_compact(path, apply, params)
        assert_sentence(error, path)


def edited(**changes):
    """A function that changes the description of a network."""

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
