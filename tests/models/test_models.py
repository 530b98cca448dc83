"""Every model of the catalogue: shapes, parameters, widths; LeNet-5 in its own numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sgl_jax.models import MODELS, LeNet5, max_pool
from sgl_jax.models._base import bias_init, kernel_init


NARROW = {"lenet5": (3, 4, 5)}
"""Small widths per model, all different, so that a mix-up shows."""


@functools.cache
def builder(name):
    """Compiles a function from a key to a narrow model: random numbers compile slowly."""
    make = MODELS[name]
    return nnx.jit(lambda key: make(NARROW[name], classes=7, rngs=nnx.Rngs(key)))


def shapes(model):
    params = nnx.state(model, nnx.Param)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }


def test_catalogue_is_sorted():
    assert list(MODELS) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_model_maps_images_to_logits_at_any_width(name):
    model = builder(name)(jax.random.key(0))
    images = jax.random.uniform(jax.random.key(0), (2, *MODELS[name].image_shape))
    logits = nnx.jit(model)(images)
    assert logits.shape == (2, 7)
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", MODELS)
def test_model_is_made_by_its_rngs_alone(name):
    first, same, other = (
        jax.tree.leaves(nnx.state(builder(name)(key), nnx.Param))
        for key in map(jax.random.key, (0, 0, 1))
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_lenet5_has_the_shapes_of_the_paper():
    model = nnx.eval_shape(lambda: LeNet5(rngs=nnx.Rngs(0)))
    assert shapes(model) == {
        "conv1/kernel": (5, 5, 1, 20),
        "conv1/bias": (20,),
        "conv2/kernel": (5, 5, 20, 50),
        "conv2/bias": (50,),
        "fc1/kernel": (800, 500),
        "fc1/bias": (500,),
        "fc2/kernel": (500, 10),
        "fc2/bias": (10,),
    }
    assert sum(np.prod(shape) for shape in shapes(model).values()) == 431_080


def test_models_start_at_the_scale_of_the_paper():
    key = jax.random.key(0)
    kernel = kernel_init(key, (5, 5, 20, 50), jnp.float32)
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / 500), rtol=0.02)
    np.testing.assert_allclose(bias_init(key, (2000,), jnp.float32).std(), 0.01, rtol=0.05)


@pytest.mark.parametrize("widths", [(20, 50), (20, 0, 500)])
def test_lenet5_refuses_widths_it_cannot_have(widths):
    with pytest.raises(ValueError, match="three widths of at least 1, got"):
        LeNet5(widths=widths, rngs=nnx.Rngs(0))


def test_lenet5_takes_images_of_other_shapes():
    build = functools.partial(LeNet5, NARROW["lenet5"], image_shape=(16, 24, 3))
    model = nnx.eval_shape(lambda: build(rngs=nnx.Rngs(0)))
    assert shapes(model)["conv1/kernel"] == (5, 5, 3, 3)
    assert shapes(model)["fc1/kernel"] == (1 * 3 * 4, 5)
    logits = jax.eval_shape(lambda: build(rngs=nnx.Rngs(0))(jnp.zeros((2, 16, 24, 3))))
    assert logits.shape == (2, 10)


@pytest.mark.parametrize("shape", [(30, 28, 1), (28, 30, 1), (12, 28, 1), (28, 12, 3)])
def test_lenet5_refuses_images_that_its_pooling_does_not_take(shape):
    with pytest.raises(ValueError, match="multiples of 4 from 16 on, got ") as error:
        LeNet5(image_shape=shape, rngs=nnx.Rngs(0))
    assert "x".join(map(str, shape)) in str(error.value)


def test_max_pool_equals_reduce_window():
    x = jax.random.normal(jax.random.key(0), (2, 6, 4, 3))
    expected = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    np.testing.assert_array_equal(max_pool(x), expected)


def test_max_pool_refuses_odd_sizes():
    with pytest.raises(ValueError, match="even height and width, got 5x4"):
        max_pool(jnp.zeros((1, 5, 4, 1)))
