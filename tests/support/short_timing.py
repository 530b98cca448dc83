"""Latencies that are measured in one round, with one set of compiler options."""

import contextlib
from functools import partial

import pytest

from sgl_jax._util import compilation
from sgl_jax._util.compilation import DEFAULT, compile_quickest
from sgl_jax._util.timing import time_in_turn
from sgl_jax.runs import costs


@contextlib.contextmanager
def short_timing():
    """Makes measurements short where a test looks at something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "time_in_turn", partial(time_in_turn, rounds=1))
        patch.setattr(costs, "compile_quickest", partial(compile_quickest, rounds=1))
        patch.setattr(compilation, "option_sets", lambda: {DEFAULT: {}})
        yield
