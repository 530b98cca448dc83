"""Loops and branches as they are read: ties of what they hand on, constants in all iterations."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sgl_jax.compaction._constants import propagate_constants
from sgl_jax.compaction.channels import read_program
from sgl_jax.compaction.program import trace


def read(function, *arguments):
    """Reads a function, all of whose arguments may be sliced, and whose results may, too."""
    program, _ = trace(function, *arguments)
    results, program.outputs = program.outputs, ()
    return read_program(program, program.inputs), results


def test_scan_ties_what_it_hands_on_and_keeps_the_axis_it_runs_over():
    def function(h, w):
        return lax.scan(lambda h, w: (jnp.sin(h) * w, h + 1), h, w)

    structure, (carry, stacked) = read(function, jnp.zeros(4), jnp.zeros((3, 4)))
    axes = structure.axes
    h, w = structure.program.inputs
    same = [axes[h][0], axes[w][1], axes[carry][0], axes[stacked][1]]
    for axis in same[1:]:
        np.testing.assert_array_equal(structure.sets.find(same[0]), structure.sets.find(axis))
    assert axes[stacked][0] is None
    reasons = structure.sets.reasons()
    assert not any(root in reasons for root in structure.sets.find(same[0]).tolist())
    for root in structure.sets.find(axes[w][0]).tolist():
        assert re.match(r"scan at .*test_loops_read.py:\d+ .* runs over it", reasons[root])


def test_carry_that_moves_ties_all_positions():
    structure, _ = read(lambda h: lax.fori_loop(0, 3, lambda _, h: h[::-1], h), jnp.zeros(4))
    roots = structure.sets.find(structure.axes[structure.program.inputs[0]][0])
    assert roots[0] == roots[3] != roots[1] == roots[2]


def test_branches_tie_their_results():
    def function(x, a, b):
        return lax.switch(x, [lambda: a * 2, lambda: b, lambda: a + b])

    structure, (result,) = read(function, jnp.asarray(1), jnp.zeros(3), jnp.zeros(3))
    _, a, b = structure.program.inputs
    for value in (b, result):
        found, expected = structure.axes[value][0], structure.axes[a][0]
        np.testing.assert_array_equal(structure.sets.find(found), structure.sets.find(expected))


def moved(p, x):
    return lax.fori_loop(0, 3, lambda _, h: jnp.concatenate([x[:1], h[:-1]]), jnp.zeros(12))


def at_once(p, x):
    return lax.fori_loop(0, 3, lambda _, h: jnp.where(x > 0, h, h * p), p)


def both(one, other):
    return jnp.concatenate([one[None], other[None]])


def ones(p, x):
    return jnp.ones_like(p)


CONSTANTS = {
    "carried zeros": (lambda p, x: lax.fori_loop(0, 3, lambda _, h: 2 * h, p), [0, None, None]),
    "zeros of all slices": (
        lambda p, x: lax.map(lambda w: w * x, both(p, 2 * p)).sum(0),
        [0, None, None],
    ),
    "slices that differ": (
        lambda p, x: lax.scan(lambda h, w: (w, None), p, both(p, p * p))[0],
        [0, 1, None],
    ),
    "what every iteration makes": (
        lambda p, x: lax.scan(lambda h, _: (ones(p, x), None), x, length=2)[0],
        [1, 1, 1],
    ),
    "what no iteration may make": (
        lambda p, x: lax.while_loop(lambda h: h.sum() < 0, lambda h: ones(p, x), 0 * p),
        [None] * 3,
    ),
    "no iteration": (
        lambda p, x: lax.scan(lambda h, _: (ones(p, x), None), x, length=0)[0],
        [None] * 3,
    ),
    "what changes": (at_once, [0, 1, None]),
    "what moves by one in every iteration": (moved, [None] * 12),
    "branches that agree": (
        lambda p, x: lax.cond(x[0] > 0, lambda: p * x, lambda: p),
        [0, None, None],
    ),
    "an inner loop": (
        lambda p, x: lax.fori_loop(
            0, 2, lambda _, h: lax.fori_loop(0, 2, lambda _, h: h + p * x, h), jnp.zeros(3)
        ),
        [0, None, None],
    ),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_those_of_all_iterations(name):
    function, expected = CONSTANTS[name]
    p, x = jnp.array([0.0, 1.0, 2.0]), jnp.ones(3)
    structure, (result,) = read(function, p, x)
    fact = propagate_constants(structure, {structure.program.inputs[0]: p})[result]
    known, value = (np.broadcast_to(a, len(expected)) for a in (fact.known, fact.value))
    assert [float(v) if k else None for k, v in zip(known, value, strict=True)] == expected
