"""Commands before there is a run: what they print and write, and the sentence for every mistake."""

import gzip
import sys
from importlib.metadata import version

import pytest
from support.commands import TINY, assert_refused, errors_of, table
from support.idx_files import SOURCES, draw, published, write
from support.own_data import draw_arrays, write_images
from support.tiny import snapshot

import sgl_jax as sgl
from sgl_jax import cli
from sgl_jax._util.docstrings import read_first_line
from sgl_jax.cli._commands import COMMANDS
from sgl_jax.data._idx_source import FILES
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.recipes import RECIPES
from sgl_jax.runs.sweeps import PRESETS


OWN = """
from support.tiny import Tiny


class Own(Tiny):
    filters = 1
"""


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_is_printed(capsys, command):
    with pytest.raises(SystemExit) as exit_:
        cli.main([*command, "--help"])
    assert exit_.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: sgl-jax" in shown
    for word in {"train": ["--group-lam", "--no-twin"], "": ["evaluate", "demo"]}.get(
        "".join(command), []
    ):
        assert word in shown


def test_list_names_every_entry_of_every_catalogue(typed):
    from sgl_jax.runs.parts import KINDS

    status, out, err = typed("list")
    assert (status, err) == (0, [])
    found, option = {}, None
    for line in out:
        if line.startswith("--"):
            option = line.strip()
        else:
            name, _, said = line.strip().partition(" ")
            found.setdefault(option, []).append(name)
            assert said.strip()
    expected = {f"--{option}": list(kind.catalogue) for option, kind in KINDS.items()}
    expected |= {"--recipe": list(RECIPES), "--preset (sweep)": list(PRESETS)}
    assert found.pop("--penalty, --group-penalty") == expected.pop("--penalty")
    assert expected.pop("--group_penalty") == list(KINDS["penalty"].catalogue)
    assert found == expected
    assert f"  {'mcp':<26}{read_first_line(sgl.MCP)}" in [line.rstrip() for line in out]


def test_version_is_that_of_the_package(typed):
    assert typed("--version") == (0, [f"sgl-jax {version('sgl_jax')}"], [])


def test_training_prints_both_runs_and_draws_a_figure(typed, tmp_path):
    status, out, err = typed("train", *TINY, "--seed", 7, "--lam", 3, "--group-lam", 1)
    assert (status, err) == (0, [])
    text, folder = "\n".join(out), tmp_path / "runs" / "digits-Tiny-prox_adam-l1-seed7"
    for part in ("sparse 2/2 loss ", "dense 1/2 loss ", "dense ┃ sparse ┃", "At the last epoch"):
        assert part in text
    assert "Without dead channels" in text
    assert "prox_adam, l1, lam 3 / 1,397 = 0.00215, group_lam 1 / 1,397 = 0.000716, seed 7." in text
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len((folder / "dense" / "record.jsonl").read_text().splitlines()) == 2
    record = RunFolder(folder).read_records()[-1]
    assert f"{record.error:.2%}" in text
    evaluated = typed("evaluate", folder)
    assert evaluated[::2] == (0, [])
    for count in (layer.kept for layer in record.layers.values()):
        assert any(f" {count:,} │" in line for line in evaluated[1])
    assert errors_of(evaluated[1])[-1] == [f"{record.sparse_error:.2%}"] * 2
    assert table(evaluated[1])[-7:] == table(typed("evaluate", folder)[1])[-7:]


@pytest.mark.slow
def test_a_model_of_ones_own_is_found_in_the_folder_one_stands_in(typed, tmp_path, monkeypatch):
    (tmp_path / "own_model_here.py").write_text(OWN)
    monkeypatch.delitem(sys.modules, "own_model_here", raising=False)
    argv = ("--epochs", 1, "--batch-size", 512, "--no-twin")
    status, out, err = typed("train", "--model", "own_model_here:Own", *argv)
    assert (status, err) == (0, [])
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "digits-Own-prox_adam-l1-seed0"
    assert RunFolder(folder).read_records()[-1].layers["conv/kernel"].groups == 1
    assert "dense ┃" not in "\n".join(out)


@pytest.mark.slow
def test_a_folder_of_images_of_ones_own_is_trained_on(typed, tmp_path):
    folder = write_images(tmp_path / "own.images", draw_arrays(shape=(20, 16, 3)))
    argv = ("--epochs", 1, "--batch-size", 8, "--no-twin", "--data", f"images:{folder}")
    status, out, err = typed("train", *argv)
    assert (status, err) == (0, [])
    assert out[0] == f"Loading 50 images of 20x16x3 from {folder}, 0.0 MiB."
    run = tmp_path / "runs" / "own-lenet5-prox_adam-l1-seed0"
    assert RunFolder(run).read_records()[-1].layers["conv1/kernel"].weights == 5 * 5 * 3 * 20
    before = snapshot(tmp_path)
    found = typed("train", *argv, "--name", "other", "--image-shape", 18, 18, 1)
    assert_refused(
        (found[0], found[1][1:], found[2]), "LeNet5 needs images", "18x18x1", "--image-shape"
    )
    assert snapshot(tmp_path) == before


