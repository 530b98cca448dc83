"""The tie rules, one by one: the positions that they tie, and those that have to stay."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from sgl_jax.compaction.axes import Slicing
from sgl_jax.compaction.channels import read_program
from sgl_jax.compaction.program import trace


class Read:
    """A function, read with all of its arguments sliceable.

    Attributes:
      structure: the program, read.
      axes: for every result its axes.
    """

    def __init__(self, function, *shapes, outputs=False):
        arguments = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
        self.program, _ = trace(function, *arguments)
        results = self.program.outputs
        if not outputs:  # an output stays, which would hide the other reasons
            self.program.outputs = ()
        self.structure = read_program(self.program, self.program.inputs)
        self.axes = [self.structure.axes[value] for value in results]
        self.sets = self.structure.sets

    def roots(self, argument, axis):
        """The roots of the positions along an axis of an argument."""
        return self.sets.find(self.structure.axes[self.program.inputs[argument]][axis])

    def along(self, argument, axis, result=0):
        """For every axis of a result the places along an argument's axis that it is tied to.

        -1 for a position that is tied to none of them, ``None`` for an axis that stays whole.
        """
        places = {root: k for k, root in enumerate(self.roots(argument, axis).tolist())}
        return [
            None if found is None else [places.get(n, -1) for n in self.sets.find(found).tolist()]
            for found in self.axes[result]
        ]

    def why(self, argument, axis):
        """The reasons why the positions of an axis have to stay; ``None`` where there is none."""
        reasons = self.sets.reasons()
        return [reasons.get(root) for root in self.roots(argument, axis).tolist()]


def stays(read, argument, axis, what):
    for why in read.why(argument, axis):
        assert re.match(rf"{what} at .*test_ties.py:\d+ ", why or ""), why


def free(read, argument, axis):
    assert read.why(argument, axis) == [None] * len(read.roots(argument, axis))


A = 0, 1, 2, 3


@pytest.mark.parametrize(
    ("function", "shape", "axis", "expected"),
    [
        (lambda x: x.T, (2, 4), 1, [[0, 1, 2, 3], [-1, -1]]),
        (lambda x: x[:, ::-1], (2, 4), 1, [[-1, -1], [3, 2, 1, 0]]),
        (lambda x: x[:, 1:4:2], (2, 4), 1, [[-1, -1], [1, 3]]),
        (lambda x: jnp.split(x, [1], axis=1)[1], (2, 4), 1, [[-1, -1], [1, 2, 3]]),
        (lambda x: jnp.concatenate([x, x[:, :1]], 1), (2, 4), 1, [[-1, -1], [0, 1, 2, 3, 0]]),
        (lambda x: jnp.pad(x, ((0, 0), (1, 2))), (2, 4), 1, [[-1, -1], [-1, 0, 1, 2, 3, -1, -1]]),
        (lambda x: x[:, np.array([3, 3, 0])], (2, 4), 1, [[-1, -1], [3, 3, 0]]),
        (lambda x: x[np.array([2, 1])], (4, 2), 0, [[2, 1], [-1, -1]]),
        (lambda x: x[None, :, None], (4,), 0, [None, [0, 1, 2, 3], None]),
        (lambda x: jnp.broadcast_to(x[None], (3, 4)), (4,), 0, [[-1, -1, -1], [0, 1, 2, 3]]),
        (lambda x: x.reshape(2, 4).T, (2, 1, 4), 2, [[0, 1, 2, 3], [-1, -1]]),
        (lambda x: jnp.squeeze(x, 1), (2, 1, 4), 2, [[-1, -1], [0, 1, 2, 3]]),
        (lambda x: x.sum(0), (2, 4), 1, [[0, 1, 2, 3]]),
        (lambda x: x.max(0), (2, 4), 1, [[0, 1, 2, 3]]),
        (lambda x: jnp.cumsum(x, 0), (2, 4), 1, [None, [0, 1, 2, 3]]),
        (lambda x: jnp.exp(x) + jnp.where(x > 0, x, -x), (2, 4), 1, [[-1, -1], [0, 1, 2, 3]]),
        (lambda x: x + jnp.arange(4.0)[None], (2, 4), 1, [[-1, -1], [0, 1, 2, 3]]),
        (lambda x: lax.dynamic_slice(x, (0, 0), (1, 4)), (2, 4), 1, [[-1], [0, 1, 2, 3]]),
        (lambda x: lax.dynamic_slice(x, (0, 3), (2, 2)), (2, 4), 1, [[-1, -1], [2, 3]]),
        (
            lambda x: lax.dynamic_update_slice(jnp.zeros((2, 6)), x, (0, 1)),
            (2, 4),
            1,
            [[-1, -1], [-1, 0, 1, 2, 3, -1]],
        ),
        (lambda x: x.at[0].add(1.0), (2, 4), 1, [[-1, -1], [0, 1, 2, 3]]),
        (
            lambda x: jnp.zeros((2, 6)).at[:, 1:5].set(x),
            (2, 4),
            1,
            [[-1, -1], [-1, 0, 1, 2, 3, -1]],
        ),
        (
            lambda x: jnp.zeros((2, 5)).at[:, np.array([4, 0, 2, 1])].add(x),
            (2, 4),
            1,
            [[-1, -1], [1, 3, 2, -1, 0]],
        ),
        (lambda x: jnp.stack([x, x]), (2, 4), 1, [None, [-1, -1], [0, 1, 2, 3]]),
        (lambda x: jnp.unstack(x, axis=0)[1], (2, 4), 1, [[0, 1, 2, 3]]),
        (lambda x: jnp.tile(x, (1, 2)), (2, 4), 1, [[-1, -1], [0, 1, 2, 3, 0, 1, 2, 3]]),
        (lambda x: jnp.tile(x, (3, 1)), (1, 4), 1, [[-1, -1, -1], [0, 1, 2, 3]]),
        (lambda x: lax.top_k(x, 2, axis=0)[1], (2, 4), 1, [None, [0, 1, 2, 3]]),
        (lambda x: jnp.fft.fft(x, axis=0), (2, 4), 1, [None, [0, 1, 2, 3]]),
        (
            lambda x: jnp.take_along_axis(x, jnp.argsort(x, 0), 0),
            (2, 4),
            1,
            [None, [0, 1, 2, 3]],
        ),
        (
            lambda x: lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos),
            (2, 4),
            1,
            [[-1, -1], [0, 1, 2, 3]],
        ),
        (lambda x: jax.jit(jax.nn.relu)(x), (2, 4), 1, [[-1, -1], [0, 1, 2, 3]]),
        (lambda x: jax.checkpoint(jnp.sin)(x), (2, 4), 1, [[-1, -1], [0, 1, 2, 3]]),
    ],
)
def test_positions_keep_their_numbers(function, shape, axis, expected):
    read = Read(function, shape)
    found = read.along(0, axis)
    assert [f if e else None for f, e in zip(found, expected, strict=True)] == expected
    free(read, 0, axis)


def test_flattening_makes_a_position_of_every_combination():
    both = Read(lambda x: x.reshape(-1), (1, 3, 4))
    (grid,) = both.sets.grids
    assert grid.positions.shape == (3, 4)
    assert [factor.tolist() for factor in grid.factors] == [[0, 1, 2], [3, 4, 5, 6]]
    assert both.axes[0][0].tolist() == grid.positions.reshape(-1).tolist()
    free(both, 0, 1)
    free(both, 0, 2)


def test_flattening_beside_an_axis_that_stays_whole_repeats_channels():
    program, _ = trace(lambda x, k: (x @ k).reshape(-1), jnp.ones((3, 2)), jnp.ones((2, 4)))
    program.outputs = ()
    structure = read_program(program, program.inputs[1:])
    columns = structure.axes[program.inputs[1]][1]
    (found,) = structure.axes[max(structure.axes)]
    assert found.tolist() == columns.tolist() * 3
    assert not structure.sets.grids


def test_repeated_channels_are_products_with_an_axis_of_their_own():
    read = Read(lambda k, x: x * jnp.repeat(k, 3), (4,), (12,))
    (grid,) = read.sets.grids
    assert grid.factors[0].tolist() == read.roots(0, 0).tolist()
    assert read.sets.find(grid.positions).reshape(-1).tolist() == read.roots(1, 0).tolist()
    free(read, 0, 0)
    free(read, 1, 0)


def test_split_axis_loses_rows_and_columns():
    read = Read(lambda x: x.reshape(2, 3), (6,))
    (grid,) = read.sets.grids
    assert grid.positions.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [len(factor) for factor in grid.factors] == [2, 3]
    assert read.roots(0, 0).tolist() == [0, 1, 2, 3, 4, 5]
    free(read, 0, 0)
    slicing = Slicing(read.structure, frozenset({0, 3, 4, 5}))
    assert slicing.shape(max(read.structure.axes)) == (1, 2)
    assert slicing.violation is None
    ragged = Slicing(read.structure, frozenset({0, 4}))
    assert re.match("reshape at .* can only lose whole rows and columns", ragged.violation)


def test_split_like_another_has_the_same_factors():
    read = Read(lambda x: x.reshape(2, 3).reshape(6).reshape(2, 3), (6,))
    first, merged, last = read.sets.grids
    for one, other in zip(first.factors, last.factors, strict=True):
        assert read.sets.find(one).tolist() == read.sets.find(other).tolist()
    assert read.sets.find(merged.positions).tolist() == first.positions.tolist()


def test_factor_that_stays_leaves_the_other():
    read = Read(lambda x: jnp.sort(x.reshape(2, 3), axis=0), (6,))
    roots = read.roots(0, 0).tolist()
    assert roots[:3] == roots[3:]
    assert len(set(roots)) == 3
    free(read, 0, 0)
    both = Read(lambda x: jnp.sort(jnp.sort(x.reshape(2, 3), axis=0), axis=1), (6,))
    stays(both, 0, 0, "sort")


def test_reshape_through_common_factors():
    read = Read(lambda x: x.reshape(8, 3), (4, 6))
    split, merged = read.sets.grids
    assert [len(factor) for factor in split.factors] == [2, 3]
    assert [len(factor) for factor in merged.factors] == [4, 2]
    assert merged.factors[0].tolist() == read.roots(0, 0).tolist()
    none = Read(lambda x: x.reshape(3, 4), (4, 3))
    stays(none, 0, 0, "reshape")
    stays(none, 0, 1, "reshape")


def total(x):
    """A place that depends on all entries, and needs none."""
    return x.sum().astype(np.int32)


def test_product_ties_the_axes_that_it_sums_over():
    read = Read(lambda x, k: x @ k, (2, 4), (4, 3))
    assert read.roots(0, 1).tolist() == read.roots(1, 0).tolist()
    assert read.along(1, 1) == [[-1, -1], [0, 1, 2]]
    (contraction,) = read.structure.contractions
    assert contraction.axes == (1, 0)
    assert contraction.single


def test_product_with_batch_axes_ties_those_and_records_every_sum():
    read = Read(lambda x, k: jnp.einsum("gbij,gijo->gbo", x, k), (2, 5, 3, 4), (2, 3, 4, 6))
    assert read.roots(0, 0).tolist() == read.roots(1, 0).tolist()
    assert read.roots(0, 2).tolist() == read.roots(1, 1).tolist()
    assert read.along(1, 3)[2] == list(range(6))
    assert len(read.structure.contractions) == 2
    assert not any(contraction.single for contraction in read.structure.contractions)


def convolved(groups, dilation=(1, 1)):
    return lambda x, k: lax.conv_general_dilated(
        x, k, (1, 1), "VALID", lhs_dilation=dilation, feature_group_count=groups
    )


def test_convolution_sums_over_inputs_and_slides_over_pixels():
    read = Read(convolved(1), (2, 4, 5, 5), (6, 4, 3, 3))
    assert read.roots(0, 1).tolist() == read.roots(1, 1).tolist()
    assert read.along(1, 0)[1] == list(range(6))
    stays(read, 0, 2, "conv_general_dilated")
    stays(read, 1, 3, "conv_general_dilated")
    free(read, 1, 0)


def test_depthwise_convolution_passes_channels_on():
    read = Read(convolved(4), (2, 4, 5, 5), (8, 1, 3, 3))
    assert np.repeat(read.roots(0, 1), 2).tolist() == read.roots(1, 0).tolist()
    assert not read.structure.contractions


def test_grouped_convolution_ties_a_group():
    read = Read(convolved(2), (2, 4, 5, 5), (6, 2, 3, 3))
    inputs, outputs = read.roots(0, 1), read.roots(1, 0)
    assert np.unique(inputs).tolist() == inputs[[0, 2]].tolist()
    assert np.repeat(inputs[[0, 2]], 3).tolist() == outputs.tolist()
    stays(read, 1, 1, "conv_general_dilated")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: jax.nn.softmax(x), "reduce_max"),
        (lambda x: jnp.max(x, axis=1), "reduce_max"),
        (lambda x: jnp.argmin(x, axis=1), "argmin"),
        (lambda x: jnp.prod(x, axis=1), "reduce_prod"),
        (lambda x: jnp.sort(x, axis=1), "sort"),
        (lambda x: jnp.cumsum(x, axis=1), "cumsum"),
        (lambda x: lax.top_k(x, 2)[0], "top_k"),
        (lambda x: jnp.fft.rfft(x), "fft"),
        (lambda x: x.at[0, 1].set(0.0), "scatter"),
        (lambda x: x.at[:, total(x)].set(0.0), "scatter"),
        (lambda x: sum(jnp.unstack(x, axis=1)), "unstack"),
        (lambda x: x[jnp.arange(2), jnp.arange(2)], "gather"),
        (lambda x: lax.dynamic_slice(x, (0, total(x)), (2, 2)), "dynamic_slice"),
        (
            lambda x: lax.dynamic_update_slice(x, jnp.ones((2, 2)), (0, total(x))),
            "dynamic_update_slice",
        ),
        (lambda x: lax.pad(x, 0.0, [(0, 0, 0), (0, -1, 1)]), "pad"),
        (lambda x: jnp.concatenate([x] * 3).reshape(4, 6), "reshape"),
        (lambda x: nnx.max_pool(x[..., None], (2,)), "reduce_window_max"),
        (lambda x: lax.reduce(x, np.float32(0), lambda a, b: a + 2 * b, (1,)), "reduce"),
    ],
)
def test_primitive_that_needs_an_axis_whole_protects_it(function, name):
    stays(Read(function, (2, 4)), 0, 1, name)


def test_only_primitives_without_a_rule_are_unknown():
    read = Read(lambda x: (jnp.sort(x), jnp.linalg.eigvalsh(x), x[0]), (2, 2))
    assert [equation.name for equation in read.structure.unknown] == ["eigh"]


def test_output_stays():
    read = Read(lambda x, k: x @ k, (2, 4), (4, 3), outputs=True)
    assert read.why(1, 1) == ["it is an output of the network"] * 3
    assert read.why(1, 0) == [None] * 4


def test_axis_that_meets_one_that_is_not_sliced_stays():
    program, _ = trace(lambda x, k: x @ k, jnp.ones((2, 4)), jnp.ones((4, 3)))
    structure = read_program(program, program.inputs[1:])
    rows, columns = structure.axes[program.inputs[1]]
    reasons = structure.sets.reasons()
    assert all("joins it with an axis that is not sliced" in reasons[k] for k in rows.tolist())
    assert all(reasons[k] == "it is an output of the network" for k in columns.tolist())


@pytest.mark.parametrize("shapes", [((0, 3), (0, 5)), ((3, 0), (0,)), ((2, 0, 3), (0, 7))])
def test_arrays_without_entries_are_reshaped(shapes):
    before, after = shapes
    assert Read(lambda x: x.reshape(after), before).axes
