"""The algorithm of the paper is its link before a base optimizer."""

import optax
import pytest
from support.problems import assert_same, draw, gradients, run

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


def test_splitting_is_its_link_before_its_base():
    regularizer = sgl.SparseGroup(sgl.SCAD(0.02), sgl.L1(0.03), sgl.by_filter())
    tx = sgl.splitting(0.1, regularizer, beta=0.2, base=optax.lion)
    link = sgl.sgl_transform(sgl.SCAD(0.02), beta=0.2, group_lam=0.03, grouping=sgl.by_filter())
    expected = optax.chain(link, optax.lion(0.1))
    assert_same(*(run(each, draw(0, 0.3), gradients(2)) for each in (tx, expected)))


def test_splitting_couples_dense_kernels_by_a_strength_of_their_own():
    regularizer = sgl.SparseGroup(sgl.L0(0.02), sgl.L1(0.03))
    tx = sgl.splitting(0.1, regularizer, beta=0.2, dense_beta=0.7)
    params, grads = draw(0, 0.3), gradients(1)
    found, _ = run(tx, params, grads)
    for beta, kind in ((0.2, "conv"), (0.7, "dense")):
        alone, _ = run(sgl.splitting(0.1, regularizer, beta=beta), params, grads)
        for path in sgl.by_neuron(kernels=kind).resolve(params).paths:
            layer, leaf = path.split("/")
            assert_same(found[layer][leaf], alone[layer][leaf])
