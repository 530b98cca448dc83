"""The options of compaction, the channels it leaves, and the operations XLA makes of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.networks import FEW, NETWORKS, kill, narrow_by_hand, narrow_widths, sparing

import sgl_jax as sgl
from sgl_jax._util.pytree import flatten_by_path


def killed(name, share=0.5):
    spec = NETWORKS[name]
    apply, params = spec.build()
    params, dead = kill(spec, params, seed=2, share=share)
    return spec, apply, params, dead


def chain(widths, dead=(), seed=0):
    """Dense layers of these widths, with dead units in each."""

    def apply(params, x):
        for k in range(len(widths) - 1):
            x = x @ params[f"w{k}"] + params[f"b{k}"][None]
            x = jax.nn.relu(x) if k < len(widths) - 2 else x
        return x

    generator, params = np.random.default_rng(seed), {}
    for k, (fed, made) in enumerate(itertools.pairwise(widths)):
        kernel, bias = generator.standard_normal((fed, made)), generator.standard_normal(made)
        off = list(dead[k]) if k < len(dead) else []
        kernel[:, off], bias[off] = 0, 0
        params |= {f"w{k}": jnp.asarray(kernel, np.float32), f"b{k}": jnp.asarray(bias, np.float32)}
    return apply, params, jnp.ones((2, widths[0]))


def widths_of(small):
    return [leaf.shape[1] for path, leaf in flatten_by_path(small.params)[0].items() if "w" in path]


@pytest.mark.parametrize(
    ("round_to", "expected"),
    [(1, [13, 5, 2]), (2, [14, 6, 2]), (4, [16, 8, 2]), (8, [16, 8, 2]), (5, [15, 5, 2])],
)
def test_widths_are_rounded_up_to_multiples_or_to_all(round_to, expected):
    apply, params, x = chain((3, 20, 8, 2), [range(7), range(3)])
    small = sgl.compact(apply, params, x, round_to=round_to)
    assert widths_of(small) == expected
    live = np.asarray(params["w0"])[:, 7:]
    np.testing.assert_array_equal(small.params["w0"][:, -13:], live, "what is live stays")


def test_sizes_in_the_report_are_those_of_the_trees():
    apply, params, x = chain((3, 20, 8, 2), [range(7), range(3)])
    report = sgl.compact(apply, params, x).report
    assert report.before == (sgl.compaction.Size(4 * 20 + 21 * 8 + 9 * 2, 944, 1064))
    assert report.after.parameters == 4 * 13 + 14 * 5 + 6 * 2
    assert report.after.flops == 4 * (3 * 13 + 13 * 5 + 5 * 2)
    assert report.shapes["w1"] == ((20, 8), (13, 5))
    assert "w1: 20x8 -> 13x5" in str(report)


@pytest.mark.parametrize("pattern", ["w0", "b0", "^w1$"])
def test_protected_leaves_keep_their_shape(pattern):
    apply, params, x = chain((3, 6, 5, 2), [[1], [0]])
    small = sgl.compact(apply, params, x, protect=pattern)
    widths = [6, 5] if pattern == "^w1$" else [6, 4]
    assert widths_of(small)[:2] == widths
    assert len(sgl.compact(apply, params, x).report.shapes) == 5


def test_layer_that_is_dead_as_a_whole_keeps_one_unit_and_is_named():
    apply, params, x = chain((3, 6, 5, 2), [range(6), [0]])
    small = sgl.compact(apply, params, x)
    assert widths_of(small) == [1, 1, 2], "what follows is constant, and folded"
    assert small.report.revived == ("b0", "b1")
    assert "one channel left, where none was needed: b0" in str(small.report)
    np.testing.assert_allclose(small.apply(small.params, x), apply(params, x), rtol=1e-5)


def test_network_without_dead_channels_stays_as_it_is():
    apply, params, x = chain((3, 6, 5, 2))
    params = jax.tree.map(jnp.abs, params)
    small = sgl.compact(apply, params, x)
    assert not small.report.shapes
    jax.tree.map(np.testing.assert_array_equal, small.params, params)


USUAL = "lenet5", "densenet"


OTHERS = "mixer", "resnet20_projection", "squeeze_excite", "unet", "vgg16", "vit"
"""Networks whose wiring is of another kind than that of the few."""

NAMES = (*FEW, *OTHERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", sparing(NAMES, USUAL))
def test_second_call_finds_nothing_and_every_channel_counts(name):
    """Every channel that is left is written, and its entries are read.

    It may be zero for all of a few inputs, behind a ReLU, so it is not taken away but raised, or
    lowered where its inputs are negative.
    """
    spec, apply, params, _ = killed(name)
    x = spec.inputs(2, seed=3)
    small = sgl.compact(apply, params, x, strict=True)
    assert not sgl.compact(small.apply, small.params, x).report.shapes

    left = [len(keep) for keep in kept_channels(spec, small, params)]
    output = jax.jit(small.apply)
    expected = output(small.params, x)
    least = 1e-4 * jnp.abs(expected).max()
    leaves, _ = flatten_by_path(small.params)
    for unit, width in zip(spec.units(tuple(left)), left, strict=True):
        for channel in range(width):
            others = (with_channel(small.params, unit, channel, sign) for sign in (1, -1))
            moves = (jnp.abs(output(params, x) - expected).max() for params in others)
            assert any(move > least for move in moves), (unit.writers[0].path, channel)
            assert any(
                leaves[path].take(index[channel], axis).any() for path, axis, index in unit.writers
            )


def with_channel(params, unit, channel, sign):
    """The parameters with larger ones of this sign in the writers of a channel."""
    leaves, rebuild = flatten_by_path(params)
    for path, axis, index in unit.writers:
        leaf = np.array(leaves[path])
        view = np.moveaxis(leaf, axis, 0)
        view[index[channel]] = sign * (abs(view[index[channel]]) + 1)
        leaves = {**leaves, path: jnp.asarray(leaf)}
    return rebuild(leaves)


def kept_channels(spec, small, params):
    """The channels of each width that its first writer keeps."""
    plan = dict(small.plan.leaves)
    for unit in spec.units(spec.widths):
        path, axis, index = unit.writers[0]
        kept = plan[path].kept[axis]
        yield (
            range(len(index)) if kept is None else np.flatnonzero(np.isin(index, kept).any(axis=1))
        )


@pytest.mark.parametrize("name", sparing([n for n in NAMES if not NETWORKS[n].counting], USUAL))
def test_compiler_counts_the_operations_of_the_network_built_narrow(name):
    spec, apply, params, dead = killed(name)
    x = spec.inputs(2, seed=3)
    small = sgl.compact(apply, params, x)
    narrow, _ = spec.build(narrow_widths(spec, dead))
    hand = narrow_by_hand(spec, params, dead)

    def flops(apply, params):
        return jax.jit(apply).lower(params, x).cost_analysis()["flops"]

    assert flops(small.apply, small.params) == flops(narrow, hand) < flops(apply, params)


def test_state_of_random_numbers_is_passed_on():
    class Net(nnx.Module):
        def __init__(self, *, rngs: nnx.Rngs) -> None:
            self.a, self.b = nnx.Linear(3, 6, rngs=rngs), nnx.Linear(6, 2, rngs=rngs)
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.b(self.dropout(nnx.relu(self.a(x))))

    net = Net(rngs=nnx.Rngs(0))
    net.eval()
    net.a.kernel[...] = net.a.kernel[...].at[:, 2].set(0)
    graph, state = nnx.split(net)
    small = sgl.compact(lambda state, x: nnx.merge(graph, state)(x), state, jnp.ones((4, 3)))
    assert set(small.report.shapes) == {"a/kernel", "a/bias", "b/kernel"}
    assert jax.tree.structure(small.shrink(state)) == jax.tree.structure(state)


def test_sum_over_two_axes_at_once_needs_both_of_them():
    """No row of a diagonal can go because its column would go as well."""

    def diagonal(params, x):
        return x * jnp.sum(params["a"] * params["b"])

    def heads(params, x):
        x = jnp.tanh(jnp.einsum("bi,ihc->bhc", x, params["a"]))
        return jnp.einsum("bhc,hco->bo", x, params["b"])

    params = {"a": jnp.diag(jnp.arange(1.0, 4.0)), "b": jnp.ones((3, 3))}
    assert not sgl.compact(diagonal, params, jnp.ones((2, 1))).report.shapes
    params = {"a": jnp.ones((2, 3, 3)), "b": jnp.eye(3)[..., None] * jnp.ones(2)[None, None]}
    assert not sgl.compact(heads, params, jnp.ones((4, 2))).report.shapes
    params["b"] = params["b"].at[1].set(0)
    shapes = sgl.compact(heads, params, jnp.ones((4, 2))).report.shapes
    assert shapes == {"a": ((2, 3, 3), (2, 2, 2)), "b": ((3, 3, 2), (2, 2, 2))}
