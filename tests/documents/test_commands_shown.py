"""Every command that a page shows is one that the command line takes."""

import functools
import shlex

import pytest
from support.documents import ROOT, fenced_blocks

from sgl_jax import cli
from sgl_jax.cli import _commands
from sgl_jax.cli._given import drop_unset
from sgl_jax.runs.config import Config
from sgl_jax.runs.recipes import RECIPES, read_recipe


def shown(page):
    """The commands in the fenced blocks of a page, as their words."""
    lines = "".join(fenced_blocks(page, "", "sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines if "sgl-jax " in line]
    return [tuple(found[found.index("sgl-jax") + 1 :]) for found in words]


PAGES = [
    "README.md",
    "benchmarks/README.md",
    *(f"docs/how_to/{path.name}" for path in sorted((ROOT / "docs/how_to").glob("*.md"))),
]
COMMANDS = sorted({command for page in PAGES for command in shown(page)})

STAND_INS = {"$JOB_COMPLETION_INDEX": "0", "my_package.data:load": "digits"}
"""Words in the place of those that stand for a user's own."""


@pytest.fixture
def called(monkeypatch):
    """The arguments with which commands are called, in the place of the calls."""
    found = []
    for name, command in _commands.COMMANDS.items():

        @functools.wraps(command)
        def record(*arguments, **options):
            found.append(options | dict(enumerate(arguments)))

        monkeypatch.setitem(_commands.COMMANDS, name, record)
    return found


def test_there_are_commands():
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command_is_taken(command, called, capsys):
    assert cli.main([STAND_INS.get(word, word) for word in command]) == 0, capsys.readouterr().err
    (arguments,) = called
    if command[0] == "train" and arguments.get("recipe") in RECIPES:
        read_recipe(arguments["recipe"]).plan(drop_unset(arguments["training"]))
    elif command[0] == "train":
        Config.of(arguments["training"]).check()
