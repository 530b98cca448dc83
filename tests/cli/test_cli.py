"""The command line in process: what it prints and writes, and the sentence for every mistake."""

import gzip
import json
import shutil
import sys

import jax
import pytest
from support.idx_files import SOURCES, draw, published, write
from support.tiny import snapshot

import sgl_jax as sgl
from sgl_jax import cli
from sgl_jax.data._idx_source import FILES, ROOT_VARIABLE
from sgl_jax.runs.experiment import prepare
from sgl_jax.runs.folder import RunFolder


TINY = ["--model", "support.tiny:Tiny", "--epochs", "2", "--batch-size", "512"]

OWN = """
from support.tiny import Tiny


class Own(Tiny):
    filters = 1
"""


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


def table(lines):
    return [line for line in lines if line[:1] in set("┏┃┡│├└")]


def errors_of(lines):
    """The cells of the rows of test errors."""
    rows = [line for line in lines if line.startswith("│ test error ")]
    return [[cell.strip() for cell in row.strip("│").split("│")[1:]] for row in rows]


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["compact"], ["list"], ["demo"]])
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
    from sgl_jax.cli._commands import _CATALOGUES

    status, out, err = typed("list")
    assert (status, err) == (0, [])
    found, option = {}, None
    for line in out:
        if line.startswith("--"):
            option = line.strip().removeprefix("--")
        else:
            name, _, said = line.strip().partition(" ")
            found.setdefault(option, []).append(name)
            assert said.strip()
    assert found == {option: list(names) for option, names in _CATALOGUES.items()}


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


def test_resuming_a_finished_run_prints_the_same_table(typed, copied):
    before = {name: file for name, file in snapshot(copied).items() if "figure" not in name}
    first = typed("train", "--runs", "runs", "--name", "whole", "--resume")
    again = typed("train", *TINY, "--runs", "runs", "--name", "whole", "--resume")
    assert first[::2] == again[::2] == (0, [])
    assert table(first[1]) == table(again[1]) != []
    assert snapshot(copied).items() >= before.items()


def test_compacting_writes_a_folder_and_exports(typed, copied):
    before = snapshot(copied)
    status, out, err = typed("compact", copied, "--export", "stablehlo", "safetensors")
    assert (status, err) == (0, [])
    text, after = "\n".join(out), snapshot(copied)
    files = [str(copied / f"compact/network.{name}") for name in ("stablehlo", "safetensors")]
    assert out[-2:] == files
    assert set(after) - set(before) >= set(files)
    changed = {name for name in before if after.get(name) != before[name]}
    assert all(name.startswith(str(copied / "compact")) for name in changed)
    for part in ("largest difference", " compact ┃", "latency, batch 256"):
        assert part in text
    ((error, same),) = errors_of(out)
    assert error == same == f"{RunFolder(copied).read_records()[-1].sparse_error:.2%}"


def test_a_compacted_network_of_a_run_is_an_ordinary_one(copied):
    experiment = prepare(RunFolder(copied).read_config())
    state = experiment.state
    small = sgl.load_compact(
        copied / "compact", experiment.network.apply, (state.params, state.rest)
    )
    images = jax.numpy.ones((3, 28, 28, 1))
    assert small.apply(small.params, images).shape == (3, 10)


def test_a_network_that_cannot_be_compacted_ends_a_run_in_a_sentence(typed, copied, monkeypatch):
    def refuse(*args):
        raise ValueError("compact cannot look into scan at [here].")

    monkeypatch.setattr("sgl_jax.runs.costs.compact", refuse)
    shutil.rmtree(copied / "compact")
    (copied / "figure.png").unlink()
    status, out, err = typed("train", "--runs", "runs", "--name", "whole", "--resume")
    assert (status, err) == (0, [])
    assert "The network keeps its dead channels: compact cannot look into scan at [here]." in out
    assert (copied / "figure.png").exists()
    assert not (copied / "compact").exists()
    assert_refused(typed("compact", copied), "compact cannot look into scan")


def test_a_run_that_is_not_finished_is_not_compacted(typed, copied):
    path = copied / "config.json"
    path.write_text(path.read_text().replace('"epochs": 2', '"epochs": 3'))
    shutil.rmtree(copied / "compact")
    assert_refused(typed("compact", copied), "got epoch 2 of 3", copied, "--resume")
    shutil.rmtree(copied / "checkpoints")
    assert_refused(typed("compact", copied), "an epoch done, got none", copied)
    assert not (copied / "compact").exists()


def test_a_damaged_compaction_is_said_in_one_line_and_made_anew(typed, copied):
    (copied / "compact" / "plan.json").write_text("{")
    status, _, err = typed("evaluate", copied)
    assert status == 2
    assert "A compacted network needs its description to be whole" in err[0]
    assert typed("compact", copied)[::2] == (0, [])
    assert typed("evaluate", copied)[::2] == (0, [])


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


def assert_refused(found, *parts):
    """Exit status 2 and one line that says why, on the stream for errors."""
    status, out, err = found
    assert (status, out) == (2, [])
    assert len(err) == 1
    assert err[0].startswith("error: ")
    for part in parts:
        assert str(part) in err[0]


MISTAKES = {
    "--penalty scadd": "unknown penalty 'scadd' (did you mean scad?); choose from capped_l1, ",
    "--model lenet": "unknown model 'lenet' (did you mean lenet5?); choose from ",
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
    "--data os:getcwd": "got str from 'os:getcwd'",
    "--model builtins:dict": "A model needs to be a flax.nnx.Module, got dict",
    "--resume --overwrite": "got both --resume and --overwrite",
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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "add --resume to go on with it, --overwrite to delete it, or another --name."),
        ("--resume --epochs 5", "got epochs=5 where runs/whole has 2"),
        ("--overwrite --penalty scadd", "did you mean scad?"),
    ],
)
def test_a_run_that_is_there_stays_as_it_is(typed, copied, options, said):
    before = snapshot(copied)
    argv = ("train", *TINY, "--runs", "runs", "--name", "whole")
    assert_refused(typed(*argv, *options.split()), said)
    assert snapshot(copied) == before


def test_runs_that_cannot_be_written_are_said_in_one_line(typed, tmp_path):
    (tmp_path / "runs").touch()
    assert_refused(typed("train", *TINY), "got 'Not a directory'", "--runs")


def test_a_checkpoint_of_another_network_is_said_in_one_line(typed, copied):
    path = copied / "config.json"
    found = json.loads(path.read_text())
    found["config"]["model"] = "support.tiny:Wider"
    path.write_text(json.dumps(found))
    assert_refused(
        typed("evaluate", copied),
        "float32[3] at 'opt_state/direction/mu/conv",
        "of this network and optimizer",
    )


def test_evaluating_what_is_no_run_is_said_in_one_line(typed, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert_refused(typed("evaluate", folder), f"got none in {folder}")
