"""One small network in every framework: the same training, leaf by leaf."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from support.problems import assert_same

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


class Network(NamedTuple):
    """The network in a framework.

    Attributes:
      params: its tree of parameters.
      apply: ``apply(params, images) -> logits``.
      canonical: from a tree like the parameters to kernels and biases, channels last.
      layout: of its kernels.
    """

    params: Any
    apply: Any
    canonical: Any
    layout: str = "HWIO"


@functools.cache
def weights():
    """Kernels and biases, channels last."""
    generator = np.random.default_rng(0)
    shapes = {"conv": (3, 3, 2, 4), "fc": (4, 3)}
    return {
        layer: {
            "kernel": (0.3 * generator.standard_normal(shape)),
            "bias": (0.1 * generator.standard_normal(shape[-1])),
        }
        for layer, shape in shapes.items()
    }


@functools.cache
def data():
    generator = np.random.default_rng(1)
    return generator.standard_normal((8, 5, 5, 2)), generator.integers(0, 3, 8)


def loss(apply, params):
    images, labels = data()
    return optax.softmax_cross_entropy_with_integer_labels(apply(params, images), labels).mean()


def plain():
    """A dict of arrays and a function."""

    def apply(params, x):
        x = jax.lax.conv_general_dilated(
            x,
            params["conv"]["kernel"],
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jax.nn.relu(x + params["conv"]["bias"].reshape(1, 1, 1, 4)).mean(axis=(1, 2))
        return x @ params["fc"]["kernel"] + params["fc"]["bias"].reshape(1, 3)

    return Network(jax.tree.map(jnp.asarray, weights()), apply, lambda tree: tree)


class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 4, (3, 3), padding="VALID", rngs=rngs)
        self.fc = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.fc(nnx.relu(self.conv(x)).mean(axis=(1, 2)))


@functools.cache
def blank_nnx():
    return nnx.split(nnx.jit(lambda: NNXNet(nnx.Rngs(0)))(), nnx.Param, ...)


def nnx_model():
    graphdef, params, rest = blank_nnx()
    params = nnx.State(jax.tree.map(lambda leaf: leaf, params))
    nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, weights()))
    return nnx.merge(graphdef, params, rest)


def nnx_net():
    graphdef, params, rest = nnx.split(nnx_model(), nnx.Param, ...)
    apply = lambda params, x: nnx.merge(graphdef, params, rest)(x)  # noqa: E731
    return Network(params, apply, nnx.to_pure_dict)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.Conv(4, (3, 3), padding="VALID", name="conv")(x)
        return linen.Dense(3, name="fc")(linen.relu(x).mean(axis=(1, 2)))


def linen_net():
    params = {"params": jax.tree.map(jnp.asarray, weights())}
    return Network(params, LinenNet().apply, lambda tree: tree["params"])


def equinox_net():
    equinox = pytest.importorskip("equinox")

    class Net(equinox.Module):
        conv: equinox.nn.Conv2d
        fc: equinox.nn.Linear

        def __call__(self, x):
            x = jax.nn.relu(self.conv(x.transpose(2, 0, 1))).mean(axis=(1, 2))
            return self.fc(x)

    key = jax.random.key(0)
    blank = Net(equinox.nn.Conv2d(2, 4, 3, key=key), equinox.nn.Linear(4, 3, key=key))
    where = lambda net: (net.conv.weight, net.conv.bias, net.fc.weight, net.fc.bias)  # noqa: E731
    conv, fc = (jax.tree.map(jnp.asarray, weights()[layer]) for layer in ("conv", "fc"))
    oihw = conv["kernel"].transpose(3, 2, 0, 1), conv["bias"].reshape(4, 1, 1)
    net = equinox.tree_at(where, blank, (*oihw, fc["kernel"].T, fc["bias"]))
    params, static = equinox.partition(net, equinox.is_array)

    def canonical(tree):
        kernel, bias, dense, dense_bias = where(tree)
        return {
            "conv": {"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias.ravel()},
            "fc": {"kernel": dense.T, "bias": dense_bias},
        }

    apply = lambda params, x: jax.vmap(equinox.combine(params, static))(x)  # noqa: E731
    return Network(params, apply, canonical, "OIHW")


def haiku_net():
    haiku = pytest.importorskip("haiku")

    def forward(x):
        x = haiku.Conv2D(4, 3, padding="VALID", name="conv")(x)
        return haiku.Linear(3, name="fc")(jax.nn.relu(x).mean(axis=(1, 2)))

    names = {"w": "kernel", "b": "bias"}
    params = {
        layer: {short: jnp.asarray(leaves[long]) for short, long in names.items()}
        for layer, leaves in weights().items()
    }
    apply = haiku.without_apply_rng(haiku.transform(forward)).apply

    def canonical(tree):
        return {
            layer: {long: leaves[short] for short, long in names.items()}
            for layer, leaves in tree.items()
        }

    return Network(params, apply, canonical)


FRAMEWORKS = {"nnx": nnx_net, "linen": linen_net, "equinox": equinox_net, "haiku": haiku_net}


def splitting(layout):
    grouping = sgl.by_neuron(layout=layout)
    link = sgl.sgl_transform(sgl.TransformedL1(0.01), beta=0.1, grouping=grouping)
    return optax.chain(link, optax.sgd(0.1))


def proximal(layout):
    both = sgl.SparseGroup(sgl.L1(0.005), sgl.L1(0.005), sgl.by_neuron(layout=layout))
    return sgl.prox_adam(0.05, both)


METHODS = {"splitting": splitting, "prox_adam": proximal}
STEPS, RTOL = 5, 1e-10


def train(network, tx):
    """Canonical parameters and sparse parameters, and the gap, after some steps."""

    @jax.jit
    def step(params, state):
        gradient = jax.grad(functools.partial(loss, network.apply))(params)
        updates, state = tx.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    params, state = network.params, tx.init(network.params)
    for _ in range(STEPS):
        params, state = step(params, state)
    sparse = sgl.sparse_params(state, params)
    assert jax.tree.structure(sparse) == jax.tree.structure(network.params)
    return network.canonical(params), network.canonical(sparse), sgl.splitting_gap(state, params)


@functools.cache
def expected(method):
    return train(plain(), METHODS[method]("HWIO"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_framework_trains_like_a_dict(method, framework):
    network = FRAMEWORKS[framework]()
    found = train(network, METHODS[method](network.layout))
    assert_same(found, expected(method), RTOL)
    sparse = found[1]
    assert 0 < np.sum(sparse["conv"]["kernel"] == 0) < 72


@pytest.mark.parametrize("method", METHODS)
def test_nnx_optimizer_trains_like_a_dict(method):
    model = nnx_model()
    optimizer = nnx.Optimizer(model, METHODS[method]("HWIO"), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        gradient = nnx.grad(functools.partial(loss, lambda model, x: model(x)))(model)
        optimizer.update(model, gradient)

    for _ in range(STEPS):
        step(model, optimizer)
    params = nnx.state(model, nnx.Param)
    sparse = sgl.sparse_params(optimizer.opt_state, params)
    gap = sgl.splitting_gap(optimizer.opt_state, params)
    found = nnx.to_pure_dict(params), nnx.to_pure_dict(sparse), gap
    assert_same(found, expected(method), RTOL)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_regularizer_that_matches_no_leaf_is_refused(framework):
    network = FRAMEWORKS[framework]()
    tx = sgl.prox_sgd(0.1, sgl.Regularizer(sgl.L1(0.1), sgl.by_entry(only="attention")))
    with pytest.raises(ValueError, match=r"got none among .*conv"):
        tx.init(network.params)
