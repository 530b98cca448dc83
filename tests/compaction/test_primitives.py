"""Networks of one operation between two layers, and a walk over the primitives of JAX."""

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.extend.core import Primitive

import sgl_jax as sgl
from sgl_jax.compaction.program import equations, trace
from sgl_jax.compaction.rules import FAMILIES, PRIMITIVES


DEAD = [0, 1, 4]
LIVE = 2, 3, 5, 6, 7
X = np.random.default_rng(0).standard_normal((2, 4, 3))
ROWS = np.array([[2, 0], [1, 1]])
NODES = np.array([0, 1, 0, 1, 2, 2, 0, 3])


def place(h):
    """A place in time that depends on the input."""
    return jnp.argmax(jnp.abs(jnp.sum(h, axis=(0, 2)))) // 2


def pooled(h):
    return lax.reduce_window(h, -jnp.inf, lax.max, (1, 2, 1), (1, 2, 1), "SAME")


def recurrence(h):
    def join(a, b):
        return a[0] * b[0], a[1] * b[0] + b[1]

    return lax.associative_scan(join, (jax.nn.sigmoid(h), h), axis=1)[1]


def spread(h):
    return lax.pmax(h, "b") - lax.pmin(h, "b")


def integers(h):
    return 32 - lax.clz((9 * h).astype(np.int32))


def experts(h):
    matrices = jax.random.normal(jax.random.key(0), (3, 8, 5), h.dtype)
    return lax.ragged_dot(h.reshape(8, 8), matrices, jnp.array([3, 0, 5]))


OPERATIONS = {
    "stacking": {
        "stack": lambda h: jnp.stack([h, 2 * h], axis=-1).sum(-1) + jnp.stack([h, h]).max(0),
        "unstack": lambda h: sum(jnp.unstack(h, axis=1)),
        "tile": lambda h: jnp.tile(h, (3, 1, 2)),
        "pad": lambda h: jnp.pad(h, ((0, 0), (2, 1), (0, 0)), mode="reflect"),
    },
    "slicing": {
        "read": lambda h: lax.dynamic_slice(h, (0, place(h), 0), (2, 2, 8)),
        "read all but one channel": lambda h: lax.dynamic_slice(h, (0, place(h), 1), (2, 2, 7)),
        "write": lambda h: lax.dynamic_update_slice(jnp.zeros((2, 6, 9)), h, (0, place(h), 1)),
        "roll": lambda h: jnp.roll(h, place(h), 1),
    },
    "gather": {
        "at one place": lambda h: h[:, place(h)] + jnp.take(h, place(h), axis=1),
        "by example": lambda h: jnp.take_along_axis(h, ROWS[..., None], 1),
        "by channel": lambda h: jnp.take_along_axis(h, jnp.argsort(h, 1), 1),
    },
    "scatter": {
        "into time": lambda h: jnp.zeros((2, 8, 8)).at[:, 2:6].set(h),
        "over time": lambda h: jnp.ones((2, 4, 8)).at[:, ::-1].set(h),
        "into channels": lambda h: jnp.zeros((2, 4, 9)).at[..., np.arange(8, 0, -1)].add(h),
        "beside channels": lambda h: jnp.ones((2, 4, 9)).at[..., 1:].set(h).at[..., 0].set(2),
        "by example": lambda h: jax.vmap(lambda h, k: h.at[k].set(3 * h[:2]))(h, ROWS),
        "add": lambda h: jax.ops.segment_sum(h.reshape(8, 8), NODES, 5),
        "max": lambda h: jnp.zeros((5, 8)).at[NODES].max(h.reshape(8, 8)),
        "min": lambda h: jnp.zeros((5, 8)).at[NODES].min(h.reshape(8, 8)),
        "multiply": lambda h: h.at[:, 2].multiply(2, unique_indices=True),
    },
    "cumulative": {
        "sum": lambda h: jnp.cumsum(h, 1) + lax.cumsum(h, 1, reverse=True),
        "product": lambda h: jnp.cumprod(h, 1),
        "extrema": lambda h: lax.cummax(h, 1) + lax.cummin(h, 1),
        "logsumexp": lambda h: lax.cumlogsumexp(h, 1) - lax.cumlogsumexp(0 * h, 1),
        "recurrence": recurrence,
    },
    "sorting": {
        "sort": lambda h: jnp.sort(h, 1) + jnp.median(h, 1)[:, None],
        "by another": lambda h: lax.sort((h[:, ::-1] ** 2, h), dimension=1, num_keys=1)[1],
        "top_k": lambda h: lax.top_k(h, 2, axis=1)[0],
        "fft": lambda h: jnp.fft.fft(h, axis=1).real,
        "rfft": lambda h: jnp.fft.rfft(h, 5, axis=1).imag,
    },
    "reductions": {
        "argmax": lambda h: h * jnp.argmax(h, 1)[:, None] + jnp.argmin(h, 1)[:, None],
        "and": lambda h: jnp.all(h > 0, 1) * h[:, 0],
        "or": lambda h: jnp.any(h > 0, 1) + h[:, 0],
        "xor": lambda h: lax.reduce_xor(h > 0, (1,)) + h[:, 0],
        "any": lambda h: lax.reduce(h, 0.0, lambda a, b: a * b + a + b, (1,)),
        "psum": lambda h: jax.vmap(lambda h: h - lax.pmean(h, "b"), axis_name="b")(h),
        "pmax": lambda h: jax.vmap(spread, axis_name="b")(lax.stop_gradient(h)),
    },
    "windows": {
        "any": lambda h: lax.reduce_window(
            lax.stop_gradient(h), 0.0, lambda a, b: a * b + a + b, (1, 3, 1), (1, 1, 1), "SAME"
        ),
        "gradient of the greatest": lambda h: jax.grad(lambda h: jnp.sum(pooled(h) ** 2))(h),
        "tangent of the greatest": lambda h: jax.jvp(pooled, (h,), (h**2,))[1],
    },
    "products": {"ragged": experts},
    "the rest": {
        "random bits": lambda h: h * jax.random.bernoulli(jax.random.key(3), 0.5, h.shape),
        "integers": integers,
    },
}
"""Operations on (batch, time, channels) that leave a channel of zeros at zero, by family."""


