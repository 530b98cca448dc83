"""The README's example runs as it stands, and its tables name everything there is."""

import inspect

import jax.numpy as jnp
import pytest
from documents import ROOT, python_blocks

import sgl_jax as sgl


def test_example_runs_and_finds_exact_zeros(capsys):
    (example,) = python_blocks("README.md")
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert "Sparsity(weights=" in capsys.readouterr().out
    zeros = jnp.sum(names["sparse"]["fc1"]["kernel"][...] == 0)
    assert zeros > 0


@pytest.mark.parametrize(
    "name",
    [
        *(penalty.__name__ for penalty in sgl.PENALTIES.values()),
        *sgl.ALGORITHMS,
        *(name for name in sgl.__all__ if name.startswith("by_")),
    ],
)
def test_tables_name_every_entry_of_the_catalogues(name):
    assert f"`{name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_default_shapes_in_the_table_are_those_of_the_code():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for penalty in sgl.PENALTIES.values():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{penalty.__name__}`"))
        for name, parameter in inspect.signature(penalty).parameters.items():
            if name != "lam":
                symbol = {"a": "a"}.get(name, f"\\{name}")
                assert f"${symbol} = {parameter.default:g}$" in row
