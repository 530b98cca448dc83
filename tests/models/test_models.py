"""Every model of the catalogue: shapes, parameters, widths; LeNet-5 in its own numbers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.tiers import usual

from sgl_jax.models import MODELS, LeNet5, ResNet, WideResNet, max_pool
from sgl_jax.models._base import bias_init, kernel_init
from sgl_jax.models.resnet import Padded


NARROW = {
    "conv4": (3, 4, 5),
    "lenet5": (3, 4, 5),
    "resnet": (4, 1, 2, 3, 0, 5, 6, 7),
    "vgg16": tuple(range(3, 17)),
    "wide_resnet": (3, 4, 5, 6, 7, 8, 9),
}
"""Small widths per model, all different, so that a mix-up shows."""

SHALLOW = {"resnet": {"depth": 8}, "wide_resnet": {"depth": 10}}
"""Options of models of any depth."""


def narrow(name, **options):
    """Makes a narrow and shallow model."""
    return MODELS[name](NARROW[name], **SHALLOW.get(name, {}), **options)


@functools.cache
def builder(name):
    """Compiles a function from a key to a narrow model: random numbers compile slowly."""
    return nnx.jit(lambda key: narrow(name, classes=7, rngs=nnx.Rngs(key)))


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
    logits = nnx.jit(lambda model, images: model(images))(model, images)
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
    kernels = [pair for pair in zip(first, other, strict=True) if pair[0].ndim > 1]
    assert not any(np.array_equal(a, b) for a, b in kernels)


def count_parameters(make, **options):
    model = nnx.eval_shape(lambda: make(**options, rngs=nnx.Rngs(0)))
    return sum(math.prod(shape) for shape in shapes(model).values())


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("conv4", {}, 1_087_010),
        ("resnet", {}, 269_722),
        ("resnet", {"depth": 32}, 464_154),
        ("resnet", {"depth": 44}, 658_586),
        ("resnet", {"depth": 56}, 853_018),
        ("resnet", {"depth": 56, "shortcut": "projection"}, 855_770),
        ("resnet", {"depth": 110}, 1_727_962),
        ("vgg16", {}, 14_991_946),
        ("wide_resnet", {}, 36_479_194),
        ("wide_resnet", {"classes": 100}, 36_536_884),
    ],
)
def test_models_have_as_many_parameters_as_published(name, options, count):
    assert count_parameters(MODELS[name], **options) == count


def test_wide_resnet_has_its_strides_in_the_second_convolutions():
    model = nnx.eval_shape(lambda: WideResNet(depth=10, widen=2, rngs=nnx.Rngs(0)))
    strides = [(block.conv1.strides, block.conv2.strides) for block in model.blocks]
    assert strides == [(1, 1), (1, 2), (1, 2)]


def test_wide_resnet_of_width_one_begins_with_an_identity():
    model = nnx.eval_shape(lambda: WideResNet(depth=40, widen=1, rngs=nnx.Rngs(0)))
    assert model.widths[:3] == (16, 32, 64)
    assert model.blocks[0].project is None
    assert model.blocks[6].project is not None


def test_identity_shortcut_takes_every_second_pixel_between_zeros():
    x = jnp.arange(64.0).reshape(1, 4, 4, 4)
    found = Padded(2, 1)(x)
    assert found.shape == (1, 2, 2, 7)
    np.testing.assert_array_equal(found[..., 2:6], x[:, ::2, ::2])
    assert not found[..., :2].any()
    assert not found[..., 6:].any()


@pytest.mark.parametrize("name", usual(["resnet", "vgg16", "wide_resnet"], ["resnet"]))
def test_images_are_standardised_by_the_model(name):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    plain, standard = (
        narrow(name, **options, rngs=nnx.Rngs(0)) for options in ({}, {"mean": mean, "std": std})
    )
    plain.eval(), standard.eval()
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3))
    expected = nnx.jit(plain)(
        (images - np.array([[[mean]]], np.float32)) / np.array([[[std]]], np.float32)
    )
    np.testing.assert_allclose(nnx.jit(standard)(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [9, 2, 21])
def test_resnet_refuses_depths_that_it_cannot_have(depth):
    with pytest.raises(ValueError, match=f"depth of 6n \\+ 2 layers, got {depth}"):
        ResNet(depth=depth, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(("depth", "widen"), [(9, 1), (4, 1), (28, 0)])
def test_wide_resnet_refuses_depths_and_factors_that_it_cannot_have(depth, widen):
    with pytest.raises(ValueError, match=f"got {depth} and {widen}"):
        WideResNet(depth=depth, widen=widen, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("shortcut", "widths", "least"),
    [
        ("identity", (16, 8), "8 widths of at least 1, 0, 0, 0, 0, 1, 1, 1"),
        ("identity", (0, 8, 8, 16, 16, 4, 4, 4), "8 widths of at least 1, 0, "),
        ("identity", (4, 1, 1, 1, 1, 4, 0, 4), "8 widths of at least 1, 0, "),
        ("projection", (4, 0, 5, 4, 4, 4), "6 widths of at least 1, 1, 1, 1, 1, 1"),
    ],
)
def test_resnet_refuses_widths_it_cannot_have(shortcut, widths, least):
    with pytest.raises(ValueError, match=least) as error:
        ResNet(widths, depth=8, shortcut=shortcut, rngs=nnx.Rngs(0))
    assert f"got {widths}" in str(error.value)


def test_resnet_refuses_other_shortcuts():
    with pytest.raises(ValueError, match="among identity, projection, got 'pooling'"):
        ResNet(shortcut="pooling", rngs=nnx.Rngs(0))


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
    with pytest.raises(ValueError, match="3 widths of at least 1, got"):
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


def test_gradient_of_max_pool_is_shared_by_all_that_are_largest():
    x = jnp.floor(3 * jax.random.uniform(jax.random.key(0), (4, 6, 4, 3)))
    grads = 12.0 * jax.random.normal(jax.random.key(1), (4, 3, 2, 3))

    def by_reduction(x):
        return x.reshape(4, 3, 2, 2, 2, 3).max((2, 4))

    found, expected = (jax.vjp(function, x)[1](grads)[0] for function in (max_pool, by_reduction))
    shared = (found != 0).reshape(-1, 2, 2, 2, 3).sum((1, 3))
    assert {1, 2, 3} <= set(shared.ravel().tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_max_pool_refuses_odd_sizes():
    with pytest.raises(ValueError, match="even height and width, got 5x4"):
        max_pool(jnp.zeros((1, 5, 4, 1)))
