"""Every notebook runs from top to bottom, and is short."""

import nbformat
import pytest
from nbclient import NotebookClient
from support.documents import ROOT


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    assert len(notebook.cells) <= 12
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
