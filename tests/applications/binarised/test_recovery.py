"""Strengths up to which the support is recovered: both sides of each, by runs."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.filters import W_STAR, population
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.applications import binarised


pytestmark = pytest.mark.usefixtures("double")

C, BETA, SMALLEST = 20 / (2 * math.sqrt(2 * math.pi)), 4.0, 1 / math.sqrt(91)

MAKERS = {"l1": sgl.L1, "l0": sgl.L0, "transformed_l1": lambda lam: sgl.TransformedL1(lam, 0.4)}


def shares(name, lam, start):
    """The share of runs whose copy has the support of the true filter."""
    run = binarised.fit(population(), start, MAKERS[name](lam), beta=BETA, steps=2000)
    return np.mean(np.all((np.asarray(run.u) != 0) == (W_STAR != 0), axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", usual(MAKERS, ["l1"]))
def test_support_is_recovered_below_the_strengths_and_not_above(name):
    found = binarised.recovery(population(), MAKERS[name](1.0), beta=BETA)
    anywhere = jax.random.normal(jax.random.key(0), (40, 30))
    beside = jnp.asarray(W_STAR)[None]
    assert shares(name, 0.999 * found.certain, anywhere) == 1
    assert shares(name, 0.999 * found.possible, beside) == 1
    assert shares(name, 1.001 * found.possible, beside) == 0
    assert shares(name, 1.001 * found.possible, anywhere) == 0
    if name == "l0":
        assert 0 < shares(name, 0.5 * (found.certain + found.possible), anywhere) < 1


def test_strengths_are_those_of_the_formulas():
    l1, l0 = (binarised.recovery(population(), make(0.3), beta=BETA) for make in (sgl.L1, sgl.L0))
    np.testing.assert_allclose(l1.certain, SMALLEST * C * BETA / (C + BETA), rtol=1e-12)
    rho = np.linalg.norm(C * W_STAR[:6] - l1.possible * np.sign(W_STAR[:6]))
    np.testing.assert_allclose(C * SMALLEST, l1.possible * (1 + rho / BETA), rtol=1e-9)
    np.testing.assert_allclose(l0.possible, BETA * SMALLEST**2 / 2, rtol=1e-9)
    np.testing.assert_allclose(l0.certain, l0.possible * (C / (C + BETA)) ** 2, rtol=1e-12)


@pytest.mark.slow
def test_long_shape_is_nearly_l1_and_a_short_one_nearly_l0():
    """Transformed l1 between its neighbours; its strength is that of l1 for a long shape."""
    problem = population()
    long = binarised.recovery(problem, sgl.TransformedL1(1.0, 1e6), beta=BETA)
    short = binarised.recovery(problem, sgl.TransformedL1(1.0, 1e-6), beta=BETA)
    for one, make in ((long, sgl.L1), (short, sgl.L0)):
        np.testing.assert_allclose(
            one, binarised.recovery(problem, make(1.0), beta=BETA), rtol=1e-3
        )
