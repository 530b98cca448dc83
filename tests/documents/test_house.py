"""CONTRIBUTING: its tree, layers and recipes are true, and its recipe adds a data set."""

import importlib
import re
import subprocess
import sys
import tomllib

import pytest
from support.documents import ROOT, copied, plain_blocks, python_blocks, table_rows


PAGE = "CONTRIBUTING.md"

(TREE,) = (block for block in plain_blocks(PAGE) if block.startswith("sgl_jax/\n"))
(LAYERS,) = (block for block in plain_blocks(PAGE) if block.startswith("cli > "))

RECIPES = table_rows(PAGE, "| new | its file in `sgl_jax/` | a line in | of |")


def listed():
    """The paths of the tree in CONTRIBUTING, below the package."""
    folder, paths = None, []
    for line in TREE.splitlines()[1:]:
        indent, name = re.match(r"( +)(\S+)", line).groups()
        if indent == "  ":
            folder = name
            paths.append(name)
        else:
            paths.append(f"{folder}{name}")
    return paths


def test_tree_names_every_entry_of_the_package_and_no_other():
    there = [
        path.name + "/" * path.is_dir()
        for path in (ROOT / "sgl_jax").iterdir()
        if path.name != "__pycache__"
    ]
    assert sorted(path for path in listed() if "/" not in path.rstrip("/")) == sorted(there)
    assert len(there) <= 20


@pytest.mark.parametrize("folder", ["compaction/", "train/"])
def test_tree_names_every_folder_of_a_wing(folder):
    there = [
        f"{folder}{path.parent.name}/" for path in (ROOT / "sgl_jax" / folder).glob("*/__init__.py")
    ]
    assert sorted(path for path in listed() if path.startswith(folder)) == sorted([folder, *there])


def test_layers_are_those_of_the_linter():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    house, *_ = project["tool"]["importlinter"]["contracts"]
    assert ["__main__", *re.split(r"\s*>\s*", LAYERS.strip())] == house["layers"]


WINGS = (
    "_util",
    "applications",
    "applications.beamforming",
    "applications.binarised",
    "applications.scoring",
    "cli",
    "compaction",
    "data",
    "metrics",
    "models",
    "runs",
    "train",
    "train.many",
    "transforms",
)


@pytest.mark.parametrize("wing", WINGS)
def test_tour_of_a_wing_names_every_module(wing):
    tour = importlib.import_module(f"sgl_jax.{wing}").__doc__
    named = set(re.findall(r"``(\w+)``", " ".join(re.findall(r"^- (.*?):", tour, re.MULTILINE))))
    folder = ROOT / "sgl_jax" / wing.replace(".", "/")
    there = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    if wing in ("data", "models"):  # the other files are the entries of the catalogue
        there = {name for name in there if name.startswith("_")}
    assert named == there | {path.parent.name for path in folder.glob("*/__init__.py")}


@pytest.mark.parametrize("row", RECIPES, ids=[row[0] for row in RECIPES])
def test_recipes_name_files_and_catalogues_that_are_there(row):
    _, file, catalogue, home = row
    path = ROOT / "sgl_jax" / file
    assert path.parent.is_dir() if "NAME" in file else path.is_file()
    module = home.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    assert hasattr(importlib.import_module(f"sgl_jax.{module}"), catalogue)


@pytest.fixture
def with_data_set(tmp_path):
    """A copy of the project with the data set of CONTRIBUTING in it."""
    copied(tmp_path)
    (code,) = (block for block in python_blocks(PAGE) if block.startswith("# sgl_jax/data/"))
    (line,) = (block for block in python_blocks(PAGE) if block.startswith("from sgl_jax.data."))
    name = re.match(r"# sgl_jax/data/(\w+).py\n", code).group(1)
    (tmp_path / "sgl_jax" / "data" / f"{name}.py").write_text(code, encoding="utf-8")
    catalogue = tmp_path / "sgl_jax" / "data" / "__init__.py"
    text = catalogue.read_text(encoding="utf-8")
    before = "from sgl_jax.data.digits import "
    assert text.count(before) == 1
    catalogue.write_text(text.replace(before, line + before), encoding="utf-8")
    return tmp_path, name


def test_data_set_of_the_recipe_passes_its_contract(with_data_set):
    folder, name = with_data_set
    only = ["-k", f"[{name}] or catalogue", "-p", "no:cacheprovider", "-v"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/data/test_data.py", *only],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(folder), "JAX_PLATFORMS": "cpu"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count(f"[{name}] PASSED") == 4, run.stdout
    assert "test_catalogue_is_sorted PASSED" in run.stdout