def drawn(*shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).standard_normal(shape))


def network(operations):
    """A layer, some operations, and a layer behind each of them; with the parameters."""
    hidden = drawn(2, 4, 8)
    widths = {name: jax.eval_shape(f, hidden).shape[-1] for name, f in operations.items()}
    params = {name: drawn(width, 2) for name, width in widths.items()}

    def apply(params, x):
        hidden = x @ params["first"]
        made = {name: jnp.asarray(f(hidden), x.dtype) for name, f in operations.items()}
        return [jnp.tensordot(made[name], params[name], 1) for name in operations]

    return apply, params | {"first": drawn(3, 8).at[:, DEAD].set(0)}


def gradient(apply, params):
    """Outputs, and the gradient of a function of them."""

    def loss(params):
        outputs = apply(params, X)
        return sum(jnp.sum(jnp.sin(x)) for x in outputs), outputs

    return jax.jit(jax.grad(loss, has_aux=True))(params)


@pytest.mark.parametrize("family", OPERATIONS)
def test_dead_channels_go_through_operations(family, double, standard_promotion):
    apply, params = network(OPERATIONS[family])
    small = sgl.compact(apply, params, X, strict=True)
    assert dict(small.plan.leaves)["first"].kept == (None, LIVE), small.report
    whole, narrow = gradient(apply, params), gradient(small.apply, small.params)
    for one, other in zip(
        jax.tree.leaves(narrow),
        jax.tree.leaves((small.plan.narrow(whole[0]), whole[1])),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_dead_channels_go_through_padding_with_the_edge(double, standard_promotion):
    apply, params = network({"edge": lambda h: jnp.pad(h, ((0, 0), (1, 1), (0, 0)), mode="edge")})
    # The first and the last channel are slices of one position, which are not left empty.
    params["first"] = drawn(3, 8).at[:, 2:6].set(0)
    small = sgl.compact(apply, params, X, strict=True)
    assert dict(small.plan.leaves)["first"].kept == (None, (0, 1, 6, 7)), small.report


WITHOUT_RULES = {
    "loops": {"cond", "scan", "while"},
    "many devices": {
        "all_gather",
        "all_to_all",
        "axis_index",
        "ppermute",
        "ragged_all_to_all",
        "sharding_constraint",
    },
    "order of effects": {"after_all", "create_token", "dce_sink", "stage"},
    "rare": {"approx_top_k", "custom_linear_solve", "select_and_scatter"},
}
"""The primitives of ``jax.lax`` that keep whole what they read, by what they are for."""


def test_every_primitive_of_lax_has_rules_or_is_known_to_have_none():
    there = {value.name for value in vars(lax).values() if isinstance(value, Primitive)}
    assert there - PRIMITIVES.keys() == there & set().union(*WITHOUT_RULES.values())
    # A tie rule alone lets channels be offered that are never known to be dead.
    blind = {name for name, rules in PRIMITIVES.items() if rules.fact is None}
    assert blind == FAMILIES["sources"].keys()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda h: lax.approx_max_k(h, 2, reduction_dimension=1)[0], "approx_top_k"),
        (lambda h: lax.custom_linear_solve(lambda x: 2 * x, h, lambda f, b: b / 2), "custom_lin"),
        (lambda h: jnp.linalg.cholesky(h.mT @ h + jnp.eye(8)[None]), "cholesky"),
        (lambda h: jnp.linalg.qr(h)[0], "qr"),
        (lambda h: jnp.linalg.svd(h, full_matrices=False)[2], "svd"),
        (lambda h: lax.bitcast_convert_type(h, np.int32)[..., 0] * h, "bitcast_convert_type"),
        (lambda h: h.at[:, 0].apply(jnp.exp), "scatter"),
    ],
)
def test_what_has_no_rule_is_reported_and_keeps_channels(
    function, name, double, standard_promotion
):
    apply, params = network({"second": function})
    small = sgl.compact(apply, params, X)
    assert any(line.startswith(name) for line in small.report.unknown), small.report
    assert not small.report.shapes


