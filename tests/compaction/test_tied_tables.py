"""Leaves that make channels in one place and read them in another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl


WORDS = jnp.array([[1, 7, 3]])


def language_model(params, words, **lookup):
    """A table of words, a layer with a residual sum, and scores by the same table."""
    x = params["table"].at[words].get(**lookup)
    x = x + jax.nn.relu(x @ params["up"]) @ params["down"]
    return x @ params["table"].T


def autoencoder(params, x):
    return jax.nn.relu(x @ params["matrix"] + params["bias"][None]) @ params["matrix"].T


def drawn(**shapes):
    generator = np.random.default_rng(0)
    return {name: jnp.asarray(generator.standard_normal(s)) for name, s in shapes.items()}


NETWORKS = {
    "language model": (
        language_model,
        {"table": (11, 6), "up": (6, 8), "down": (8, 6)},
        WORDS,
        [["up"], ["down", "table"]],
    ),
    "autoencoder": (
        autoencoder,
        {"matrix": (5, 6), "bias": (6,)},
        np.ones((2, 5)),
        [["bias", "matrix"]],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_leaf_that_makes_and_reads_channels_is_in_their_groups(name, double):
    apply, shapes, x, expected = NETWORKS[name]
    params = drawn(**shapes)
    groups = sgl.channel_groups(apply, params, x).groups
    assert sorted(sorted(m.path for m in f.members) for f in groups) == sorted(expected)
    for family in groups:
        for member in family.members:
            params[member.path] = params[member.path].at[..., 2].set(0)
    small = sgl.compact(apply, params, x)
    for family in groups:
        for member in family.members:
            assert small.params[member.path].shape[-1] == shapes[member.path][-1] - 1


LOOKUPS = {
    "inside": {"mode": "promise_in_bounds"},
    "clipped": {"mode": "clip"},
    "filled with no number": {"mode": "fill"},
    "filled with zeros": {"mode": "fill", "fill_value": 0},
}


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_zero_columns_of_a_table_go_however_words_are_looked_up(lookup, double):
    params = drawn(table=(11, 6), up=(6, 8), down=(8, 6))
    params["table"] = params["table"].at[:, 2].set(0)
    params["down"] = params["down"].at[:, 2].set(0)

    def apply(params, words):
        return language_model(params, words, **LOOKUPS[lookup])

    small = sgl.compact(apply, params, WORDS)
    assert small.params["table"].shape == (11, 5)
    beyond = jnp.array([[1, 11, -1]])  # of which -1 is the last word
    np.testing.assert_allclose(
        small.apply(small.params, beyond), apply(params, beyond), atol=1e-12, equal_nan=True
    )


def test_columns_stay_that_words_beyond_the_table_fill_with_another_number():
    params = drawn(table=(11, 6), up=(6, 8), down=(8, 6))
    params["table"] = params["table"].at[:, 2].set(0)
    params["down"] = params["down"].at[:, 2].set(0)
    small = sgl.compact(
        lambda params, words: language_model(params, words, mode="fill", fill_value=0.5),
        params,
        WORDS,
    )
    assert small.params["table"].shape == (11, 6)
