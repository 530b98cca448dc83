"""The models' convolution: the library's values and gradients, whatever it is asked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.test_util import check_grads

from sgl_jax.models._conv import conv


OPTIONS = {
    "plain": {},
    "strides": {"strides": (2, 1)},
    "padding": {"padding": "SAME"},
    "dilation": {"kernel_dilation": 2},
    "groups": {"feature_group_count": 3},
}


def layer(**options):
    arguments = {"kernel_size": (3, 2), "padding": "VALID", **options}
    return nnx.Conv(6, 9, **arguments, rngs=nnx.Rngs(0))


def values_and_gradients(module, images):
    def total(module, images):
        y = module(images)
        return jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=y.dtype).reshape(y.shape))), y

    graphdef, state = nnx.split(module)
    run = jax.jit(
        jax.grad(lambda s, x: total(nnx.merge(graphdef, s), x), argnums=(0, 1), has_aux=True)
    )
    return jax.tree.leaves(run(state, images))


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_convolution_has_the_values_and_gradients_of_the_library(options):
    images = jax.random.normal(jax.random.key(0), (4, 7, 8, 6))
    ours = values_and_gradients(layer(conv_general_dilated=conv, **options), images)
    library = values_and_gradients(layer(**options), images)
    for a, b in zip(ours, library, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_gradient_in_the_images_is_no_convolution_on_a_cpu():
    images, kernel = jnp.zeros((4, 7, 8, 6)), jnp.zeros((3, 2, 6, 9))
    dims = lax.conv_dimension_numbers(images.shape, kernel.shape, ("NHWC", "HWIO", "NHWC"))
    plain = {"lhs_dilation": (1, 1), "rhs_dilation": (1, 1), "feature_group_count": 1}

    def of_images(x):
        return conv(x, kernel, (1, 1), "VALID", dimension_numbers=dims, **plain).sum()

    assert "convolution" not in jax.jit(jax.grad(of_images)).lower(images).as_text()


def test_convolution_of_one_dimension_is_the_library_s():
    module = nnx.Conv(2, 3, (4,), padding="VALID", conv_general_dilated=conv, rngs=nnx.Rngs(0))
    assert module(jnp.ones((5, 9, 2))).shape == (5, 6, 3)


def test_convolution_maps_and_differentiates_twice():
    module = layer(conv_general_dilated=conv)
    images = jax.random.normal(jax.random.key(1), (2, 3, 4, 5, 6))
    batched = jax.grad(lambda x: jnp.sum(jax.vmap(module)(x) ** 2))(images)
    single = jax.grad(lambda x: jnp.sum(module(x) ** 2))(images[1])
    np.testing.assert_allclose(batched[1], single, rtol=1e-5, atol=1e-5)
    check_grads(lambda x: jnp.sum(module(x) ** 3), (images[0],), order=2, modes=["rev"], rtol=0.02)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float64])
def test_convolution_keeps_the_dtype(dtype):
    with jax.enable_x64(True):
        module = layer(conv_general_dilated=conv, dtype=dtype, param_dtype=dtype)
        found = values_and_gradients(module, jnp.ones((2, 5, 6, 6), dtype))
    assert {leaf.dtype for leaf in found} == {jnp.dtype(dtype)}
