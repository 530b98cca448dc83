"""Networks on levels: what commands say of their storage, and archives tested by themselves."""

import json
import shutil

import pytest
from support.commands import TINY, assert_refused, errors_of
from support.levels import put_on_levels

from sgl_jax.metrics import Storage
from sgl_jax.runs.folder import RunFolder


@pytest.fixture
def rounded(copied):
    put_on_levels(RunFolder(copied))
    shutil.rmtree(copied / "compact")
    return copied


def rows(lines):
    """The rows of the table of storage, by their titles."""
    start = next(k for k, line in enumerate(lines) if "Storage on levels" in line)
    cells = [line.strip("│").split("│") for line in lines[start:] if line.startswith("│")]
    return {title.strip(): [cell.strip() for cell in others] for title, *others in cells}


def test_an_archive_is_exported_and_tested_by_itself(typed, rounded):
    status, out, err = typed("compact", rounded, "--export", "sgl", "--bias-bits", "5")
    assert (status, err) == (0, [])
    path = rounded / "compact/network.sgl"
    assert out[-1] == str(path)
    size, said = path.stat().st_size, rows(out)
    assert said["file"][0] == f"{size:,} bytes"
    stored = Storage.from_json(json.loads((rounded / "compact/storage.json").read_text()))
    assert stored.file_bytes == size < stored.indexed_bits
    assert stored.weights == 25 * 2 + 72 * 10
    assert stored.kept < stored.kept_before
    assert stored.levels == stored.kept
    assert stored.data_bits <= 3 * stored.kept
    status, alone, err = typed("evaluate", path, *TINY[:2])
    assert (status, err) == (0, [])
    ((_, error),) = errors_of(out)
    assert alone[0] == f"test error {error}"
    again = rows(alone)
    assert again.pop("file") == said.pop("file")
    assert said.pop("weights, before compaction")
    assert again == said
    assert rows(typed("evaluate", rounded)[1])["file"][0] == f"{size:,} bytes"


def test_a_network_on_no_levels_has_no_table_of_storage(typed, copied):
    status, out, err = typed("evaluate", copied)
    assert (status, err) == (0, [])
    assert not any("Storage" in line for line in out)
    assert not (copied / "compact/storage.json").exists()


def test_what_is_no_archive_of_the_network_is_refused(typed, rounded, tmp_path):
    assert typed("compact", rounded, "--export", "sgl")[::2] == (0, [])
    path = rounded / "compact/network.sgl"
    assert_refused(typed("evaluate", path), "LeNet5 needs the arrays of a network of its class")
    assert_refused(
        typed("evaluate", rounded, "--data", "digits"), "need an archive, FILE.sgl", rounded
    )
    status, _, err = typed("compact", rounded, "--bias-bits", "1")
    assert (status, len(err)) == (2, 1)
    assert "need 2 to 11 bits, got bits=1" in err[0]
    path.write_bytes(path.read_bytes()[:-1])
    assert_refused(typed("evaluate", path, *TINY[:2]), "its checksum is another one", path)
    assert_refused(typed("evaluate", rounded / "config.json"), "does not begin like one")
