"""The models' convolution: the library's values and gradients, whatever it is asked."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.test_util import check_grads
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.models import LeNet5
from sgl_jax.models._conv import conv, count_pixels


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


SHAPES = {
    "four pixels": ((2, 9, 12, 1), (5, 5, 1, 4)),
    "two pixels": ((2, 5, 9, 3), (3, 3, 3, 16)),
    "width left over": ((2, 6, 9, 2), (2, 3, 2, 3)),
    "kernel as large as the image": ((2, 5, 5, 1), (5, 5, 1, 3)),
    "kernel of one column": ((2, 6, 6, 1), (3, 1, 1, 2)),
    "five inputs": ((2, 6, 8, 5), (3, 3, 5, 2)),
    "seventeen outputs": ((2, 6, 8, 1), (5, 5, 1, 17)),
    "no images": ((0, 9, 12, 1), (5, 5, 1, 4)),
}
PIXELS = [4, 2, 4, 1, 1, 1, 1, 4]


@pytest.mark.parametrize(
    "case", usual(SHAPES, ["four pixels", "two pixels", "width left over", "no images"])
)
def test_few_channels_have_the_values_and_gradients_of_the_library(case, double):
    of_images, of_kernel = SHAPES[case]
    images = jax.random.normal(jax.random.key(0), of_images)
    kernel = jax.random.normal(jax.random.key(1), of_kernel)
    plain = {"dimension_numbers": conv_numbers(), "lhs_dilation": (1, 1), "rhs_dilation": (1, 1)}

    def run(convolve):
        def call(images, kernel):
            return convolve(images, kernel, (1, 1), "VALID", feature_group_count=1, **plain)

        maps, back = jax.vjp(call, images, kernel)
        return maps, *back(jnp.cos(jnp.arange(maps.size * 1.0)).reshape(maps.shape))

    for ours, library in zip(run(conv), run(lax.conv_general_dilated), strict=True):
        np.testing.assert_allclose(ours, library, rtol=1e-12, atol=1e-12)


def conv_numbers():
    return lax.conv_dimension_numbers((1,) * 4, (1,) * 4, ("NHWC", "HWIO", "NHWC"))


def test_pixels_at_once_follow_from_shapes():
    found = [count_pixels(kernel, images[2] - kernel[1] + 1) for images, kernel in SHAPES.values()]
    assert found == PIXELS


def few(filters=3, **options):
    arguments = {"kernel_size": (5, 5), "padding": "VALID", "conv_general_dilated": conv}
    return nnx.Conv(1, filters, **arguments, **options, rngs=nnx.Rngs(0))


def strides_of(function, *arguments):
    text = jax.jit(function).lower(*arguments).as_text()
    return re.findall(r"window = \{stride = \[(\d+), (\d+)\]", text) or [("1", "1")]


@pytest.mark.parametrize(("filters", "columns"), [(4, "4"), (16, "4"), (20, "1")])
def test_a_cpu_takes_several_pixels_at_once(filters, columns):
    assert strides_of(few(filters), jnp.zeros((2, 28, 28, 1))) == [("1", columns)]


def test_a_traced_convolution_is_that_of_the_library_but_for_its_lowering():
    images = jnp.zeros((2, 9, 12, 1))
    names = [equation.primitive.name for equation in jax.make_jaxpr(few())(images).eqns]
    assert names.count("conv_general_dilated") == 1
    assert not {"pad", "concatenate"} & set(names)


def test_few_channels_map_over_images_and_over_kernels():
    images = jax.random.normal(jax.random.key(0), (3, 2, 9, 12, 1))
    module = few()
    graphdef, state = nnx.split(module)
    states = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf]), state)

    def apply(state, images):
        return nnx.merge(graphdef, state)(images)

    single = module(images[1])
    over_images = jax.vmap(module, in_axes=0)(images)[1]
    np.testing.assert_allclose(over_images, single, rtol=1e-5, atol=1e-5)
    over_both = jax.vmap(apply)(states, images)[1]
    np.testing.assert_allclose(over_both, 2 * single, rtol=1e-5, atol=1e-5)
    over_kernels = jax.vmap(apply, (0, None))(states, images[1])[2]
    np.testing.assert_allclose(over_kernels, -single, rtol=1e-5, atol=1e-5)


def test_few_channels_differentiate_forward_and_twice(double):
    module = few(param_dtype=jnp.float64)
    images = jax.random.normal(jax.random.key(1), (2, 6, 9, 1))
    check_grads(lambda x: jnp.sum(module(x) ** 3), (images,), order=2, modes=["fwd", "rev"])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_few_channels_keep_half_precision(dtype):
    images = jax.random.uniform(jax.random.key(0), (2, 9, 12, 1))
    module = few()
    expected = module(images)
    graphdef, _ = nnx.split(few(dtype=dtype, param_dtype=dtype))
    half = jax.tree.map(lambda leaf: leaf.astype(dtype), nnx.state(module))
    found = nnx.merge(graphdef, half)(images.astype(dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.astype(jnp.float32), expected, rtol=0.05, atol=0.05)


def test_export_for_any_batch_and_platform_gives_the_same_values():
    graphdef, state = nnx.split(few())

    def apply(state, images):
        return nnx.merge(graphdef, state)(images)

    shapes = jax.export.symbolic_args_specs(jnp.zeros((2, 9, 12, 1)), "b, 9, w, 1")
    exported = jax.export.export(jax.jit(apply), platforms=("cpu", "cuda"))(state, shapes)
    images = jax.random.normal(jax.random.key(0), (3, 9, 12, 1))
    np.testing.assert_allclose(
        exported.call(state, images), apply(state, images), rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow
def test_compacted_network_chooses_anew():
    """A network of many filters that has few left computes several pixels at once."""
    model = LeNet5(rngs=nnx.Rngs(0))
    for leaf in (model.conv1.kernel, model.conv1.bias):
        leaf[...] = leaf[...].at[..., 3:].set(0)
    for leaf in (model.conv2.kernel, model.conv2.bias):
        leaf[...] = leaf[...].at[..., 11:].set(0)
    graphdef, state = nnx.split(model)
    images = jax.random.uniform(jax.random.key(0), (2, 28, 28, 1))
    small = sgl.compact(lambda s, x: nnx.merge(graphdef, s)(x), state, images[:1])
    assert small.params["conv2"]["kernel"].shape == (5, 5, 3, 11)
    assert small.report.after.flops == 2 * (24**2 * 25 * 3 + 64 * 25 * 33 + 16 * 11 * 500 + 5000)
    assert strides_of(small.apply, small.params, images) == [("1", "4"), ("1", "4")]
    np.testing.assert_allclose(small.apply(small.params, images), model(images), rtol=1e-4)
