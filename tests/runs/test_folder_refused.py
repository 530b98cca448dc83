"""Run folders that are refused, in one sentence and without a trace."""

import dataclasses
import json
import re

import pytest
from support.idx_files import assert_sentence
from support.tiny import snapshot

from sgl_jax.runs.config import Config
from sgl_jax.runs.folder import RunFolder


CONFIG = Config(model="support.tiny:Tiny", epochs=3, batch_size=512)

MODES = ["new", "resume", "overwrite"]


def described(config):
    return json.dumps({"config": dataclasses.asdict(config)})


@pytest.fixture
def folder(tmp_path):
    """A folder with a run, as far as its files tell."""
    path = tmp_path / "run"
    (path / "checkpoints" / "3").mkdir(parents=True)
    (path / "checkpoints" / "3" / "array").write_bytes(b"\0\1\2")
    (path / "config.json").write_text(described(CONFIG))
    (path / "record.jsonl").write_text("lines\n")
    return RunFolder(path)


@pytest.fixture(autouse=True)
def untouched(folder):
    """Asserts that the run stays as it is, whatever a test tries."""
    before = snapshot(folder.path)
    yield
    assert snapshot(folder.path) == before


def test_a_new_run_needs_a_new_folder(folder):
    with pytest.raises(FileExistsError, match="new folder") as error:
        folder.train(CONFIG)
    assert_sentence(error, folder.path, "--resume", "--overwrite", "--name")


@pytest.mark.parametrize("mode", MODES)
def test_a_folder_with_something_else_is_no_run_folder(tmp_path, mode):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    before = snapshot(tmp_path)
    with pytest.raises(FileExistsError, match="something else") as error:
        RunFolder(tmp_path / "other").train(CONFIG, mode)
    assert_sentence(error, tmp_path / "other", "--name")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("mode", MODES)
def test_a_file_is_no_run_folder(tmp_path, mode):
    (tmp_path / "file").write_text("years of work")
    with pytest.raises(OSError, match="A run needs") as error:
        RunFolder(tmp_path / "file").train(CONFIG, mode)
    assert_sentence(error, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("years of work")
    with pytest.raises(OSError, match="can be written") as error:
        RunFolder(tmp_path / "file" / "run").train(CONFIG)
    assert_sentence(error, tmp_path / "file" / "run", "Not a directory", "--runs")
    assert (tmp_path / "file").read_text() == "years of work"


@pytest.mark.parametrize(
    ("field", "value", "before"),
    [
        ("epochs", 5, 3),
        ("seed", 1, 0),
        ("lam", 0.5, 0.4),
        ("penalty", "scad", "l1"),
        ("milestones", (1, 2), ()),
        ("dense", True, False),
    ],
)
def test_a_run_goes_on_with_its_own_config_only(folder, field, value, before):
    with pytest.raises(ValueError, match="the config it began with") as error:
        folder.train(dataclasses.replace(CONFIG, **{field: value}), "resume")
    assert_sentence(error, f"got {field}={value} where {folder.path} has {before}", "--name")


@pytest.mark.parametrize("place", ["new", "run"])
@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"penalty": "scadd"}, "did you mean scad?"),
        ({"data": "nosuch"}, "unknown data set 'nosuch'"),
        ({"model": "support.tiny:nosuch"}, "'support.tiny:nosuch'"),
        ({"schedule": "cosin"}, "did you mean cosine?"),
        ({"batch_size": 5000}, "5000"),
        ({"holdout": 1397}, "got holdout=1397"),
        ({"shape": 3.0}, "shape=3.0"),
        ({"optimizer": "sgd"}, "optimizer='sgd'"),
    ],
)
def test_what_does_not_fit_is_found_before_anything_is_written(tmp_path, change, part, place):
    before = snapshot(tmp_path)
    with pytest.raises(ValueError, match=re.escape(part)) as error:
        RunFolder(tmp_path / place).train(dataclasses.replace(CONFIG, **change), "overwrite")
    assert str(error.value).endswith(".")
    assert len(str(error.value).splitlines()) == 1
    assert snapshot(tmp_path) == before


DAMAGED = {
    "empty": "",
    "cut short": described(CONFIG)[:50],
    "no object": "[]",
    "null": "null",
    "no config": "{}",
    "a number as config": '{"config": 3}',
    "another field": described(CONFIG).replace('"seed"', '"sede"'),
    "null for a list": described(CONFIG).replace("[]", "null"),
    "other bytes": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_config_is_refused(tmp_path, content):
    path = tmp_path / "damaged" / "config.json"
    path.parent.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"needs a config\.json") as error:
        RunFolder(path.parent).train(CONFIG, "resume")
    assert_sentence(error, path, "--overwrite")


def test_a_folder_without_a_config_holds_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"needs its config\.json") as error:
        RunFolder(tmp_path).read_config()
    assert_sentence(error, tmp_path)
