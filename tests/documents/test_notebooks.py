"""Every notebook runs from top to bottom, and is short."""

import nbformat
import pytest
from nbclient import NotebookClient
from support.compiler import faster_flags
from support.documents import ROOT


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


SHORTER = {
    "00_quickstart": {"key(0), 15)": "key(0), 3)", "range(1, 16)": "range(1, 4)"},
    "01_penalties": {},
    "02_optax": {"EPOCHS = 15": "EPOCHS = 2", "key(1), 5)": "key(1), 1)"},
    "03_compact": {"epochs=20)": "epochs=2)", "epochs=10": "epochs=1"},
}
"""What to write in the place of what, so that a notebook trains for fewer epochs."""


def run(notebook, monkeypatch, folder):
    for name, value in faster_flags().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(folder))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_for_fewer_epochs(path, monkeypatch, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert len(notebook.cells) <= 12
    for long, short in SHORTER[path.stem].items():
        cells = [cell for cell in notebook.cells if long in cell.source]
        assert cells, long
        for cell in cells:
            cell.source = cell.source.replace(long, short)
    run(notebook, monkeypatch, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch, tmp_path):
    run(nbformat.read(path, as_version=4), monkeypatch, tmp_path)
