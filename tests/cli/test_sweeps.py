"""Sweeps and reports as commands: what they print and write, and the sentence for every mistake."""

import csv
import json
import re
import shutil

import pytest
from support.browser import CHROMIUM, visit
from support.commands import TINY, assert_refused, table
from support.tiny import snapshot

from sgl_jax import cli
from sgl_jax.cli._summaries import SPECIAL
from sgl_jax.runs.sweeps import PRESETS


GRID = [*TINY, "--lam", "1", "2", "--seed", "0", "1", "--algorithm", "prox_adam", "splitting"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory, standard_promotion):
    """The folder of a finished sweep."""
    runs = tmp_path_factory.mktemp("cli") / "runs"
    assert cli.main(["sweep", *GRID, "--runs", str(runs), "--name", "whole"]) == 0
    return runs / "whole"


@pytest.fixture
def grown(swept, tmp_path):
    return shutil.copytree(swept, tmp_path / "runs" / "whole")


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_sweep_goes_on_and_tabulates_means(typed, grown):
    path = grown / "results.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 8
    path.write_text("".join(lines[:7]) + lines[7][:50])
    status, out, err = typed("sweep", "--resume", "--name", "whole")
    assert (status, err) == (0, [])
    assert len(path.read_text().splitlines()) == 8
    assert [line.partition(" ")[0] for line in out[:8]] == [f"{k}/8" for k in range(1, 9)]
    rows = [line for line in table(out) if line.startswith("│")]
    assert len(rows) == 4
    errors = [json.loads(line)["last"]["error"] for line in lines[:2]]
    assert f"{50 * sum(errors):.2f} ± " in rows[0]
    assert "`sgl-jax report runs/whole`" in " ".join(out)


def test_report_writes_tables_and_figures(typed, swept, tmp_path):
    status, out, err = typed("report", swept, "--to", tmp_path / "told")
    assert (status, err) == (0, [])
    assert len(table(out)) == 3 + 4 + 1
    told = {path.name: path.read_text() for path in (tmp_path / "told").iterdir()}
    assert told.keys() == {"report.html", "table.md", "table.tex", "table.csv"}
    results = read_lines(swept / "results.jsonl")
    rows = list(csv.DictReader(told["table.csv"].splitlines()))
    assert len(rows) == 4
    for row, pair in zip(rows, [results[k : k + 2] for k in range(0, 8, 2)], strict=True):
        (lam,) = {each["config"]["lam"] for each in pair}
        assert row["setting"] == f"lam={lam:g}"
        zeros = [each["last"]["sparsity"]["weights"] for each in pair]
        assert float(row["weights"]) == pytest.approx(sum(zeros) / 2)
    assert told["table.md"].count("\n| ") == 1 + 1 + 4
    assert told["table.tex"].count(r"\\") == 1 + 4
    headings = re.findall("<h2>(.*?)</h2>", told["report.html"])
    assert headings[0] == "support.tiny:Tiny on digits, 2 epochs"
    assert headings[1:] == [
        "Error and zeros",
        "Paths",
        "Layers",
        "Groups over the epochs",
        "Filters of the first layer",
    ]
    assert told["report.html"].count("<svg") == 5


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_report_opens_in_a_browser(typed, swept, tmp_path):
    assert typed("report", swept, "--to", tmp_path)[0] == 0
    (seen,), missing = visit(tmp_path, ["report.html"], tmp_path / "profile")
    assert seen["complaints"] == []
    assert set(missing) <= {"/favicon.ico"}
    assert seen["height"] > 1000


def test_report_needs_no_run_folders(typed, swept, tmp_path):
    record = shutil.copy(swept / "results.jsonl", tmp_path / "record.jsonl")
    whole = {"runs": read_lines(record)}
    (tmp_path / "record.json").write_text(json.dumps(whole))
    pages = []
    for name in ("record.jsonl", "record.json"):
        assert typed("report", tmp_path / name, "--to", tmp_path / "told")[0] == 0
        pages.append((tmp_path / "told" / "report.html").read_text())
    assert pages[0].count("<svg") == pages[1].count("<svg") == 3


def test_report_counts_points_that_are_dominated(typed, swept, tmp_path):
    results = read_lines(swept / "results.jsonl")
    for result in results:
        result["group"] = "ours" if result["config"]["algorithm"] == "prox_adam" else "paper"
        result["last"]["error"] = result["last"]["sparse_error"] = 0.25
    (tmp_path / "record.json").write_text(json.dumps({"runs": results}))
    assert typed("report", "record.json", "--to", "told")[0] == 0
    page = (tmp_path / "told" / "report.html").read_text()
    assert "Of 2 points of the group paper, 2 are dominated by one of ours" in page


def test_latex_has_no_special_characters_of_its_own(typed, swept, tmp_path):
    assert typed("report", swept, "--to", tmp_path)[0] == 0
    text = (tmp_path / "table.tex").read_text()
    assert r"prox\_adam l1" in text
    assert not re.search(r"(?<!\\)[%#$_]", text.replace(SPECIAL["<"], "").replace(SPECIAL["±"], ""))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs a --preset or options with several values, got neither"),
        (["--lam", "0.1", "-1"], "A run needs lam >= 0, got lam=-1.0. (In the sweep: grid"),
        (["--preset", "mnist"], f"(did you mean mnist-table?); choose from {', '.join(PRESETS)}"),
        (["--preset", "missing.toml"], "missing.toml"),
        (["--lam", "1", "2", "--only", "paper"], "--only needs a --preset"),
        (["--preset", "mnist-table", "--only", "SGL9"], "got only='SGL9'"),
        (["--beta", "1", "2"], "got beta, which has none: leave it out"),
        (["--lam", "1", "--resume", "--overwrite"], "got both --resume and --overwrite"),
        (["--lam", "1", "--name", "../x"], "got ../x: give the folder by --runs"),
        (["--resume", "--name", "none"], "needs its sweep.json, got none in runs/none"),
    ],
)
def test_mistakes_are_refused_and_nothing_is_written(typed, tmp_path, words, said):
    assert_refused(typed("sweep", *words), said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "none.json"), ("{", "needs sweep folders or records"), ('{"runs": []}', "got none in")],
)
def test_reports_of_nothing_are_refused(typed, tmp_path, content, said):
    if content is not None:
        (tmp_path / "none.json").write_text(content)
    before = snapshot(tmp_path)
    assert_refused(typed("report", "none.json"), said)
    assert snapshot(tmp_path) == before