MISTAKES = {
    "--penalty scadd": "unknown penalty 'scadd' (did you mean scad?); choose from box, capped_l1, ",
    "--model lenet": "unknown model 'lenet' (did you mean lenet5 or resnet?); choose from ",
    "--data minst": "unknown data set 'minst' (did you mean mnist",
    "--algorithm proxadam": "unknown algorithm 'proxadam' (did you mean prox_adam",
    "--optimizer adm": "unknown optimizer 'adm' (did you mean adam",
    "--schedule cosin": "unknown schedule 'cosin' (did you mean cosine?); choose from constant, ",
    "--lam -1": "A run needs lam >= 0, got lam=-1.0.",
    "--group-lam -0.5": "A run needs group_lam >= 0, got group_lam=-0.5.",
    "--beta 0": "A run needs beta > 0, got beta=0.0.",
    "--epochs 0": "A run needs epochs >= 1, got epochs=0.",
    "--batch-size 5000": "got 5000",
    "--holdout 1397": "A run needs holdout < 1397 training images, got holdout=1397.",
    "--milestones 2 1": "in ascending order from 1 on, got milestones=(2, 1).",
    "--shape 0.5 --penalty scad": "0.5",
    "--data mnist": "neither --data-root (root=) nor the environment variable SGL_JAX_DATA",
    "--data mnist --data-root nowhere": "got 'No such file or directory' for nowhere",
    "--model nosuch_module:Net": "No module named 'nosuch_module'",
    "--model support.tiny:Nosuch": "module 'support.tiny' has no attribute 'Nosuch'",
    "--model support.tiny:jax": "which is of type module",
    "--data npz": "The data set 'npz' needs a path, got 'npz': write npz:PATH.",
    "--data npz:nowhere.npz": "got 'No such file or directory' for nowhere.npz",
    "--data idx:nowhere/at": "got 'No such file or directory' for nowhere",
    "--data images:nowhere": "got 'No such file or directory' for nowhere",
    "--init-from nowhere": "need a path that is there, got nowhere: correct --init-from.",
    "--image-shape 16 16 1": "needs a data set that takes it (images), got data='digits'",
    "--image-shape 16 16 2": "1 or 3 channels, got image_shape=(16, 16, 2).",
    "--data os:getcwd": "got str from 'os:getcwd'",
    "--model builtins:dict": "A model needs to be a flax.nnx.Module, got dict",
    "--resume --overwrite": "got both --resume and --overwrite",
    "--lam nan": "A run needs a finite lam, got lam=nan.",
    "--group-lam inf": "A run needs a finite group_lam, got group_lam=inf.",
    "--beta 2.5": "needs an algorithm that takes it (relaxed_splitting, splitting), got "
    "algorithm='prox_adam': leave beta out.",
    "--optimizer adam": "optimizer='adam' needs an algorithm with a base optimizer",
    "--algorithm admm --momentum 0.9": "(prox_sgd, sgd), got algorithm='admm', optimizer='adam'",
    "--decay 0.1": "decay=0.1 needs a schedule that takes it (staircase), and milestones",
    "--milestones 1": "milestones=(1,) needs schedule='staircase' or beta_growth",
    "--dense --lam 1": "lam=1.0 needs a penalty or reparametrization that takes it, got "
    "penalty='l1', reparametrization='none', dense=True",
    "--data-root nowhere": "data_root='nowhere' needs a data set that takes it",
    "--groups chanels": "unknown grouping 'chanels' (did you mean channels or ",
    "--algorithm magnitude": "magnitude needs a Regularizer with TopK",
    "--penalty top_k": "penalty='top_k' needs a value of k, got none: add --set penalty.k=VALUE.",
    "--penalty top_k --set k=2.5": "k to be an int >= 0 or a float in [0, 1], got k=2.5.",
    "--penalty top_k --lam 1": "lam=1.0 needs a penalty or reparametrization that takes it, got "
    "penalty='top_k', reparametrization='none'",
    "--penalty none --group-penalty none": "got none for both",
    "--set eps": "needs the form NAME=VALUE or PART.NAME=VALUE, got 'eps'.",
    "--set eps=": "eps needs a number or a whole number, got ''.",
    "--set eps=small": "eps needs a number or a whole number, got 'small'.",
    "--set b1=nan": "b1 needs a number or a whole number, got 'nan'.",
    "--set epz=1": "got 'epz': choose from groups.layout, groups.kernels, groups.only, "
    "groups.skip, algorithm.b1, algorithm.b2, ",
    "--set eps=1 --set eps=2": "A setting needs to be given once, got eps twice.",
    "--set learning_rate=1": "needs a parameter of a part of the run, got 'learning_rate'",
    "--set layout=WIHO": "layout needs 'HWIO' or 'OIHW', got 'WIHO'.",
    "--penalty scad --group-penalty scad --set a=3": "write penalty.a=3 or group_penalty.a=3.",
    "--penalty scad --shape 3 --set a=3": "a needs one value, got 3 by a setting and 3.0 by",
    "--algorithm admm --set period=0": "admm needs period >= 1, got period=0.",
    "--algorithm admm --set period=1.5": "period needs a whole number, got '1.5'.",
    "--name /elsewhere": "--name within the folder of the runs, got /elsewhere",
    "--name ../elsewhere": "--name within the folder of the runs, got ../elsewhere",
}


