"""Subgradient descent is the gradient of the penalty before a base optimizer."""

import optax
import pytest
from support.problems import assert_same, draw, gradients, run

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


def test_subgradient_is_its_link_before_its_base():
    both = sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.02))
    tx = sgl.subgradient(0.1, both, base=optax.sgd)
    expected = optax.chain(sgl.add_penalty_gradient(both), optax.sgd(0.1))
    assert_same(*(run(each, draw(0, 0.3), gradients(2)) for each in (tx, expected)))
