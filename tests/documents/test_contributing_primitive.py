"""CONTRIBUTING's worked example of a primitive works."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from support.documents import python_blocks

import sgl_jax as sgl
from sgl_jax.compaction.rules import FAMILIES, PRIMITIVES


PARAMS = {
    "a": jnp.array([[0.0, 1, 0, 2], [0, 3, 0, 4]]),
    "b": jnp.array([[0.0, 1, 2, 3]]),
    "c": jnp.arange(1.0, 9).reshape(4, 2),
    "d": jnp.ones((1, 2)),
}
"""Of four channels the first is zero, the third the constant 2."""

X = jnp.array([[1.0, 2], [3, 4], [0, 1]])


def apply(params, x):
    x = jax.nn.relu(x @ params["a"] + params["b"])
    greatest, _ = lax.approx_max_k(x, 2, reduction_dimension=0)
    return greatest @ params["c"] + params["d"]


@pytest.fixture
def entry():
    return next(
        block for block in python_blocks("CONTRIBUTING.md") if "APPROXIMATION: dict" in block
    )


@pytest.fixture
def family(entry):
    names = {"__name__": "approximation"}
    exec(compile(entry, "CONTRIBUTING.md", "exec"), names)
    return names["APPROXIMATION"]


def test_line_for_the_catalogue_names_the_family(entry):
    blocks = python_blocks("CONTRIBUTING.md")
    assert blocks[blocks.index(entry) + 1].strip() == '"approximation": APPROXIMATION,'


def test_new_entry_lets_channels_and_constants_through(monkeypatch, family):
    (name,) = family
    before = sgl.compact(apply, PARAMS, X)
    assert name not in PRIMITIVES
    assert before.params["c"].shape == (4, 2)
    assert len(before.report.unknown) == 1
    assert before.report.unknown[0].startswith(f"{name} at ")
    monkeypatch.setitem(PRIMITIVES, name, family[name])
    after = sgl.compact(apply, PARAMS, X)
    assert after.params["a"].shape == (2, 2)
    assert after.params["c"].shape == (2, 2)
    assert after.report.unknown == ()
    # The constant goes into the last bias.
    expected = PARAMS["d"] + 2 * PARAMS["c"][2:3]
    assert jnp.array_equal(after.params["d"], expected)


def test_every_primitive_is_in_one_family():
    assert len(PRIMITIVES) == sum(map(len, FAMILIES.values()))
