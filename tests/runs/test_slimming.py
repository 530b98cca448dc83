"""Network slimming: penalties on the scales of normalisations, and channels that leave by them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.algorithms import ALGORITHMS
from sgl_jax.compaction import compacted_size, measure_size
from sgl_jax.models import VGG16, ResNet
from sgl_jax.runs import _builders as builders
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import make_predictor
from sgl_jax.runs.experiment import prepare, run


class Normed(nnx.Module):
    """A padded and an unpadded convolution behind a first one, each with batch normalisation."""

    def __init__(self, classes=10, *, rngs):
        sizes = [(1, 4), (4, 6), (6, 8)]
        self.convs = nnx.List(
            nnx.Conv(*size, (3, 3), 3, use_bias=False, rngs=rngs) for size in sizes
        )
        self.norms = nnx.List(nnx.BatchNorm(width, rngs=rngs) for _, width in sizes)
        self.fc = nnx.Linear(32, classes, rngs=rngs)

    def __call__(self, images):
        x = images
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = jax.nn.relu(norm(conv(x)))
        return self.fc(x.reshape(len(x), -1))


SLIM = Config(
    model="test_slimming:Normed",
    groups="scales",
    penalty="none",
    algorithm="subgradient",
    optimizer="sgd",
    learning_rate=0.05,
    epochs=2,
    batch_size=256,
)


@pytest.fixture(autouse=True)
def importable(monkeypatch, request):
    """The module of this file, by the name that the config has."""
    monkeypatch.setitem(__import__("sys").modules, "test_slimming", request.module)


NETWORKS = {
    "small": (lambda rngs: Normed(rngs=rngs), (28, 28, 1)),
    "resnet20": (
        lambda rngs: ResNet((6, 3, 3, 6, 6, *[5] * 9), depth=20, rngs=rngs),
        (32, 32, 3),
    ),
    "vgg16": (lambda rngs: VGG16((6,) * 14, rngs=rngs), (32, 32, 3)),
}


def with_dead_scales(params):
    """Half of the scales at zero, and shifts of either sign."""
    leaves, rebuild = flatten_by_path(params)
    generator = np.random.default_rng(0)
    for path, leaf in leaves.items():
        if path.endswith("scale"):
            drawn = generator.uniform(0.5, 1.5, leaf.shape) * (np.arange(leaf.size) % 2)
            leaves[path] = jnp.asarray(drawn, leaf.dtype)
        elif path.endswith("bias"):
            leaves[path] = jnp.asarray(generator.normal(size=leaf.shape), leaf.dtype)
    return rebuild(leaves)


@pytest.mark.parametrize("name", usual(NETWORKS, {"small"}))
def test_channels_without_scale_leave_and_answers_stay(name):
    make, shape = NETWORKS[name]
    network, params, rest = train.split(make(nnx.Rngs(0)))
    params = with_dead_scales(params)
    images = jax.random.uniform(jax.random.key(0), (2, *shape))
    small = sgl.compact(network.apply, (params, rest), images)
    expected = network.apply((params, rest), images)
    np.testing.assert_allclose(small.apply(small.params, images), expected, rtol=1e-4, atol=1e-5)
    assert small.report.after.flops < 0.8 * small.report.before.flops


def shares(found):
    apply, variables = make_predictor(found)
    image = found.experiment.image
    left, whole = (measure(apply, variables, image) for measure in (compacted_size, measure_size))
    return left.flops / whole.flops


@pytest.mark.slow
@pytest.mark.usefixtures("as_for_users")
def test_target_prunes_channels_by_their_scales_and_trains_the_rest_on():
    options = dataclasses.asdict(SLIM) | {"target_flops": 0.5, "epochs": 4, "settings": ()}
    found = run(Config(**options))
    assert shares(found) <= 0.5 * 1.02
    leaves, _ = flatten_by_path(found.state.params)
    dead = {path: np.asarray(leaf) == 0 for path, leaf in leaves.items() if path.endswith("scale")}
    assert sum(mask.sum() for mask in dead.values()) > 0
    for path, mask in dead.items():
        shift = np.asarray(leaves[path.removesuffix("scale") + "bias"])
        np.testing.assert_array_equal(shift[mask], 0.0)
    assert found.records[-1].layers.keys() == dead.keys()
    assert all(
        layer.live == np.sum(~dead[path]) for path, layer in found.records[-1].layers.items()
    )


@pytest.mark.slow
@pytest.mark.usefixtures("as_for_users")
@pytest.mark.parametrize("penalty", ["l1", "transformed_l1"])
def test_proximal_steps_set_scales_to_zero_and_nothing_else(penalty):
    config = dataclasses.replace(
        SLIM,
        algorithm="prox_sgd",
        optimizer="adam",
        group_penalty=penalty,
        group_lam=30_000.0,
        epochs=1,
    )
    leaves, _ = flatten_by_path(run(config).state.params)
    zeros = {path: int(np.sum(np.asarray(leaf) == 0)) for path, leaf in leaves.items()}
    assert sum(count for path, count in zeros.items() if path.endswith("scale")) > 0
    assert not any(count for path, count in zeros.items() if path.endswith("kernel"))


def test_a_network_without_scales_is_refused():
    with pytest.raises(ValueError, match="needs a floating-point leaf to group"):
        prepare(dataclasses.replace(SLIM, model="lenet5"))


@pytest.mark.parametrize(("given", "steps"), [((), 6), (("algorithm.steps=9",), 9)])
def test_gradual_pruning_lasts_until_the_end_on_the_support(monkeypatch, given, steps):
    """Three epochs of five, of two steps each, are before it."""
    found = {}

    def watched(learning_rate, regularizer, *, steps=1, base=None):
        found["steps"] = steps
        return optax.identity()

    monkeypatch.setitem(ALGORITHMS, "watched", watched)
    config = Config(algorithm="watched", epochs=5, finish=0.4, settings=given)
    builders.build_transformation(config, config.strengths(1), 2, None)
    assert found == {"steps": steps}


def test_the_smallest_scales_of_all_layers_leave_together():
    config = Config(
        model=SLIM.model,
        algorithm="magnitude",
        penalty="top_k",
        shape=0.5,
        groups="scales",
        settings=("together=true", "algorithm.steps=1", "algorithm.period=1"),
        learning_rate=1e-30,
    )
    network, params, rest = train.split(Normed(rngs=nnx.Rngs(0)))
    leaves, rebuild = flatten_by_path(params)
    scales = {path: leaf for path, leaf in leaves.items() if path.endswith("scale")}
    drawn = np.random.default_rng(0).normal(size=sum(leaf.size for leaf in scales.values()))
    pieces = np.split(drawn, np.cumsum([leaf.size for leaf in scales.values()])[:-1])
    for path, piece in zip(scales, pieces, strict=True):
        leaves[path] = jnp.asarray(piece, leaves[path].dtype)
    params = rebuild(leaves)
    image = jax.ShapeDtypeStruct((1, 28, 28, 1), jnp.float32)
    groups = builders.build_grouping(config, network.apply, (params, rest), image)
    strengths = config.strengths(1)
    regularizer = builders.build_regularizer(config, strengths, params, 1, groups)
    tx = builders.build_transformation(config, strengths, 1, regularizer)
    state, zeros = tx.init(params), jax.tree.map(jnp.zeros_like, params)
    update = jax.jit(tx.update)
    for _ in range(2):
        updates, state = update(zeros, state, params)
        params = jax.tree.map(jnp.add, params, updates)
    found = np.concatenate([flatten_by_path(params)[0][path] for path in scales])
    np.testing.assert_array_equal(found != 0, np.abs(drawn) > np.median(np.abs(drawn)))
