"""Networks that cannot be compacted are refused, in one sentence that says what to do."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl
from sgl_jax.compaction import LeafPlan
from sgl_jax.compaction._equality import check_equal


X = jax.random.normal(jax.random.key(0), (2, 3))


def drawn(**more):
    generator = np.random.default_rng(0)
    a, b = (jnp.asarray(generator.standard_normal(s), jnp.float32) for s in ((3, 4), (4, 2)))
    return {"a": a.at[:, 1].set(0), "b": b, **more}


def dense(params, x):
    return jnp.tanh(x @ params["a"]) @ params["b"]


def refused(apply, params, *inputs, match, **options):
    with pytest.raises(ValueError, match=match) as error:
        sgl.compact(apply, params, *inputs, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("loop", ["scan", "cond"])
def test_loop_beside_the_channels_is_left_alone(loop):
    def apply(params, x):
        if loop == "scan":
            x = jax.lax.scan(lambda x, _: (jnp.sin(x), None), x, length=3)[0]
        else:
            x = jax.lax.cond(jnp.sum(x) > 0, jnp.sin, jnp.cos, x)
        return dense(params, x)

    assert sgl.compact(apply, drawn(), X).params["a"].shape == (3, 3)


def factored(params, x):
    square = jnp.tanh(x @ params["a"])
    return jax.lax.linalg.cholesky(square.T @ square + 9 * jnp.eye(4)) @ params["b"]


def solved(params, x):
    y = jnp.tanh(x @ params["a"])
    return jnp.linalg.qr(y)[1] @ params["b"]


def pooled(params, x):
    """Pools over channels, as local response normalisation does."""
    x = jnp.tanh(x @ params["a"])
    return (
        jax.lax.reduce_window(x, np.float32(0), lambda a, b: jnp.sin(a + b), (1, 2), (1, 1), "SAME")
        @ params["b"]
    )


@pytest.mark.parametrize(("apply", "name"), [(factored, "cholesky"), (solved, "qr")])
def test_unknown_operation_is_reported_with_its_line_and_refused_when_strict(apply, name):
    line = rf"{name} at .*test_compact_refused.py:\d+ \({apply.__name__}\)"
    small = sgl.compact(apply, drawn(), X)
    assert len(small.report.unknown) == 1
    assert re.fullmatch(line, small.report.unknown[0])
    assert name in str(small.report)
    assert not small.report.shapes
    refused(apply, drawn(), X, match=f"no rule for {line}", strict=True)


def test_windows_over_channels_keep_them_and_say_so():
    (said,) = sgl.compact(pooled, drawn(), X).report.staying
    assert re.fullmatch(r"1 of a: reduce_window at .* \(pooled\) slides over it", said)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_refused(bad):
    refused(dense, drawn(c=jnp.array([bad])), X, match="finite parameters, got 'c'")


def test_parameters_that_are_no_arrays_are_refused():
    refused(dense, drawn(c=2.0), X, match=r"needs arrays as parameters, got 2.0 at 'c'")


def test_pattern_that_finds_nothing_is_refused():
    refused(dense, drawn(), X, match="got 'conv', which finds none of a, b", protect="conv")


def test_closed_over_array_that_would_be_sliced_is_refused():
    scale = jnp.arange(1.0, 5.0)

    def apply(params, x):
        return (x @ params["a"] * scale[None]) @ params["b"]

    refused(apply, drawn(), X, match=r"shape \(4,\) that is closed over .*put it into params")
    assert not sgl.compact(apply, drawn(), X, protect="a").report.shapes


def test_closed_over_array_beside_the_channels_is_fine():
    shift = jnp.arange(2.0)
    small = sgl.compact(lambda params, x: dense(params, x) + shift[None], drawn(), X)
    assert small.params["a"].shape == (3, 3)


def test_tracers_are_refused():
    def inside(params, x, shift):
        return sgl.compact(lambda params, x: dense(params, x) + shift, params, x).params

    params, shift = drawn(), jnp.zeros(())
    for held, match in (
        ((), "numbers of all inputs"),
        ((1,), "numbers of all parameters"),
        ((0, 1), "numbers of all arrays that the function closes over"),
    ):
        given = [params, X, shift]

        def call(*traced, held=held, given=given):
            traced = iter(traced)
            inside(*(x if k in held else next(traced) for k, x in enumerate(given)))

        with pytest.raises(ValueError, match=match):
            jax.jit(call)(*(x for k, x in enumerate(given) if k not in held))


@pytest.mark.parametrize("what", ["a shape", "a leaf too few", "a leaf too many"])
def test_parameters_of_another_network_are_refused(what):
    small = sgl.compact(dense, drawn(), X)
    params = dict(small.params)
    if what == "a shape":
        params["a"], match = drawn()["a"], r"needs a leaf 'a' of shape \(3, 3\), got \(3, 4\)"
    elif what == "a leaf too few":
        match = "missing or too many: b"
        del params["b"]
    else:
        params["c"], match = X, "missing or too many: c"
    with pytest.raises(ValueError, match=match):
        small.apply(params, X)


def test_network_that_does_something_else_with_other_inputs_is_refused():
    def apply(params, x):
        x = x @ params["a"]
        return (jax.nn.softmax(x) if len(x) > 4 else x) @ params["b"]

    small = sgl.compact(apply, drawn(), X)
    assert small.apply(small.params, X[:1]).shape == (1, 2)
    with pytest.raises(ValueError, match="compacted for inputs with which it does something else"):
        small.apply(small.params, jnp.ones((5, 3)))


def test_network_that_comes_out_different_is_refused(monkeypatch):
    monkeypatch.setattr(
        LeafPlan, "take", lambda plan, leaf: jnp.zeros(plan.narrow_shape, leaf.dtype)
    )
    refused(dense, drawn(), X, match="must give the same answers, got a difference of .* pass tol")
    assert sgl.compact(dense, drawn(), X, tolerance=1.0).report.error > 0.1


DIFFERENT = {
    "by little": (lambda x: x, lambda x: x * 1.0001),
    "beside a larger output": (lambda x: (1e9 + x, x), lambda x: (1e9 + x, x * 1.0001)),
    "not a number": (lambda x: x, lambda x: jnp.where(x > 0, x, jnp.nan)),
    "a number": (lambda x: jnp.where(x > 0, x, jnp.nan), lambda x: x),
    "infinite": (lambda x: x, lambda x: jnp.where(x > 0, x, jnp.inf)),
    "of the other sign": (lambda x: jnp.inf + 0 * x, lambda x: -jnp.inf + 0 * x),
    "integers": (lambda x: jnp.full(3, 1000), lambda x: jnp.array([1000, 1000, 1001])),
    "truth": (lambda x: x > 0, lambda x: x >= -1),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_answers_are_refused(name):
    full, narrow = (lambda _, x, f=f: f(x) for f in DIFFERENT[name])
    with pytest.raises(ValueError, match="must give the same answers"):
        check_equal(full, (), narrow, (), (X,))
    assert check_equal(full, (), full, (), (X,))[0] == 0
