"""Where a prox is not zero it is the minimiser to the last digits, in 40-digit arithmetic."""

import functools

import hypothesis
import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import strategies as st
from support import oracles
from support.tiers import usual

import sgl_jax as sgl


CASES = [(name, shape) for name in oracles.SCALARS for shape in oracles.SHAPES[name]]
FIRST = [(name, oracles.SHAPES[name][0]) for name in oracles.SCALARS]
DRAWS = 100


@functools.cache
def operator(name):
    return jax.jit(getattr(sgl.prox, f"prox_{name}"))


def polished(name, z, t, step, lam, shape):
    """The stationary point next to z, and the derivative of the prox there; None if not clear."""
    parameters = {key: mp.mpf(value) for key, value in shape.items()}
    step, lam, t, z = (mp.mpf(float(number)) for number in (step, lam, t, z))
    for _ in range(12):
        slope, bend = oracles.SCALARS[name].slopes(z, lam, **parameters)
        if 1 + step * bend <= 1e-3:
            return None
        z = max(z - (z - t + step * slope) / (1 + step * bend), z / 2)
    return z, 1 / (1 + step * oracles.SCALARS[name].slopes(z, lam, **parameters)[1])


@pytest.mark.parametrize("case", usual(CASES, FIRST))
@pytest.mark.parametrize("dtype", usual(["float32", "float64"], ["float32"]))
@hypothesis.settings(derandomize=True, deadline=None, max_examples=10, database=None)
@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_prox_has_all_its_digits(case, dtype, seed):
    (name, shape), draw = case, np.random.default_rng(seed)
    step, lam = (10.0 ** draw.uniform(*ends, DRAWS) for ends in ((-6, 6), (-6, 3)))
    factors = 1 + 10.0 ** draw.uniform(-4, 3, DRAWS)
    with mp.workdps(40), jax.enable_x64(dtype == "float64"):
        step, lam = (np.asarray(jnp.asarray(x, dtype), float) for x in (step, lam))
        pairs = zip(step, lam, strict=True)
        threshold = np.array(
            [oracles.threshold(name, s, strength, **shape) for s, strength in pairs]
        )
        # What sets nothing to zero jumps, if it does, next to the root of its strength.
        near = np.where(threshold > 0, threshold, np.sqrt(step * lam))
        t = np.asarray(jnp.asarray(near * factors, dtype), float)
        found = np.asarray(
            operator(name)(*(jnp.asarray(x, dtype) for x in (t, step, lam)), **shape)
        )
        assert found.dtype == dtype
        skipped = 0
        for row in zip(found.astype(float), t, step, lam, strict=True):
            exact = polished(name, *row, shape) if row[0] else None
            skipped += exact is None
            if exact is not None:
                slack = 8 * np.finfo(dtype).eps * max(row[1], row[0]) * float(exact[1])
                assert abs(row[0] - exact[0]) <= slack, row
        assert skipped < DRAWS / 2