@pytest.mark.parametrize(("options", "said"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_said_in_one_line_before_anything_is_written(typed, tmp_path, options, said):
    assert_refused(typed("train", *TINY, *options.split()), said)
    assert snapshot(tmp_path) == {}


IMAGES, LABELS = FILES[:2]


@pytest.mark.parametrize("broken", ["magic", "gzip", "count"])
def test_broken_data_is_said_in_one_line(typed, tmp_path, monkeypatch, broken):
    files = draw()
    load = SOURCES["mnist"]
    monkeypatch.setattr(sys.modules["sgl_jax.data.mnist"], "SOURCE", published(load, files))
    content, said = {
        "magic": (b"\0\0\x09" + files[IMAGES][3:], "0x00000803, got 0x00000903"),
        "gzip": (gzip.compress(files[IMAGES])[:-9], "gzip stream"),
        "count": (b"\0\0\x08\x03\0\0\0\x1d" + files[IMAGES][8:-784], "29 images in "),
    }[broken]
    folder = write(tmp_path / "data", files, packed=False)
    (folder / IMAGES).write_bytes(content)
    before = snapshot(tmp_path)
    assert_refused(typed("train", *TINY, "--data", "mnist", "--data-root", folder), said, IMAGES)
    assert snapshot(tmp_path) == before


def test_runs_that_cannot_be_written_are_said_in_one_line(typed, tmp_path):
    (tmp_path / "runs").touch()
    assert_refused(typed("train", *TINY), "got 'Not a directory'", "--runs")


@pytest.mark.parametrize("name", ["admm", "top_k", "mcp", "adamw", "neurons", "constant"])
def test_list_describes_the_parameters_of_a_name(typed, name):
    status, out, err = typed("list", name)
    text = "\n".join(out)
    assert (status, err) == (0, [])
    for part in {
        "admm": [
            "--algorithm admm: ",
            "  rho     0.001  strength rho > 0",
            "  period  1 ",
            ">= 1.",
        ],
        "top_k": [
            "--penalty top_k: ",
            "--group-penalty top_k: ",
            "an int >= 0, or a float in [0, 1]",
        ],
        "mcp": ["  lam    --lam ", "  lam    --group-lam ", "  gamma  3.0 "],
        "adamw": ["  weight_decay  --weight-decay  ", "  eps           1e-08 "],
        "neurons": ["--groups neurons: ", "  skip     None"],
        "constant": ["  value  --learning-rate "],
    }[name]:
        assert part in text
    assert "learning_rate " not in text


def test_listing_an_unknown_name_is_refused_with_the_nearest(typed):
    assert_refused(typed("list", "scadd"), "unknown entry 'scadd' (did you mean ")


@pytest.mark.slow
def test_a_constraint_is_run_by_its_name(typed, tmp_path):
    settings = ("--set", "k=0.25", "--set", "rho=1e-2", "--set", "algorithm.period=2")
    argv = ("--algorithm", "admm", "--penalty", "top_k", "--no-twin", "--name", "few")
    status, out, err = typed("train", *TINY, *argv, *settings)
    assert (status, err) == (0, [])
    assert "admm, top_k, seed 0." in out
    folder = RunFolder(tmp_path / "runs" / "few")
    assert folder.read_config().settings == settings[1::2]
    assert folder.read_records()[-1].sparsity.weights == pytest.approx(0.75, abs=0.01)
    again = typed("train", "--name", "few", "--resume", "--no-twin", "--set", "k=0.25")
    assert_refused(again, "got settings=('k=0.25',) where runs/few has ('k=0.25', 'rho=1e-2', ")
    assert typed("train", "--name", "few", "--resume", "--no-twin")[::2] == (0, [])


def test_a_dense_training_is_called_dense(typed):
    status, out, err = typed("train", *TINY, "--dense", "--name", "plain")
    assert (status, err) == (0, [])
    text = "\n".join(out)
    assert "dense 2/2 loss " in text
    assert "sparse" not in text
    assert "prox_adam, seed 0." in text


def test_evaluating_what_is_no_run_is_said_in_one_line(typed, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert_refused(typed("evaluate", folder), f"got none in {folder}")
