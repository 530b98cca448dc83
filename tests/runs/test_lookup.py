"""Lookup of names and import paths, and the sentence if they lead nowhere."""

import math
import sys

import pytest
from support.idx_files import assert_sentence

from sgl_jax.runs._lookup import look_up, look_up_factory, make_unknown_error


CATALOGUE = {"scad": 1, "mcp": 2, "l1": 3, "l1_minus_l2": 4}

MODULE = """
def penalty():
    return "mine"


number = 3
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the user's own with a module that has a function and a number."""
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "own_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("own_package", "own_package.own_module"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_name_leads_to_its_entry(name):
    assert look_up("penalty", CATALOGUE, name) == CATALOGUE[name]


def test_a_name_goes_before_an_import_path():
    assert look_up("penalty", {"math:sqrt": "entry"}, "math:sqrt") == "entry"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("scadd", " (did you mean scad?)"),
        ("SCAD", " (did you mean scad?)"),
        ("l1_minus", " (did you mean l1_minus_l2?)"),
        ("l2", " (did you mean l1?)"),
        ("nosuch", ""),
        ("", ""),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_all_choices(name, hint):
    with pytest.raises(ValueError, match="unknown") as error:
        look_up("penalty", CATALOGUE, name)
    assert str(error.value) == (
        f"unknown penalty {name!r}{hint}; choose from l1, l1_minus_l2, mcp, scad, or give an "
        "import path, package.module:Name."
    )


def test_two_names_that_are_near_are_both_named():
    message = str(make_unknown_error("model", ["lenet5", "lenet3", "vgg"], "lenet"))
    assert message == (
        "unknown model 'lenet' (did you mean lenet5 or lenet3?); choose from lenet3, lenet5, vgg."
    )


def test_an_import_path_leads_to_what_it_names(package):
    assert look_up("penalty", CATALOGUE, "own_package.own_module:penalty")() == "mine"
    assert look_up("penalty", CATALOGUE, "math:sqrt") is math.sqrt


@pytest.mark.parametrize(
    ("path", "part"),
    {
        "no module": ("nosuch_package:penalty", "No module named 'nosuch_package'"),
        "no submodule": ("own_package.nosuch:penalty", "No module named 'own_package.nosuch'"),
        "no attribute": ("own_package.own_module:nosuch", "has no attribute 'nosuch'"),
        "no name": ("own_package.own_module:", "has no attribute ''"),
        "no module part": (":penalty", "Empty module name"),
        "a number": ("own_package.own_module:number", "which is of type int"),
        "a relative module": (".own_module:penalty", "package.module:Name"),
    }.values(),
    ids=lambda value: value if ":" in value else "",
)
def test_an_import_path_that_leads_nowhere_is_refused(package, path, part):
    with pytest.raises(ValueError, match="import path") as error:
        look_up("penalty", CATALOGUE, path)
    assert_sentence(error, repr(path), "A penalty by import path", part)


LOADERS = {
    "digits": lambda: "digits",
    "npz": lambda path, root=None: ("npz", path, root),
    "math": lambda path: ("math", path),
}


@pytest.mark.parametrize("path", ["own.npz", "/data/own.npz", "a:b/own.npz", "own_module:name"])
def test_what_follows_the_name_of_an_entry_that_takes_a_path_is_the_path(path):
    assert look_up_factory("data set", LOADERS, f"npz:{path}")(root=3) == ("npz", path, 3)


def test_an_entry_that_takes_a_path_goes_before_a_module_of_its_name():
    assert look_up_factory("data set", LOADERS, "math:sqrt")() == ("math", "sqrt")
    assert look_up_factory("data set", {"math": LOADERS["digits"]}, "math:sqrt") is math.sqrt
    assert look_up_factory("data set", LOADERS, "digits")() == "digits"


@pytest.mark.parametrize("name", ["npz", "npz:"])
def test_an_entry_without_the_path_that_it_takes_is_refused(name):
    with pytest.raises(ValueError, match="needs a path") as error:
        look_up_factory("data set", LOADERS, name)
    assert_sentence(error, repr(name), "npz:PATH")
