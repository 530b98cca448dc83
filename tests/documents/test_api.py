"""The conventions of the package, as tests: names, docstrings, values, what an import does."""

import ast
import dataclasses
import importlib
import inspect
import pathlib
import pkgutil
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import sgl_jax as sgl
from sgl_jax.cli import _commands as cli


FOLDERS = [str(pathlib.Path(sgl.__file__).parent)]
MODULES = [
    "sgl_jax",
    *(found.name for found in pkgutil.walk_packages(FOLDERS, "sgl_jax.") if "__" not in found.name),
]


def public():
    """Everything that a public module lists, by the first name that it has."""
    things = {}
    for module in (name for name in MODULES if "._" not in name):
        loaded = importlib.import_module(module)
        for name in loaded.__all__:
            thing = getattr(loaded, name)
            ours = getattr(thing, "__module__", "").startswith("sgl_jax")
            if ours and (inspect.isclass(thing) or inspect.isfunction(thing)):
                things.setdefault(thing, f"{module}.{name}")
    return {path: thing for thing, path in things.items()}


def methods(path, thing):
    """The public methods that a class defines, by name."""
    return {
        f"{path}.{name}": member.__func__ if isinstance(member, classmethod) else member
        for name, member in vars(thing).items()
        if not name.startswith("_") and (inspect.isfunction(member) or hasattr(member, "__func__"))
    }


PUBLIC = public()
CLASSES = {path: thing for path, thing in PUBLIC.items() if inspect.isclass(thing)}
COMMANDS = {f"sgl-jax {name}": command for name, command in cli.COMMANDS.items()}
FUNCTIONS = {path: thing for path, thing in PUBLIC.items() if inspect.isfunction(thing)} | COMMANDS
METHODS = {
    name: method for path, thing in CLASSES.items() for name, method in methods(path, thing).items()
}
ENTRIES = {
    path: function
    for path, function in FUNCTIONS.items()
    if path.count(".") == 1
    or path.startswith("sgl_jax.directions.")
    or function.__name__ in sgl.prox.__all__
    or path in COMMANDS
}
"""The functions that a user calls, and so wants explained in full."""


def parameters(function):
    """The names of the parameters, as a docstring lists them."""
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(function).parameters.values()
    return [p.name for p in found if p.kind not in plain and p.name not in ("self", "cls")]


def section(thing, title):
    """The names that a section of a docstring explains; ``None`` if there is none."""
    found = re.search(rf"^{title}:\n((?:  .*\n?|\n)+)", inspect.getdoc(thing), re.MULTILINE)
    return found and re.findall(r"^  (\w+): ", found.group(1), re.MULTILINE)


@pytest.mark.parametrize("module", MODULES)
def test_all_lists_existing_names_once(module):
    loaded = importlib.import_module(module)
    listed = loaded.__all__
    assert all(isinstance(name, str) and hasattr(loaded, name) for name in listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", MODULES)
def test_module_says_what_it_is(module):
    first = importlib.import_module(module).__doc__.partition("\n\n")[0]
    assert first == first.strip()
    assert first.endswith((".", ":"))


@pytest.mark.parametrize("path", [*FUNCTIONS, *CLASSES, *METHODS])
def test_docstring_opens_with_one_line(path):
    thing = (FUNCTIONS | CLASSES | METHODS)[path]
    first, *rest = inspect.getdoc(thing).split("\n")
    assert first.endswith((".", ":", "?")), first
    assert not rest or not rest[0], first


OBLIQUE = re.compile(r"(What|Whether|Where|Which|Of|How|That|Those|Itself|It|Who|Why|As)\b")


def docstrings(module):
    """Every docstring of a file, of private things too, by the line of its thing."""
    tree = ast.parse(pathlib.Path(importlib.import_module(module).__file__).read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and (docstring := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), docstring


@pytest.mark.parametrize("module", MODULES)
def test_docstring_opens_with_a_verb_or_a_noun(module):
    oblique = [(line, text) for line, text in docstrings(module) if OBLIQUE.match(text)]
    assert not oblique


@pytest.mark.parametrize("path", [*FUNCTIONS, *METHODS])
def test_docstring_explains_the_parameters_of_the_signature(path):
    function = (FUNCTIONS | METHODS)[path]
    explained = section(function, "Args")
    if explained is not None:
        assert explained == parameters(function)
    elif path in ENTRIES and parameters(function):
        shared = re.search(r"rguments as in :func:`(\w+)`", inspect.getdoc(function))
        assert shared, "neither Args nor a function with the same"
        twin = FUNCTIONS[f"sgl_jax.{shared.group(1)}"]
        assert section(twin, "Args") == parameters(twin) == parameters(function)


@pytest.mark.parametrize("path", CLASSES)
def test_docstring_explains_the_fields_of_a_class(path):
    cls = CLASSES[path]
    explained = section(cls, "Attributes")
    if explained is not None and dataclasses.is_dataclass(cls):
        assert explained == [field.name for field in dataclasses.fields(cls)]
    elif explained is not None and hasattr(cls, "_fields"):
        assert explained == list(cls._fields)


@pytest.mark.parametrize("name", sgl.PENALTIES | sgl.CONSTRAINTS)
def test_penalty_has_an_equation_and_its_source(name):
    cls = (sgl.PENALTIES | sgl.CONSTRAINTS)[name]
    docstring = inspect.getdoc(cls)
    assert ".. math::" in docstring
    assert "References:" in docstring
    assert section(cls, "Attributes") or not dataclasses.fields(cls)


@pytest.mark.parametrize("name", sgl.prox.__all__)
def test_prox_has_an_equation(name):
    assert ".. math::" in inspect.getdoc(getattr(sgl.prox, name))


@pytest.mark.parametrize("path", [*FUNCTIONS, *METHODS])
def test_randomness_comes_first_and_is_called_key(path):
    names = parameters((FUNCTIONS | METHODS)[path])
    assert "rng" not in names
    assert "key" not in names[1:]


CATALOGUES = {
    "penalties": dict(sorted((sgl.PENALTIES | sgl.CONSTRAINTS).items())),
    "algorithms": sgl.ALGORITHMS,
    "compaction.artifacts": sgl.EXPORTERS,
    "data": sgl.data.DATASETS,
    "models": sgl.models.MODELS,
    "reparametrizations": sgl.reparametrizations.REPARAMETRIZATIONS,
}
"""The catalogues with a file for each entry, by their package."""


@pytest.mark.parametrize("package", CATALOGUES)
def test_catalogue_is_the_files(package):
    folder = pathlib.Path(FOLDERS[0], *package.split("."))
    files = sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))
    assert list(CATALOGUES[package]) == files
    for name, thing in CATALOGUES[package].items():
        assert thing.__module__ == f"sgl_jax.{package}.{name}"


