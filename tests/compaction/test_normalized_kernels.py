"""Kernels that are normalized over their inputs: a norm has a share of every channel it reads."""

import jax
import jax.numpy as jnp
import pytest

import sgl_jax as sgl


def normalize(kernel):
    return kernel / jnp.sqrt(1e-6 + jnp.sum(kernel**2, axis=0, keepdims=True))


def apply(params, x):
    h = jax.nn.relu(x @ normalize(params["a"]) * params["scale"])
    return jax.nn.relu(h @ normalize(params["b"]) * params["shift"]) @ params["c"]


@pytest.fixture
def params():
    shapes = {"a": (3, 6), "scale": (1, 6), "b": (6, 5), "shift": (1, 5), "c": (5, 2)}
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return {
        name: jax.random.normal(k, s) for k, (name, s) in zip(keys, shapes.items(), strict=True)
    }


X = jax.random.normal(jax.random.key(1), (4, 3))


def members(groups):
    return [[member.path for member in family.members] for family in groups]


def test_channels_that_a_normalized_kernel_reads_are_in_no_group(params):
    channels = sgl.channel_groups(apply, params, X)
    assert members(channels.groups) == [["b", "shift"]]
    assert "sums a kernel that reads it" in str(channels)
    for name in ("a", "scale"):
        params[name] = params[name].at[:, :2].set(0)
    assert sgl.compact(apply, params, X).params["scale"].shape == (1, 6)


def test_channels_that_a_normalized_kernel_reads_are_grouped_with_it(params):
    channels = sgl.channel_groups(apply, params, X, readers=True)
    assert members(channels.groups) == [["a", "b", "scale"], ["b", "c", "shift"]]
    for name in ("a", "scale"):
        params[name] = params[name].at[:, :2].set(0)
    params["b"] = params["b"].at[:2].set(0)
    small = sgl.compact(apply, params, X)
    assert small.params["scale"].shape == (1, 4)
    assert small.params["b"].shape == (4, 5)