def test_key_among_the_parameters_stays_whole_and_is_not_reported(double):
    def dropped(params, x):
        key = jax.random.wrap_key_data(params["key"])
        hidden = x @ params["first"]
        return jnp.where(jax.random.bernoulli(key, 0.5, hidden.shape), hidden, 0) @ params["last"]

    first = drawn(3, 8).at[:, DEAD].set(0)
    key = jax.random.key_data(jax.random.key(3))
    small = sgl.compact(dropped, {"first": first, "key": key, "last": drawn(8, 2)}, X, strict=True)
    assert small.params["first"].shape == (3, 5)
    assert small.params["key"].shape == key.shape


def of_nnx(layer, *inputs):
    """A function of the arrays of a layer, with these and inputs."""
    graph, state = nnx.split(layer)
    return lambda state, *inputs: nnx.merge(graph, state)(*inputs), state, *inputs


def of_haiku(function, *inputs):
    network = hk.transform_with_state(function)
    key = jax.random.key(0)
    found = jax.eval_shape(network.init, key, *inputs)
    return lambda found, key, *inputs: network.apply(*found, key, *inputs), found, key, *inputs


def cached_attention():
    layer = nnx.MultiHeadAttention(2, 8, decode=True, rngs=nnx.Rngs(0))
    layer.init_cache((2, 5, 8))
    return of_nnx(layer, SEQUENCE[:, :1])


def norm_of_a_batch():
    layer, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(8, "batch", mode="batch")
    axes = {"axis_name": "batch", "in_axes": (0, None), "out_axes": (0, None)}
    return lambda state, x: jax.vmap(layer, **axes)(x, state), state, SEQUENCE.mT


SEQUENCE = jnp.ones((2, 5, 8))
LAYERS = {
    "nnx, a cache": cached_attention,
    "nnx, dropout": lambda: of_nnx(nnx.Dropout(0.5, rngs=nnx.Rngs(0)), SEQUENCE),
    "equinox, batch norm": norm_of_a_batch,
    "equinox, positions": lambda: (eqx.nn.RotaryPositionalEmbedding(8), SEQUENCE[0]),
    "equinox, pooling": lambda: (eqx.nn.AdaptiveMaxPool1d(3), SEQUENCE[0]),
    "haiku, code book": lambda: of_haiku(
        lambda x: hk.nets.VectorQuantizerEMA(8, 4, 0.25, 0.9)(x, True), SEQUENCE
    ),
    "haiku, unrolled": lambda: of_haiku(
        lambda x: hk.static_unroll(hk.GRU(4), x, hk.GRU(4).initial_state(5)), SEQUENCE
    ),
}
"""Layers that use other primitives than products, norms and activations."""


@pytest.mark.parametrize("name", LAYERS)
def test_primitives_of_layers_have_rules(name, standard_promotion):
    with jax.numpy_rank_promotion("allow"):
        program, _ = trace(*LAYERS[name]())
    assert {equation.name for equation in equations(program.equations)} <= PRIMITIVES.keys()
