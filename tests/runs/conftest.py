"""Runs train with Optax's schedules, which compare a float with an integer count."""

import jax
import pytest
from support.short_timing import short_timing


@pytest.fixture(scope="module", autouse=True)
def measured_briefly():
    """Latencies are measured in one round: no test here looks at them."""
    with short_timing():
        yield


@pytest.fixture(scope="module", autouse=True)
def standard_promotion():
    """Dtypes mix, in fixtures of modules too."""
    with jax.numpy_dtype_promotion("standard"):
        yield
