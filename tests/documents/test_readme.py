"""The README's example runs as it stands, and its tables name everything there is."""

import itertools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import tables
from support.documents import ROOT, python_blocks

import sgl_jax as sgl


def test_three_lines_fit_into_a_loop():
    lines, *_ = python_blocks("README.md")
    params = {"kernel": jnp.array([[0.5, 1.05e-3], [0.2, -0.3]])}

    def train(tx, params, opt_state):
        updates, opt_state = tx.update({"kernel": jnp.full((2, 2), 1e-3)}, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    names = {"sgl": sgl, "params": params, "train": train}
    exec(compile(lines, "README.md", "exec"), names)
    np.testing.assert_array_equal(names["sparse"]["kernel"] == 0, [[False, True], [False, False]])


def test_program_runs_and_finds_exact_zeros(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, program, four, small, module, grid, devices = python_blocks("README.md")
    assert len([line for line in program.splitlines() if line and not line.startswith("#")]) < 20
    names = {}
    with jax.numpy_dtype_promotion("standard"):
        exec(compile(program, "README.md", "exec"), names)
        assert "of the weights exactly zero" in capsys.readouterr().out
        assert jnp.sum(names["sparse"]["fc1"]["kernel"][...] == 0) > 0
        names |= {"x": names["x"][:192], "y": names["y"][:192]}
        exec(compile(four.replace(", 10)", ", 2)"), "README.md", "exec"), names)
        said = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
        assert said == [*names["algorithms"]]
        exec(compile(small, "README.md", "exec"), names)
        assert "largest difference" in capsys.readouterr().out
        exec(compile(module, "README.md", "exec"), names)
        assert names["small"].module.widths <= (20, 50, 500)
        exec(compile(grid, "README.md", "exec"), names)
        exec(compile(devices, "README.md", "exec"), names)
    assert names["test"].error < 0.2
    assert names["logits"].shape == (400, 10)
    assert {path.name for path in tmp_path.iterdir()} == {"small", "small.stablehlo"}
    assert names["losses"].shape == (12, 1)
    assert names["best"].step == 3
    assert names["state"].step == 6
    assert all(len(leaf.sharding.device_set) == 1 for leaf in jax.tree.leaves(names["state"]))


@pytest.mark.parametrize(
    "name",
    [
        *sgl.ALGORITHMS,
        *sgl.directions.DIRECTIONS,
        *(name for name in sgl.__all__ if name.startswith("by_")),
    ],
)
def test_tables_name_every_entry_of_the_catalogues(name):
    assert f"`{name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", tables.TABLES)
def test_tables_of_a_page_are_those_of_the_catalogues(page):
    assert (ROOT / page).read_text(encoding="utf-8") == tables.rewritten(page), "run make tables"


@pytest.mark.parametrize("name", sgl.PENALTIES | sgl.CONSTRAINTS)
def test_docstring_says_all_at_a_glance(name):
    cls = (sgl.PENALTIES | sgl.CONSTRAINTS)[name]
    found, of_penalty = tables.glance(cls), name in sgl.PENALTIES
    titles = ["phi", "its prox jumps", "large weights lose", "source"]
    assert list(found) == (titles if of_penalty else ["what it demands"])
    assert all(found.values())
    assert not of_penalty or found["source"][-4:].isdigit()


def table(ending):
    """The cells of the table whose head ends so, by their first."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    head = next(k for k, line in enumerate(lines) if line.endswith(ending))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[head + 2 :])
    cells = ([cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows)
    return {name: found for name, *found in cells}


def test_costs_of_a_step_are_those_on_record():
    record = json.loads((ROOT / "benchmarks/results/step.json").read_text(encoding="utf-8"))
    rows = {}
    for row in record["figures"]:
        rows.setdefault(row["candidate"], []).append(row)

    def cell(name, figure, limit, digits):
        return " / ".join(
            f"{row[figure]:.{digits}f}{'*' if row[figure] > (row[limit] or math.inf) else ''}"
            for row in rows.pop(name, [])
        )

    for penalty, found in table("`prox_adam`, sparse groups |").items():
        names = f"splitting {penalty}", f"prox_adam {penalty}", f"prox_adam {penalty} sparse groups"
        assert found == [cell(name, "ratio", "limit", 1) for name in names], penalty
    for name, found in table("| time | memory |").items():
        again = rows[name]
        assert found[0] == cell(name, "ratio", "limit", 1), name
        rows[name] = again
        assert found[1] == cell(name, "memory_in_turn", "memory_limit", 2), name
    assert set(rows) == {"adam"}


def test_costs_of_a_prox_are_those_on_record():
    record = json.loads((ROOT / "benchmarks/results/prox.json").read_text(encoding="utf-8"))
    costs = {row["operator"]: ["", "", ""] for row in record["figures"]}
    forms = ("entry", "group", "sparse group")
    for row in record["figures"]:
        if row["library"] == "sgl_jax":
            star = "*" if row["to_copy"] > row["limit"] else ""
            costs[row["operator"]][forms.index(row["form"])] = f"{row['to_copy']:.1f}{star}"
    del costs["copy"]
    assert table("and filters, exactly |") == costs
