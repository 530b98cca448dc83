"""Every notebook is short, and runs from top to bottom for fewer epochs; two as they stand."""

import tempfile

import jax
import nbformat
import pytest
from nbclient import NotebookClient
from support.compiler import faster_flags
from support.documents import ROOT
from support.tiers import usual


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


SHORTER = {
    "00_quickstart": {"key(0), 15)": "key(0), 3)", "range(1, 16)": "range(1, 4)"},
    "01_penalties": {"range(30)": "range(12)", "20_001": "2_001"},
    "02_optax": {"EPOCHS = 15": "EPOCHS = 1", "key(1), 5)": "key(1), 1)"},
    "03_compact": {
        "epochs=20)": "epochs=2)",
        "epochs=10": "epochs=1",
        "number=5, repeat=20)) / 5": "number=1, repeat=1))",
    },
    "04_train_lenet": {"EPOCHS, LAST = 15, 5": "EPOCHS, LAST = 2, 1"},
    "05_paths_and_fronts": {
        "EPOCHS, SEEDS = 8, [0, 1]": "EPOCHS, SEEDS = 1, [0]",
        "[1e-4, 3e-4, 1e-3, 2e-3, 4e-3]": "[1e-4, 4e-3]",
        '    "prox-Adam, l1": (sgl.prox_adam(3e-3, shrink(sgl.L1)), {}),\n': "",
    },
    "06_prune_a_pretrained_resnet": {
        "EPOCHS, COUNT = 6, 640": "EPOCHS, COUNT = 2, 64",
        "epochs=5": "epochs=1",
    },
    "07_binarised": {
        "EPOCHS, LAM = 30": "EPOCHS, LAM = 1",
        "2 * line.possible, 11)": "2 * line.possible, 2)",
        "[500, 1000, 2000, 4000], 30": "[500], 3",
    },
    "08_scoring": {"fractions=40": "fractions=12", "CV(fractions=20)": "CV(fractions=4)"},
    "09_beamforming": {
        "LANES = 24": "LANES = 12",
        "in bf.METHODS}": 'in ("all_on", "exhaustive")}',
        "20_000": "2_000",
    },
}
"""What to write in the place of what, so that a notebook computes for less long."""

DEAR = ("06_prune_a_pretrained_resnet", "09_beamforming")
QUICK = [path for path in NOTEBOOKS if path.stem not in DEAR]
"""Those that run in the first tier; residual networks and solvers take long to compile."""


@pytest.fixture
def as_in_a_notebook(as_for_users, collected, monkeypatch, tmp_path):
    """Ranks mix as for users, no file is named; figures are drawn in memory."""
    import matplotlib.pyplot as plt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("RESNET_WEIGHTS", "RESNET_DEPTH", "SGL_JAX_DATA"):
        monkeypatch.delenv(name, raising=False)
    plt.switch_backend("agg")
    with jax.numpy_rank_promotion("allow"), plt.rc_context():
        yield
    plt.close("all")


@pytest.mark.usefixtures("as_in_a_notebook")
@pytest.mark.parametrize("path", usual(NOTEBOOKS, QUICK), ids=lambda path: path.stem)
def test_notebook_runs_for_fewer_epochs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) <= 12
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for long, short in SHORTER[path.stem].items():
        assert long in code
        code = code.replace(long, short)
    exec(compile(code, path.name, "exec"), {"__name__": path.stem})


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", usual(NOTEBOOKS[:2], NOTEBOOKS[:1], "exhaustive"), ids=lambda path: path.stem
)
def test_notebook_runs_in_a_kernel_as_it_stands(path, monkeypatch, tmp_path):
    for name, value in faster_flags().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