def test_penalties_and_algorithms_are_public_names():
    for package in ("penalties", "algorithms"):
        for thing in CATALOGUES[package].values():
            assert getattr(sgl, thing.__name__) is thing
            assert thing.__name__ in sgl.__all__


def test_prox_names_the_operator_of_every_penalty_and_constraint():
    for kind, catalogue in (("prox", sgl.PENALTIES), ("project", sgl.CONSTRAINTS)):
        named = {name for name in sgl.prox.__all__ if name.startswith(kind)}
        assert named == {f"{kind}_{name}" for name in catalogue}, "a line of sgl_jax/prox.py"


VALUES = {
    **{name: lambda make=make: make(0.1) for name, make in sgl.PENALTIES.items()},
    **{name: getattr(sgl, name) for name in sgl.__all__ if name.startswith("by_")},
    "regularizer": lambda: sgl.Regularizer(sgl.L1(0.1)),
    "sparse_group": lambda: sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.1)),
    "groups": lambda: sgl.by_filter().resolve({"kernel": jnp.ones((2, 3))}),
}
"""What a user puts into a link: every one is a value."""


@pytest.mark.parametrize("name", VALUES)
def test_value_is_hashable_frozen_and_not_callable(name):
    value, same = VALUES[name](), VALUES[name]()
    assert value == same
    assert hash(value) == hash(same)
    assert not callable(value)
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)


@pytest.mark.parametrize("name", VALUES)
def test_value_is_a_pytree_of_its_strengths(name):
    value = VALUES[name]()
    leaves, treedef = jax.tree.flatten(value)
    assert jax.tree.unflatten(treedef, leaves) == value
    assert hash(treedef) == hash(jax.tree.structure(VALUES[name]()))
    assert all(isinstance(leaf, float) for leaf in leaves)
    numbers = [field for field in dataclasses.fields(value) if field.name != "layout"]
    of_penalty = len(numbers) if name in sgl.PENALTIES else 0
    assert len(leaves) == {"regularizer": 1, "sparse_group": 2}.get(name, of_penalty)


def test_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sgl.nothing  # noqa: B018


IMPORT = """
import sys
import jax
before = dict(jax.config.values)
import sgl_jax
assert dict(jax.config.values) == before, "the configuration changed"
heavy = {"flax", "haiku", "equinox", "matplotlib", "sklearn", "rich", "orbax"} & set(sys.modules)
assert not heavy, heavy
jax.config.update("jax_num_cpu_devices", 3)  # refused once something has been computed
assert jax.device_count("cpu") == 3
assert {"data", "many", "models", "modules", "train", *sgl_jax.__all__} <= set(dir(sgl_jax))
assert "flax" not in sys.modules
assert sgl_jax.compact_module is sgl_jax.compaction.flax.compact_module
assert "flax" in sys.modules
assert sgl_jax.train.train_step
"""


def test_import_does_no_work_and_the_rest_comes_on_demand():
    found = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
