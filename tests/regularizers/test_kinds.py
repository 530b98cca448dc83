"""Arguments of another kind are refused, in a sentence that names the fix."""

import jax.numpy as jnp
import pytest
from support.problems import draw
from support.refusals import complaint

import sgl_jax as sgl


PARAMS = draw(0, 0.3)

pytestmark = pytest.mark.usefixtures("as_for_users")

KINDS = {
    "a bare penalty": (sgl.L1(0.1), "the penalty L1(lam=0.1): wrap it, Regularizer(L1(lam=0.1))"),
    "a number": (0.1, "0.1: write Regularizer(L1(lam=0.1))"),
    "a class": (sgl.Regularizer, "the class Regularizer: call it, Regularizer(...)"),
    "a grouping": (sgl.by_entry(), "a Grouping: write Regularizer(L1(lam=0.1))"),
}

CONSTRAINED = ("incremental", "magnitude", "straight_through")
"""Algorithms that take one constraint only."""

OPTIONS = {"relaxed_splitting": {"period": 2}, "magnitude": {"steps": 3}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sgl.ALGORITHMS)
def test_thing_of_another_kind_than_a_regularizer_is_refused(name, kind):
    thing, words = KINDS[kind]
    algorithm, options = sgl.ALGORITHMS[name], OPTIONS.get(name, {})
    message = complaint(lambda: algorithm(1e-2, thing, **options).init(PARAMS))
    assert message.endswith(f"needs a regularizer, got {words}.")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sgl.Regularizer(0.1), "a penalty, got 0.1: write L1(lam=0.1)."),
        (lambda: sgl.Regularizer(sgl.L1), "a penalty, got the class L1: call it, L1(...)."),
        (
            lambda: sgl.Regularizer(sgl.L1(0.1), sgl.by_filter),
            "a grouping, got the function by_filter: call it, by_filter(...).",
        ),
        (
            lambda: sgl.Regularizer(sgl.L1(0.1), sgl.Grouping),
            "a grouping, got the class Grouping: call it, Grouping(...).",
        ),
        (lambda: sgl.SparseGroup(0.1, sgl.L1(0.1)), "a penalty, got 0.1: write L1(lam=0.1)."),
        (lambda: sgl.SparseGroup(sgl.L1(0.1), sgl.L1), "a penalty, got the class L1: call it,"),
        (
            lambda: sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.1), sgl.by_neuron),
            "a grouping, got the function by_neuron: call it,",
        ),
        (
            lambda: sgl.sgl_transform(sgl.Regularizer(sgl.L1(0.1)), beta=0.1),
            "a penalty, got a Regularizer: write L1(lam=0.1).",
        ),
        (
            lambda: sgl.sgl_transform(sgl.L1(0.1), beta=0.1, grouping=sgl.by_neuron),
            "a grouping, got the function by_neuron: call it,",
        ),
        (lambda: sgl.L1("0.1"), "lam >= 0, got lam='0.1'."),
        (lambda: sgl.SCAD(0.1, a=3 + 1j), "a > 2, got a=(3+1j)."),
    ],
)
def test_argument_of_another_kind_is_refused(make, words):
    assert words in complaint(make)


@pytest.mark.parametrize("call", ["prox", "value"])
def test_strengths_that_do_not_fit_their_groups_are_refused(call):
    regularizer = sgl.Regularizer(sgl.L1(jnp.full((4, 3), 0.1)), sgl.by_entry(only="^a$"))
    arguments = ({"a": jnp.ones((3, 4))}, *[1.0][: call == "prox"])
    message = complaint(lambda: getattr(regularizer, call)(*arguments))
    assert message == (
        "L1 needs strengths that broadcast against (3, 4), the groups of 'a', got an array of "
        "shape (4, 3)."
    )


@pytest.mark.parametrize("name", [name for name in sgl.ALGORITHMS if name not in CONSTRAINED])
def test_leaf_that_is_no_array_is_refused(name):
    params = {"activation": lambda x: x, "kernel": jnp.ones((2, 3))}
    entry = sgl.Exclusive(0.1) if name == "cges" else sgl.L1(0.1)
    both = sgl.SparseGroup(entry, sgl.L1(0.1))
    tx = sgl.ALGORITHMS[name](0.1, both, **OPTIONS.get(name, {}))
    words = "need arrays as leaves, got function at 'activation': pass the arrays alone"
    assert words in complaint(lambda: tx.init(params))
    assert words in complaint(lambda: sgl.sparsity(params))
