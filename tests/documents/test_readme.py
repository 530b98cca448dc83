"""The README: its programs run as they stand, its figures are on record."""

import re
import statistics

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import costs
from support.documents import ROOT, python_blocks, read

import sgl_jax as sgl


PAGE = "README.md"


def test_is_short():
    assert len(read(PAGE).splitlines()) <= 160


@pytest.mark.usefixtures("as_for_users")
def test_programs_run_and_find_exact_zeros(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, small, _ = python_blocks(PAGE)
    assert len([line for line in program.splitlines() if line and not line.startswith("#")]) < 20
    assert len(small.splitlines()) == 10
    names = {}
    exec(compile(program, PAGE, "exec"), names)
    assert "of the weights exactly zero" in capsys.readouterr().out
    assert jnp.sum(names["sparse"]["fc1"]["kernel"][...] == 0) > 0
    assert names["test"].error < 0.2
    names |= {"x": names["x"][:192], "y": names["y"][:192]}
    assert ", 20)" in small
    exec(compile(small.replace(", 20)", ", 2)"), PAGE, "exec"), names)
    assert "largest difference" in capsys.readouterr().out
    assert names["logits"].shape == (400, 10)


def test_shrinking_fits_into_a_loop():
    def apply(params, x):
        return jax.nn.relu(x @ params["a"] + params["b"]) @ params["c"]

    x = jnp.ones((4, 3))
    params = {"a": jnp.ones((3, 8)), "b": jnp.ones((1, 8)), "c": jnp.ones((8, 2))}
    params = {
        "a": params["a"].at[:, 3:].set(0),
        "b": params["b"].at[:, 3:].set(0),
        "c": params["c"],
    }
    units = sgl.channel_groups(apply, params, x)
    tx = sgl.prox_sgd(0.1, sgl.Regularizer(sgl.L1(1e-3), units), momentum=0.9)
    made = []

    def make_step(apply):
        made.append(apply)

        def step(params, opt_state):
            gradient = jax.grad(lambda params: jnp.mean(apply(params, x) ** 2))(params)
            updates, opt_state = tx.update(gradient, opt_state, params)
            return optax.apply_updates(params, updates), opt_state

        return step

    names = {"sgl": sgl, "apply": apply, "params": params, "example": x, "make_step": make_step}
    names["opt_state"] = tx.init(params)
    before = apply(params, x)
    exec(compile(python_blocks(PAGE)[-1], PAGE, "exec"), names)
    assert made == [names["small"].apply]
    np.testing.assert_allclose(names["apply"](names["params"], x), before, rtol=1e-6)
    assert names["params"]["c"].shape == (3, 2)
    params, _ = names["step"](names["params"], names["opt_state"])
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, names["params"])


@pytest.mark.parametrize("name", sgl.ALGORITHMS)
def test_table_names_every_algorithm(name):
    assert f"`{name}`" in read(PAGE)


def test_figures_are_those_on_record():
    text = " ".join(read(PAGE).split())
    paper, *_ = costs.record("mnist")["runs"]
    entries = [run["last"] for run in costs.record("mnist")["runs"][3:]]
    assert f"{100 * paper['last']['error']:.2f} % test error" in text
    assert (
        f"{100 * paper['last']['w_sparsity']['weights_paper']:.1f} % of the weights of `w`" in text
    )
    error = statistics.mean(last["error"] for last in entries)
    zeros = statistics.mean(last["sparsity"]["weights"] for last in entries)
    assert f"{100 * error:.2f} % with {100 * zeros:.1f} % exact zeros" in text
    channels = [run for run in costs.record("mnist_channels")["runs"] if run["last"]["epoch"] == 40]
    sizes = [run["compact"] for run in channels]
    flops = sorted(100 * size["after"]["flops"] / size["before"]["flops"] for size in sizes)
    errors = sorted(100 * run["last"]["error"] for run in channels)
    assert f"{flops[0]:.1f} to {flops[-1]:.1f} % of the FLOPs" in text
    assert f"{errors[0]:.2f} to {errors[-1]:.2f} % error ({len(channels)} seeds)" in text


@pytest.mark.parametrize("page", [PAGE, "CONTRIBUTING.md", "benchmarks/README.md"])
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", read(page)):
        if not link.startswith("http"):
            assert ((ROOT / page).parent / " ".join(link.split())).exists(), link


def test_citation_is_that_of_the_file():
    citation = read("CITATION.cff")
    bibtex = read(PAGE).split("```bibtex")[1]
    for key in ("doi", "journal", "year", "version"):
        (value,) = set(re.findall(rf"\b{key} = {{(.*?)}}", bibtex))
        assert re.search(rf'^ *{key}: "?{re.escape(value)}"?$', citation, re.MULTILINE), key
    for name in re.findall(r"family-names: (\w+)", citation):
        assert name in bibtex
