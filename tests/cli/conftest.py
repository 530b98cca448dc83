"""Commands typed in process, and a finished run to type them at."""

import shutil
import sys

import jax
import pytest
from support.commands import TINY
from support.short_timing import short_timing

from sgl_jax import cli
from sgl_jax.data._source import ROOT_VARIABLE


@pytest.fixture(scope="module", autouse=True)
def measured_briefly():
    """Latencies are measured in one round: no test here looks at them."""
    with short_timing():
        yield


@pytest.fixture(scope="module", autouse=True)
def standard_promotion():
    """Optax's schedules compare a float with an integer count."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to stand in, a wide terminal, and no data."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)


@pytest.fixture
def typed(capsys):
    """Types a command: its exit status, and the lines of both streams."""

    def type_(*argv):
        capsys.readouterr()
        status = cli.main([str(word) for word in argv])
        return status, *(stream.splitlines() for stream in capsys.readouterr())

    return type_


@pytest.fixture(scope="module")
def trained(tmp_path_factory, standard_promotion):
    """The folder of a finished run with its twin."""
    runs = tmp_path_factory.mktemp("cli") / "runs"
    assert cli.main(["train", *TINY, "--runs", str(runs), "--name", "whole"]) == 0
    return runs / "whole"


@pytest.fixture
def copied(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "runs" / "whole")
