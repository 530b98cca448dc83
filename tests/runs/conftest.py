"""Runs train with Optax's schedules, which compare a float with an integer count."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def standard_promotion():
    """Dtypes mix, in fixtures of modules too."""
    with jax.numpy_dtype_promotion("standard"):
        yield
