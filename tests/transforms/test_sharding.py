"""Parameters split over eight devices, along their groups and across them: the same numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from support import oracles
from support.problems import assert_same, draw, run
from support.setups import METHODS, SUBGRADIENT
from support.tiers import paired, usual

import sgl_jax as sgl


SHAPES = {"conv": {"kernel": (3, 3, 8, 16)}, "fc": {"kernel": (16, 8)}}

SPLITS = {
    "outputs": {4: (None, None, None, "d"), 2: (None, "d")},
    "inputs": {4: (None, None, "d", None), 2: ("d", None)},
}
"""For leaves of so many axes, which is split over the devices."""

GROUPINGS = (sgl.by_filter(), sgl.by_layer())

RTOL = 1e-10

pytestmark = [
    pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices"),
    pytest.mark.usefixtures("double"),
]


PLACES = {
    "explicit outputs": ("Explicit", "outputs"),
    "explicit inputs": ("Explicit", "inputs"),
    "auto inputs": ("Auto", "inputs"),
}
"""Kind of the axes of the devices, and what is split over them."""

everywhere = pytest.mark.parametrize("place", usual(PLACES, ["explicit inputs"]), indirect=True)


def in_turn(name, entries, chosen=None):
    """The marker for a test of each entry in every place."""
    pairs = paired(entries, PLACES, chosen)
    return pytest.mark.parametrize((name, "place"), pairs, indirect=["place"])


@pytest.fixture
def place(request):
    """Splits a tree over the devices."""
    kind, split = PLACES[request.param]
    mesh = jax.make_mesh((8,), ("d",), axis_types=(AxisType[kind],))

    def put(leaf):
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec(*SPLITS[split][leaf.ndim])))

    with jax.set_mesh(mesh):
        yield lambda tree: jax.tree.map(put, tree)


def shrink(penalty, params):
    """Value and prox of a penalty, by filter and by layer."""
    regularizers = [sgl.Regularizer(penalty, grouping) for grouping in GROUPINGS]
    values = [regularizer.value(params) for regularizer in regularizers]
    return values, [regularizer.prox(params, 0.5) for regularizer in regularizers]


@functools.cache
def shrunk_on_one_device(name):
    return jax.jit(functools.partial(shrink, sgl.PENALTIES[name](0.3)))(draw(0, shapes=SHAPES))


def built(method):
    return SUBGRADIENT() if method == "subgradient" else METHODS[method]()


@functools.cache
def trained_on_one_device(method):
    return train(built(method), lambda tree: tree)


def train(tx, place):
    """Parameters and sparse parameters after three steps."""
    feed = [place(draw(seed, 0.1, shapes=SHAPES)) for seed in (1, 2, 3)]
    params, state = run(tx, place(draw(0, 0.3, shapes=SHAPES)), feed)
    return params, jax.jit(sgl.sparse_params)(state, params)


def assert_placed(tree, place):
    """Under explicit axes the split is part of the type; it is that of the parameters."""
    if jax.sharding.get_abstract_mesh().axis_types[0] == AxisType.Explicit:
        specs = jax.tree.map(lambda leaf: jax.typeof(leaf).sharding.spec, tree)
        expected = place(draw(0, shapes=SHAPES))
        assert specs == jax.tree.map(lambda leaf: jax.typeof(leaf).sharding.spec, expected)


@in_turn("name", oracles.SHAPES, ["l1", "lq", "l1_minus_l2", "exclusive"])
def test_penalty_is_the_same_on_eight_devices(name, place):
    params = place(draw(0, shapes=SHAPES))
    found = jax.jit(functools.partial(shrink, sgl.PENALTIES[name](0.3)))(params)
    assert_same(found, shrunk_on_one_device(name), RTOL)
    for tree in found[1]:
        assert_placed(tree, place)
    assert len(params["conv"]["kernel"].sharding.device_set) == 8


CONSTRAINTS = {
    "box": sgl.Regularizer(sgl.Box(-0.5, 0.25)),
    "levels of a filter": sgl.Regularizer(sgl.Levels(3), sgl.by_filter()),
    "levels of a layer": sgl.Regularizer(sgl.Levels(2, zero=True)),
    "levels of the tree": sgl.Regularizer(sgl.Levels(2), sgl.by_tree()),
    "nonnegative": sgl.Regularizer(sgl.NonNegative()),
    "top_k of a layer": sgl.Regularizer(sgl.TopK(0.25)),
    "top_k of the tree": sgl.Regularizer(sgl.TopK(100), sgl.by_tree()),
    "n_of_m": sgl.Regularizer(sgl.NofM(2, 4)),
    "nuclear": sgl.Regularizer(sgl.NuclearNorm(0.3)),
}
JOINT = {
    "filters": sgl.SparseGroup(sgl.SCAD(0.3), sgl.L1(0.2), sgl.by_filter()),
    "layers": sgl.SparseGroup(sgl.TransformedL1(0.2), sgl.MCP(0.4), sgl.by_layer()),
    "l1": sgl.SparseGroup(sgl.L1(0.2), sgl.L1(0.2), sgl.by_filter()),
}


@functools.cache
def of_one_device(name):
    return jax.jit((CONSTRAINTS | JOINT)[name].prox)(draw(0, shapes=SHAPES), 0.5)


@in_turn("name", CONSTRAINTS | JOINT, [*CONSTRAINTS, "filters", "l1"])
def test_constraints_and_joint_prox_are_the_same_on_eight_devices(name, place):
    with jax.set_mesh(jax.make_mesh((1,), ("one",), axis_types=(AxisType.Auto,))):
        expected = of_one_device(name)
    found = jax.jit((CONSTRAINTS | JOINT)[name].prox)(place(draw(0, shapes=SHAPES)), 0.5)
    assert_same(found, expected, RTOL)
    assert_placed(found, place)
    assert np.any(found["fc"]["kernel"] != draw(0, shapes=SHAPES)["fc"]["kernel"])


@everywhere
def test_metric_is_the_same_on_eight_devices(place):
    both = sgl.SparseGroup(sgl.MCP(0.3), sgl.L1(0.2), sgl.by_filter())

    def shrunk(place):
        params, metric = (place(draw(seed, shapes=SHAPES)) for seed in (0, 1))
        return jax.jit(both.prox)(params, 0.5, jax.tree.map(jnp.exp, metric))

    with jax.set_mesh(jax.make_mesh((1,), ("one",), axis_types=(AxisType.Auto,))):
        expected = shrunk(lambda tree: tree)
    found = shrunk(place)
    assert_same(found, expected, RTOL)
    assert_placed(found, place)


@pytest.mark.slow
def test_prox_works_within_shard_map():
    mesh = jax.make_mesh((8,), ("d",), axis_types=(AxisType.Auto,))
    split = PartitionSpec(None, "d")
    w = draw(0, shapes={"w": (12, 16)})["w"]
    for regularizer in (
        *[sgl.Regularizer(sgl.PENALTIES[n](0.3), sgl.by_filter(), None) for n in oracles.SHAPES],
        sgl.SparseGroup(sgl.L0(0.1), sgl.L1(0.2), sgl.by_filter(), None),
        sgl.Regularizer(sgl.TopK(3), sgl.by_filter()),
    ):
        prox = lambda w, regularizer=regularizer: regularizer.prox({"w": w}, 0.5)["w"]  # noqa: E731
        inside = jax.shard_map(prox, mesh=mesh, in_specs=split, out_specs=split)
        np.testing.assert_allclose(jax.jit(inside)(w), jax.jit(prox)(w), rtol=1e-10, atol=1e-12)


@in_turn("method", ["splitting_sgd", "prox_adam", "prox_sgd"])
def test_training_is_the_same_on_eight_devices(method, place):
    with jax.numpy_dtype_promotion("standard" if method == "prox_adam" else "strict"):
        found = train(METHODS[method](), place)
        assert_same(found, trained_on_one_device(method), RTOL)
    for tree in found:
        assert_placed(tree, place)


OTHERS = (
    "admm",
    "cges",
    "fista",
    "hspg",
    "incremental",
    "magnitude",
    "rda",
    "relaxed_splitting",
    "schedule_free",
    "straight_through",
    "subgradient",
)


@pytest.mark.parametrize("place", ["explicit inputs"], indirect=True)
@pytest.mark.parametrize("method", usual(OTHERS, ["fista"]))
def test_training_of_the_others_is_the_same_on_eight_devices(method, place):
    found = train(built(method), place)
    assert_same(found, trained_on_one_device(method), RTOL)
    for tree in found:
        assert_placed(tree, place)


@everywhere
def test_splitting_by_layer_is_the_same_on_eight_devices(place):
    tx = optax.chain(sgl.sgl_transform(sgl.L1MinusL2(0.005), beta=0.05), optax.sgd(0.1))
    found = train(tx, place)
    with jax.set_mesh(jax.make_mesh((1,), ("d",), axis_types=(AxisType.Auto,))):
        expected = train(tx, lambda tree: tree)
    assert_same(found, expected, RTOL)
    assert 0 < np.sum(found[1]["conv"]["kernel"] == 0) < 1152
