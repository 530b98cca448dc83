"""Traced functions as programs, and their operations against XLA's own counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sgl_jax as sgl
from sgl_jax.compaction.program import all_equations, derivative, equations, products, smooth, trace


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


def test_scan_counts_as_often_as_it_runs():
    def layers(params, x):
        def layer(x, kernel):
            return jax.lax.fori_loop(0, 5, lambda _, x: x @ kernel @ params["shared"], x), None

        return jax.lax.scan(layer, x, params["stacked"])[0]

    params = {"shared": jnp.zeros((4, 4)), "stacked": jnp.zeros((3, 4, 4))}
    found = products(layers, params, jnp.zeros((2, 4)))
    assert [product.flops for product in found] == [3 * 5 * 2 * 2 * 4 * 4] * 2
    axes = {product.kernel: (product.inputs, product.outputs) for product in found}
    assert axes == {"stacked": ((1,), (2,)), "shared": ((0,), (1,))}


def test_kernel_that_a_scan_changes_is_no_parameter():
    def powers(kernel, x):
        return jax.lax.fori_loop(0, 2, lambda _, k: k @ kernel, kernel) @ x

    found = products(powers, jnp.zeros((2, 2)), jnp.zeros((2, 2)))
    assert [(product.kernel, product.inputs) for product in found] == [("", (0,)), (None, ())]


@pytest.mark.parametrize("loop", ["while", "cond"])
def test_products_that_run_an_unknown_number_of_times_are_refused(loop):
    def function(kernel, x):
        if loop == "while":
            return jax.lax.while_loop(lambda x: x.sum() < 3, lambda x: x @ kernel, x)
        return jax.lax.cond(x.sum() > 3, lambda x: x @ kernel, jnp.sin, x)

    with pytest.raises(ValueError, match=f"without while loops and branches, got {loop}"):
        products(function, jnp.zeros((2, 2)), jnp.zeros((2, 2)))
    without = lambda _, x: jax.lax.cond(x.sum() > 3, jnp.cos, jnp.sin, x)  # noqa: E731
    assert not products(without, (), jnp.ones(2))


def names(body):
    return [equation.name for equation in body]


def test_calls_are_put_in_place_and_rules_keep_their_bodies():
    @jax.jit
    def inner(x, y):
        return jax.nn.relu(x) + jnp.sin(y)

    def function(x):
        return jax.checkpoint(lambda x: inner(x, x) * inner(jnp.cos(x), x))(x)

    program, _ = trace(function, jnp.zeros(3))
    (region,) = program.equations
    assert names([region]) in (["checkpoint"], ["remat2"])
    call = "custom_jvp_call"
    assert names(region.body) == [call, "sin", "add", "cos", call, "sin", "add", "mul"]
    assert names(equations(program.equations)) == [
        "max" if name == call else name for name in names(region.body)
    ]
    first, second = (equation for equation in region.body if equation.name == call)
    assert set(first.body[0].outputs).isdisjoint(second.body[0].outputs), "each call on its own"
    assert region.outputs == region.body[-1].outputs == program.outputs
    assert first.inputs == program.inputs


def test_operands_may_be_the_same_value_and_results_arguments():
    program, _ = trace(lambda x, y: (x * x, y, y), jnp.zeros(3), jnp.zeros(2))
    (product,) = program.equations
    assert product.inputs == (program.inputs[0],) * 2
    assert program.outputs == (*product.outputs, program.inputs[1], program.inputs[1])


def test_closed_over_arrays_are_told_from_literals():
    shift = jnp.arange(3.0)
    program, _ = trace(lambda x: jax.jit(lambda x: 2.0 * x + shift)(x), jnp.zeros(3))
    (number,) = program.closed_over
    np.testing.assert_array_equal(program.constants[number], shift)
    assert sorted(np.ndim(value) for value in program.constants.values()) == [0, 1]


@pytest.mark.parametrize("loop", ["scan", "while", "cond"])
def test_loops_are_one_equation_with_their_functions_inside(loop):
    def function(x):
        if loop == "scan":
            return jax.lax.scan(lambda x, _: (jnp.exp(x), None), x, length=3)[0]
        if loop == "while":
            return jax.lax.while_loop(lambda x: x.sum() < 3, jnp.exp, x)
        return jax.lax.cond(x.sum() > 3, jnp.exp, jnp.sin, x)

    program, _ = trace(function, jnp.zeros(3))
    (equation,) = (e for e in equations(program.equations) if e.loop)
    assert equation.name == loop
    assert not equation.body
    assert "exp" not in names(equations(program.equations))
    inside = names(all_equations(program.equations))
    assert inside.index("exp") < inside.index(loop)
    made = {link.target for link in equation.loop.links}
    assert made.issuperset(equation.outputs)
    assert program.outputs == equation.outputs


def test_function_in_an_operation_is_no_call():
    """A function of two entries is not one of the arrays."""

    def function(x):
        return jax.lax.reduce(x, np.float32(0), lambda a, b: a + 2 * b, (0,))

    assert names(trace(function, jnp.zeros(3))[0].equations) == ["reduce"]


def test_branches_for_platforms_are_that_of_the_platform_at_hand():
    def function(x):
        return jax.lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos)

    found = names(trace(function, jnp.zeros(3))[0].equations)
    assert found[-1] == ("sin" if jax.default_backend() == "cpu" else "cos")


@pytest.mark.parametrize("transposed", [False, True])
def test_derivative_is_that_of_the_rule_for_what_has_one(transposed):
    @jax.custom_vjp
    def backwards(x, n):
        return x * n.astype(x.dtype)

    backwards.defvjp(lambda x, n: (backwards(x, n), None), lambda _, g: (7 * g, None))

    @jax.custom_jvp
    def forwards(x, n):
        return x * n.astype(x.dtype)

    forwards.defjvp(lambda x, t: (forwards(*x), 7 * t[0]))
    rule = backwards if transposed else forwards
    program, _ = trace(lambda x: rule(x, jnp.asarray(3)), jnp.zeros(2))
    call = next(equation for equation in program.equations if equation.body)
    avals = [program.avals[value] for value in call.inputs]
    assert smooth(avals) == [0]
    found = derivative(call, avals, transposed)
    assert [found.shape(value) for value in found.inputs] == [(2,), (), (2,)]
    assert [found.shape(value) for value in found.outputs] == [(2,)] * (1 if transposed else 2)
    assert 7.0 in [float(np.asarray(x)) for x in found.constants.values() if np.ndim(x) == 0]


def test_lines_are_the_users():
    def function(x):
        return jnp.sort(jnp.tanh(x))

    line = f"{__file__}:{function.__code__.co_firstlineno + 1} ("
    for equation in trace(function, jnp.zeros(3))[0].equations:
        assert f"{equation.name} at {line}" in str(equation)
