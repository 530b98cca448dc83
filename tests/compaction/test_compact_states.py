"""Training goes on after compaction, with the same state of the optimizer."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sgl_jax as sgl
from sgl_jax.compaction import LeafPlan


DEAD = np.array([1, 3])


def apply(params, x):
    x = jax.nn.relu(x @ params["a"]["kernel"] + params["a"]["bias"][None])
    return x @ params["c"]["kernel"] + params["c"]["bias"][None]


def loss(apply, params):
    return jnp.mean(apply(params, X) ** 2)


X = np.random.default_rng(7).standard_normal((4, 3))


@pytest.fixture(scope="module", autouse=True)
def double():
    """Two programs take the same steps."""
    with jax.enable_x64(True):
        yield


def drawn():
    """Parameters of two layers, with two dead units that nothing can revive."""
    shapes = {"a": {"kernel": (3, 5), "bias": (5,)}, "c": {"kernel": (5, 2), "bias": (2,)}}
    generator = np.random.default_rng(3)
    params = jax.tree.map(
        lambda shape: generator.standard_normal(shape),
        shapes,
        is_leaf=lambda node: isinstance(node, tuple),
    )
    params["a"]["kernel"][:, DEAD] = params["a"]["bias"][DEAD] = params["c"]["kernel"][DEAD] = 0
    return jax.tree.map(jnp.asarray, params)


@pytest.fixture(scope="module")
def small(double):
    return sgl.compact(apply, drawn(), jnp.asarray(X))


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


KERNELS = {"a": {"kernel": True, "bias": False}, "c": {"kernel": True, "bias": False}}
PLAIN = {
    "adam": optax.adam(0.01),
    "adamw behind clipping": optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01)),
    "average": optax.chain(optax.sgd(0.01, momentum=0.9), optax.ema(0.9)),
    "kernels alone": optax.masked(optax.adam(0.01), KERNELS),
    "no state": optax.sgd(0.01),
    "support": optax.chain(optax.adam(0.01), sgl.keep_support()),
}

REGULARIZER = sgl.Regularizer(sgl.L1(0.01), sgl.by_entry(only="kernel"), weight=None)
LEVELS = sgl.Regularizer(sgl.Levels(2), sgl.by_layer(only="kernel"))
OPTIONS = {
    "cges": (
        sgl.SparseGroup(
            sgl.Exclusive(0.01), sgl.L1(0.01), sgl.by_filter(only="kernel"), weight=None
        ),
        {},
    ),
    "splitting": (
        sgl.SparseGroup(sgl.L1(0.01), sgl.L1(0.01), sgl.by_filter(only="a/kernel")),
        {},
    ),
    "magnitude": (sgl.Regularizer(sgl.TopK(0.5), sgl.by_entry(only="kernel")), {"steps": 40}),
    "rda": (REGULARIZER, {"power": 0.0}),
    "incremental": (LEVELS, {"steps": 40}),
    "straight_through": (LEVELS, {"refit": 0}),
}
GROUPED = {
    "rows": sgl.Regularizer(sgl.L1(0.01), sgl.by_filter(only="kernel"), weight=None),
    "columns": sgl.Regularizer(sgl.L1(0.01), sgl.by_input_channel(only="kernel"), weight=None),
    "leaf": sgl.Regularizer(sgl.L1(0.01), sgl.by_layer(only="kernel"), weight=None),
    "tree": sgl.Regularizer(sgl.L1(0.01), sgl.by_tree(only="kernel"), weight=None),
    "weights": sgl.Regularizer(
        sgl.L1(0.01),
        sgl.by_filter(only="a/kernel"),
        weight={"a/kernel": jnp.asarray([0.1, 0.2, 0.3, 0.4, 0.5])},
    ),
    "weights beside entries": sgl.SparseGroup(
        sgl.L1(0.01),
        sgl.TransformedL1(0.01),
        sgl.by_filter(only="kernel"),
        weight={"a/kernel": jnp.asarray([0.1, 0.2, 0.3, 0.4, 0.5]), "c/kernel": 0.3},
    ),
}


def optimizers():
    yield from PLAIN.items()
    for name, algorithm in sgl.ALGORITHMS.items():
        regularizer, options = OPTIONS.get(name, (REGULARIZER, {}))
        yield name, algorithm(0.01, regularizer, **options)
    for name, regularizer in GROUPED.items():
        yield f"groups: {name}", sgl.prox_sgd(0.01, regularizer)


OPTIMIZERS = dict(optimizers())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_step_after_compaction_is_the_slice_of_the_step_before(small, name):
    tx, params = OPTIMIZERS[name], drawn()

    @jax.jit
    def step(params, state):
        gradient = jax.grad(lambda params: loss(apply, params))(params)
        updates, state = tx.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    @jax.jit
    def narrow_step(params, state):
        gradient = jax.grad(lambda params: loss(small.apply, params))(params)
        updates, state = tx.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    with jax.numpy_dtype_promotion("standard"):
        params, state = step(params, tx.init(params))
        narrow, narrow_state = small.shrink(params), small.shrink(state)
        for _ in range(3):
            params, state = step(params, state)
            narrow, narrow_state = narrow_step(narrow, narrow_state)
    assert_equal(narrow, small.shrink(params))
    assert_equal(narrow_state, small.shrink(state))


def test_groups_of_several_leaves_are_narrowed_with_new_numbers():
    def member(path, shape, axes, index=None):
        return sgl.Member(path, shape, axes, index)

    groups = sgl.Groups(
        (
            sgl.Group((member("a", (2, 4), (0,)), member("b", (4,), ()))),
            sgl.Group((member("c", (4, 3), (1,), (0, 1, 1, 2)),)),
        )
    )
    kept = {
        "a": LeafPlan((2, 4), (None, (1, 3))),
        "b": LeafPlan((4,), ((1, 3),)),
        "c": LeafPlan((4, 3), ((0, 3), None)),
    }
    unit, block = groups.narrowed(kept)
    assert unit.members == (member("a", (2, 2), (0,)), member("b", (2,), ()))
    assert block.members == (member("c", (2, 3), (1,)),)
    kept["c"] = LeafPlan((4, 3), ((2, 1, 3), None))
    (block,) = sgl.Groups(groups.families[1:]).narrowed(kept)
    assert block.members == (member("c", (3, 3), (1,), (0, 0, 1)),)


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Widths:
    """A value in the state of a link that knows shapes of parameters."""

    widths: tuple[tuple[str, int], ...]

    def narrowed(self, kept):
        return Widths(tuple((path, kept[path].narrow_shape[-1]) for path, _ in self.widths))


def test_value_that_knows_shapes_narrows_itself(small):
    state = {"mu": drawn(), "own": Widths((("a/kernel", 5), ("c/kernel", 2)))}
    found = small.shrink((state, jnp.zeros(())))[0]
    assert found["own"] == Widths((("a/kernel", 3), ("c/kernel", 2)))
    assert_equal(found["mu"], small.params)


def test_leaf_of_another_shape_is_refused(small):
    moments = drawn()
    moments["a"]["kernel"] = jnp.zeros((3, 1))
    with pytest.raises(ValueError, match="needs a leaf 'a/kernel' of shape \\(3, 5\\), got"):
        small.shrink({"mu": moments})


def test_numbers_and_parts_of_the_parameters_are_told_apart(small):
    state = {"rates": jax.tree.map(lambda _: jnp.ones(()), drawn()), "z": {"a/bias": jnp.arange(5)}}
    found = small.shrink((3, state, None))
    assert found[0] == 3
    assert found[2] is None
    assert_equal(found[1]["rates"], state["rates"])
    np.testing.assert_array_equal(found[1]["z"]["a/bias"], [0, 2, 4])


def test_parameters_that_are_one_array_are_told_from_counts():
    params = jnp.ones((5, 2)).at[2].set(0)

    def apply(params, x):
        return jnp.sum(jnp.tanh(x @ params.T), axis=1)

    small = sgl.compact(apply, params, jnp.ones((3, 2)))
    state = small.shrink(optax.adam(0.1).init(params))
    assert [np.shape(leaf) for leaf in jax.tree.leaves(state)] == [(), (4, 2), (4, 2)]
