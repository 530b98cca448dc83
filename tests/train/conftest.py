"""Lanes of a small network behind dropout, in double precision, and their single runs."""

import jax
import pytest
from support.lanes import LASSO, Dropping, Problem

import sgl_jax as sgl


@pytest.fixture(scope="module")
def double_lanes():
    """Lanes side by side round otherwise than one by itself; images stay what they are."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def tiny(double_lanes):
    return Problem(lambda rngs: Dropping(10, rngs=rngs), images=100, batch_size=20)


@pytest.fixture(scope="module")
def adam():
    return sgl.prox_adam(3e-3, LASSO)


@pytest.fixture(scope="module")
def expected(tiny, adam):
    return tiny.singles(adam, epochs=2)
