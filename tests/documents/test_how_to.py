"""Every program on the pages of the site runs as it stands, and does what its page says."""

import jax
import jax.numpy as jnp
import pytest
from support.documents import ROOT, python_blocks
from support.tiers import usual


def zeros(tree):
    """The number of zeros in a tree."""
    return sum(int(jnp.sum(leaf == 0)) for leaf in jax.tree.leaves(tree))


def check_archives(names, said):
    assert names["module"].widths == (6, 13, 27)
    assert names["levels"].largest <= 4
    found = names["found"]
    assert found.levels == found.kept < found.kept_before
    assert said.count("times smaller") == len(found.rates) == 5


def check_budgets(names, said):
    assert names["share"](names["params"]) == pytest.approx(0.25, rel=0.02)
    assert names["small"].report.after.flops == pytest.approx(0.25 * names["whole"], rel=0.02)
    assert "of the FLOPs, loss" in said


def check_compact(names, said):
    assert "it is an output of the network" in said
    assert "largest difference" in said
    assert names["narrow"].widths < (8, 16, 32)
    assert names["logits"].shape == (400, 10)


def check_devices(names, said):
    assert names["state"].step == 6
    assert all(len(leaf.sharding.device_set) == 1 for leaf in jax.tree.leaves(names["state"]))


def check_grid(names, said):
    assert names["losses"].shape == (8, 1)
    assert names["best"].step == 3


def check_moving(names, said):
    assert 15 <= zeros(names["solution"]) <= 17
    assert "75% of the weights are zero" in said


def check_optax(names, said):
    first, refusal, *_ = said.splitlines()
    assert int(first.split()[0]) >= 40
    assert refusal.startswith("A link that sets zeros must be the last link of its chain")
    assert zeros(names["again"]) == zeros(names["sparse"]) >= 40
    assert jax.tree.leaves(names["state"])


def check_quantise(names, said):
    assert names["net"] is not names["apply"]
    levels = [
        names["sgl"].prox.project_levels(leaf["kernel"], 4) for leaf in names["params"].values()
    ]
    for leaf, found in zip(names["params"].values(), levels, strict=True):
        assert jnp.array_equal(leaf["kernel"], found.values)
    assert "in True" in said
    assert "out True" in said
    assert names["loss"](names["params"]) < names["rounded"]


def check_scoring(names, said):
    assert names["model"].cv_scores_.shape == (5, 5)
    assert (names["six"].components_ != 0).any(axis=0).sum() <= 6
    assert "stationary" in said


def check_shrink(names, said):
    assert said.startswith("units: ")
    assert names["params"]["b"].size < 30
    assert names["opt_state"].direction


def check_trees(names, said):
    for framework in ("eqx", "hk", "linen"):
        small = names[f"small_{framework}"]
        assert small.report.after.parameters < small.report.before.parameters, framework


CHECKS = {
    "how_to/archives": check_archives,
    "how_to/budgets": check_budgets,
    "how_to/compact": check_compact,
    "how_to/devices": check_devices,
    "how_to/grid": check_grid,
    "how_to/moving": check_moving,
    "how_to/optax": check_optax,
    "how_to/quantise": check_quantise,
    "how_to/scoring": check_scoring,
    "how_to/shrink": check_shrink,
    "how_to/trees": check_trees,
}
"""What has to be true after the programs of a page, given their names and what they print."""


def test_every_page_with_a_program_is_checked():
    docs = ROOT / "docs"
    pages = [*docs.glob("*.md"), *docs.glob("*/*.md")]
    found = {str(path.relative_to(docs).with_suffix("")) for path in pages}
    assert {page for page in found if python_blocks(f"docs/{page}.md")} == set(CHECKS)


@pytest.mark.usefixtures("as_for_users")
@pytest.mark.parametrize("page", usual(CHECKS, chosen=["how_to/optax"]))
def test_programs_of_a_page_run(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page}
    for block in python_blocks(f"docs/{page}.md"):
        exec(compile(block, page, "exec"), names)
    CHECKS[page](names, capsys.readouterr().out)
