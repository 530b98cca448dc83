"""Dead channels leave loops and branches, and nothing changes."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import lax
from support.exported import exported
from support.loops import LOOPED
from support.tiers import usual
from support.two_layers import assert_close, gradient

import sgl_jax as sgl
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.compaction._removal import Removal


FEW = "blocks", "lstm"


@pytest.fixture(autouse=True)
def rank_promotion(double):
    """Arrays of float64, and biases without the axes of a batch."""
    with jax.numpy_rank_promotion("allow"):
        yield


def inputs(batch=3):
    return jnp.asarray(np.random.default_rng(1).standard_normal((batch, 6, 5)))


def tangents(apply, x):
    """The change of the outputs as all parameters that are not zero grow."""
    return lambda params: jax.jvp(
        lambda params: apply(params, x), (params,), (jax.tree.map(jnp.abs, params),)
    )


@pytest.mark.parametrize("name", usual(LOOPED, ("blocks", "lstm", "while_loop in lanes", "switch")))
def test_dead_channels_leave_loops(name):
    network, x = LOOPED[name], inputs(2)
    params = network.params()
    small = sgl.compact(network.apply, params, inputs(), strict=True)
    assert jax.tree.map(jnp.shape, small.params) == network.narrow
    assert not small.report.unknown
    assert not small.report.revived
    if name.startswith("while"):
        found, expected = tangents(small.apply, x), tangents(network.apply, x)(params)
    else:
        found, expected = gradient(small.apply, x), gradient(network.apply, x)(params)
        expected = small.shrink(expected)
    assert_close(jax.jit(found)(small.params), expected, 1e-12)


def assert_first_groups_go(apply, params, x):
    """Sets the first group of every family to zero; its channel is all that can go."""
    groups = sgl.channel_groups(apply, params, x).groups
    leaves, rebuild = flatten_by_path(params)
    for family in groups:
        parts = [leaves[member.path] for member in family.members]
        alive = jnp.arange(family.count, dtype=parts[0].dtype).reshape(family.shape) > 0
        for member, part, factor in zip(family.members, parts, family.spread(alive), strict=True):
            leaves[member.path] = jnp.where(factor, part, 0)
    removal = Removal.read(apply, rebuild(leaves), (x,), protect=None, strict=True)
    plan = dict(removal.narrow(removal.search(1)).plan.leaves)
    for family in groups:
        for member in family.members:
            (axis,) = member.index_axes
            index = range(family.count) if member.index is None else member.index
            left = [position for position, group in enumerate(index) if group > 0]
            assert plan[member.path].kept[axis] == tuple(left), member.path
    return groups


@pytest.mark.parametrize("name", LOOPED)
def test_channels_whose_group_is_zero_leave_loops(name):
    network = LOOPED[name]
    params = {path: jnp.ones(shape) for path, shape in network.shapes.items()}
    assert_first_groups_go(network.apply, params, inputs())


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", usual(FEW, ["lstm"]))
def test_moments_of_adam_follow(name):
    network, x = LOOPED[name], inputs()
    params, tx = network.params(), optax.adam(0.1)
    small = sgl.compact(network.apply, params, x)
    full = jax.jit(gradient(network.apply, x))(params)
    narrow = jax.jit(gradient(small.apply, x))(small.params)
    _, state = tx.update(full, tx.init(params))
    expected, _ = tx.update(jax.tree.map(jnp.sin, full), state)
    found, _ = tx.update(jax.tree.map(jnp.sin, narrow), small.shrink(state))
    assert_close(found, small.shrink(expected), 1e-9)


@pytest.mark.parametrize("name", usual(LOOPED, FEW))
def test_network_with_a_loop_is_exported_for_any_batch(tmp_path, name):
    network = LOOPED[name]
    params = network.params()
    small = sgl.compact(network.apply, params, inputs())
    found = exported(tmp_path, small)
    for batch in (1, 2, 5):
        expected = network.apply(params, inputs(batch))
        assert_close(found(inputs(batch))[0], expected, 1e-12)


class Recurrent(nnx.Module):
    """A recurrent layer of Flax, and a head."""

    def __init__(self, cell, rngs):
        self.rnn = nnx.RNN(cell(5, 4, param_dtype=jnp.float64, rngs=rngs))
        self.head = nnx.Linear(4, 2, param_dtype=jnp.float64, rngs=rngs)

    def __call__(self, x):
        return self.head(self.rnn(x)[:, -1])


@pytest.mark.parametrize("cell", usual((nnx.LSTMCell, nnx.GRUCell), (nnx.LSTMCell,)))
def test_recurrent_layer_of_flax_loses_units(cell):
    model = Recurrent(cell, nnx.Rngs(0))
    network, params, rest = sgl.train.split(model)
    groups = assert_first_groups_go(network.apply, (params, rest), inputs())
    assert [family.count for family in groups] == [4]
    for name, dense in nnx.iter_children(model.rnn.cell):
        gates = jnp.reshape(dense.kernel[...], (dense.kernel.shape[0], -1, 4))
        if name in ("ig", "hg", "dense_i", "dense_h"):
            dense.kernel[...] = gates.at[:, -1, 2].set(0).reshape(dense.kernel.shape)
    narrow = sgl.compact_module(model, inputs()).module
    assert narrow.rnn.cell.hidden_features == 3


def by_rows(params, x):
    """Adds up the rows of a product, channel after channel."""
    hidden = jnp.tanh(x[:, 0] @ params["a"])
    total, hidden = lax.scan(lambda total, row: (total + row, total), x[:, 0, 0], hidden.T)
    return hidden.T @ params["b"] + total[:, None]


def test_channels_that_a_scan_runs_over_stay():
    params = {"a": jnp.ones((5, 4)).at[:, 1].set(0), "b": jnp.ones((4, 2))}
    small = sgl.compact(by_rows, params, inputs(), strict=True)
    assert not small.report.shapes
    (why,) = small.report.staying
    assert re.match(r"1 of a: scan at .*test_compact_loops.py:\d+ \(by_rows\) runs over it", why)
    params["c"] = jnp.ones((2, 2))
    groups = sgl.channel_groups(lambda p, x: by_rows(p, x) @ p["c"], params, inputs())
    reasons = {s.path: c.reasons for c in groups.channels for s in c.slots if not s.reads}
    assert re.match(r"scan at .*test_compact_loops.py:\d+ \(by_rows\) runs over it", *reasons["a"])


def test_scan_of_layers_counts_the_operations_that_are_left():
    network = LOOPED["blocks"]
    report = sgl.compact(network.apply, network.params(), inputs(1)).report
    assert report.before.flops == 2 * 6 * (5 * 4 + 3 * 2 * 4 * 8 + 4 * 2)
    assert report.after.flops == 2 * 6 * (5 * 3 + 3 * 2 * 3 * 5 + 3 * 2)


@pytest.mark.parametrize("branch", [False, True])
def test_weights_by_flops_need_products_that_are_counted(branch):
    network = LOOPED["cond" if branch else "blocks"]
    groups = sgl.channel_groups(network.apply, network.params(), inputs(1))
    if branch:
        with pytest.raises(ValueError, match="FLOPs can be counted, got none, or some in a while"):
            groups.flops_weights()
    else:
        assert {path: leaf.shape for path, leaf in groups.flops_weights().items()} == {
            "down": (4,),
            "b": (8,),
        }
