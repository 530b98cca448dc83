"""What is counted in a traced function, against hand counts and XLA's own."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import sgl_jax as sgl
from sgl_jax.jaxprs import products


def test_lenet5_has_its_products_in_order():
    network, params, rest = sgl.train.split(sgl.models.LeNet5(rngs=nnx.Rngs(0)))
    found = products(lambda p, x: network.apply((p, rest), x), params, jnp.zeros((1, 28, 28, 1)))
    assert [(product.kernel, product.flops) for product in found] == [
        ("conv1/kernel", 576_000),
        ("conv2/kernel", 3_200_000),
        ("fc1/kernel", 800_000),
        ("fc2/kernel", 10_000),
    ]
    assert sum(product.flops for product in found) == 4_586_000


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_counts_what_xla_counts(groups):
    def conv(kernel, x):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, kernel, (2, 1), "VALID", dimension_numbers=layout, feature_group_count=groups
        )

    shapes = jnp.zeros((3, 5, 4 // groups, 6)), jnp.zeros((2, 9, 10, 4))
    (product,) = products(conv, *shapes)
    assert product.flops == jax.jit(conv).lower(*shapes).cost_analysis()["flops"]


def test_product_inside_a_call_names_the_argument_it_multiplies():
    @jax.jit
    def dense(kernel, x):
        return x @ kernel

    params = {"a": jnp.zeros((4, 5)), "b": jnp.zeros((5, 6))}
    found = products(lambda p, x: dense(2 * p["b"], dense(p["a"], x)), params, jnp.zeros((3, 4)))
    assert [product.kernel for product in found] == ["a", None]
    assert [product.flops for product in found] == [2 * 3 * 4 * 5, 2 * 3 * 5 * 6]


def test_product_tells_inputs_from_outputs():
    def apply(p, x):
        x = jax.lax.conv(x, p["conv"], (1, 1), "VALID")  # NCHW, OIHW
        return jnp.einsum("nchw,oc->now", x, p["fc"])

    params = {"conv": jnp.zeros((5, 2, 3, 3)), "fc": jnp.zeros((7, 5))}
    found = products(apply, params, jnp.zeros((1, 2, 8, 8)))
    axes = {product.kernel: (product.inputs, product.outputs) for product in found}
    assert axes == {"conv": ((1,), (0,)), "fc": ((1,), (0,))}


def test_loop_is_refused():
    def loop(kernel, x):
        return jax.lax.scan(lambda x, _: (x @ kernel, None), x, length=3)[0]

    with pytest.raises(ValueError, match="without loops and branches, got scan"):
        products(loop, jnp.zeros((2, 2)), jnp.zeros((2, 2)))
