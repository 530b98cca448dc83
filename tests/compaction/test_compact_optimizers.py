"""States of Optax and of this package, narrowed: the next updates are slices, or it is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import sgl_jax as sgl
from tests.support.tiers import paired


DEAD = np.array([1, 3])
SHAPES = {
    "a": {"kernel": (5, 5), "bias": (5,)},
    "b": {"kernel": (5, 4), "bias": (4,)},
    "c": {"kernel": (4, 4), "bias": (4,)},
}
"""A square kernel, and vectors of the sizes of memories below, which no shape tells apart."""

KERNELS = {layer: {"kernel": True, "bias": layer == "b"} for layer in SHAPES}
LABELS = {"a": {"kernel": "b", "bias": "a"}, "b": {"kernel": "a", "bias": "b"}, "c": "b"}


@pytest.fixture(scope="module", autouse=True)
def double():
    """Two programs take the same steps."""
    with jax.enable_x64(True):
        yield


def drawn(seed, live=False):
    """A tree like the parameters; if ``live``, with numbers also in the two dead units of ``a``."""
    generator = np.random.default_rng(seed)
    tree = {
        layer: {name: generator.standard_normal(shape) for name, shape in shapes.items()}
        for layer, shapes in SHAPES.items()
    }
    if not live:
        tree["a"]["kernel"][:, DEAD] = tree["a"]["bias"][DEAD] = tree["b"]["kernel"][DEAD] = 0
    return jax.tree.map(jnp.asarray, tree)


def statistics():
    return {"a": {"mean": jnp.zeros((5,))}}


def apply(variables, x):
    params, means = variables
    x = jax.nn.relu(x @ params["a"]["kernel"] + (params["a"]["bias"] - means["a"]["mean"])[None])
    x = jax.nn.relu(x @ params["b"]["kernel"] + params["b"]["bias"][None])
    return x @ params["c"]["kernel"] + params["c"]["bias"][None]


@pytest.fixture(scope="module")
def compacted(double):
    """The same network by itself, and as one of a pair."""
    x, params = jnp.ones((1, 5)), drawn(0)
    alone = sgl.compact(lambda params, x: apply((params, statistics()), x), params, x)
    return {"alone": alone, "pair": sgl.compact(apply, (params, statistics()), x)}


def entrywise(shape):
    """Strengths of single entries, or of groups."""
    return jnp.asarray(np.random.default_rng(5).uniform(0.1, 0.3, shape))


def only(penalty, path, grouping=sgl.by_entry):
    return sgl.Regularizer(penalty, grouping(only=path), weight=None)


OPTIMIZERS = {
    "adam": optax.adam(0.1),
    "amsgrad": optax.amsgrad(0.1),
    "centered rmsprop": optax.rmsprop(0.1, centered=True, momentum=0.9),
    "novograd": optax.novograd(0.1),
    "lamb": optax.lamb(0.1),
    "sm3": optax.sm3(0.1),
    "lbfgs": optax.scale_by_lbfgs(memory_size=5),
    "average": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1), optax.ema(0.9)),
    "mini-steps": optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation(),
    "masked": optax.masked(optax.adam(0.1), KERNELS),
    "masked to one vector": optax.masked(
        optax.adam(0.1), jax.tree.map(lambda name: name == "a", LABELS | {"c": "c"})
    ),
    "partitioned by names of layers": optax.partition(
        {"a": optax.sm3(0.1), "b": optax.sgd(0.1, momentum=0.9)}, LABELS
    ),
    "schedule-free": contrib.schedule_free_adamw(0.1),
    "mechanic": contrib.mechanize(optax.adam(0.1), num_betas=5),
    "dog": contrib.dog(),
    "prodigy": contrib.prodigy(),
    "strength per entry": sgl.prox_adam(0.1, only(sgl.L1(entrywise((5, 4))), "b/kernel")),
    "strength per row of entries": sgl.prox_adam(0.1, only(sgl.L1(entrywise((5, 1))), "b/kernel")),
    "strength per group": sgl.prox_adam(
        0.1, only(sgl.L1(entrywise((1, 5))), "a/kernel", sgl.by_filter)
    ),
    "strength per entry beside groups": sgl.prox_adam(
        0.1,
        sgl.SparseGroup(
            sgl.L1(entrywise((5, 4))), sgl.L1(0.1), sgl.by_input_channel(only="b/kernel")
        ),
    ),
    "split strength per entry": sgl.sgl_transform(
        sgl.L1(entrywise((5, 4))),
        beta=1.0,
        group_lam=0.1,
        grouping=sgl.by_input_channel(only="b/kernel"),
    ),
    "share of a layer": sgl.prox_sgd(0.1, sgl.Regularizer(sgl.TopK(0.5), sgl.by_layer())),
    "magnitude of layers": sgl.ALGORITHMS["magnitude"](
        0.1, sgl.Regularizer(sgl.TopK(0.2), sgl.by_layer()), steps=8, period=1
    ),
    "magnitude of the network": sgl.ALGORITHMS["magnitude"](
        0.1, sgl.Regularizer(sgl.TopK(0.2), sgl.by_tree()), steps=8, period=1
    ),
}


@pytest.mark.parametrize(("name", "network"), paired(OPTIMIZERS, ["pair", "alone"]))
def test_updates_after_shrink_are_slices_of_the_updates_without(compacted, name, network):
    tx, small, params = OPTIMIZERS[name], compacted[network], drawn(0)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        update = jax.jit(tx.update)
        _, state = update(drawn(1), tx.init(params), params)
        narrow_state = small.shrink(state)
        for step in range(2, 5):
            gradient, narrow = drawn(step), small.shrink(params)
            updates, state = update(gradient, state, params)
            found, narrow_state = update(small.shrink(gradient), narrow_state, narrow)
            params = optax.apply_updates(params, updates)
            assert_equal(found, small.shrink(updates))


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


REFUSED = {
    "adafactor": (optax.adafactor(0.1), "got 'v_row|Adafactor's step depends on means"),
    "factored adafactor": (
        optax.scale_by_factored_rms(min_dim_size_to_factor=4),
        r"got 'v_row/a/kernel' of shape \(5,\): Adafactor's step depends on means",
    ),
    "muon": (contrib.muon(0.1), r"got 'inner_states/muon/.*Muon's step depends on the widths"),
    "galore": (contrib.galore(0.1, rank=4), "GaLore's step is made of combinations"),
    "neighbours": (
        sgl.prox_sgd(0.1, only(sgl.NofM(2, 5), "b/kernel", sgl.by_input_fibre)),
        "whole blocks of m=5 neighbours, got single ones removed from 'b/kernel'",
    ),
    "one array for groups of two leaves": (
        sgl.prox_sgd(0.1, only(sgl.L1(entrywise((5, 1))), "[ab]/kernel")),
        r"strengths of their own, got one array of shape \(5, 1\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_state_that_is_no_slice_is_refused(compacted, name):
    tx, match = REFUSED[name]
    with jax.numpy_rank_promotion("allow"):
        state = tx.init(drawn(0))
    with pytest.raises(ValueError, match=match):
        compacted["pair"].shrink(state)


SUMS = {
    "lbfgs": optax.scale_by_lbfgs(memory_size=5),
    "dog": contrib.dog(),
    "prodigy": contrib.prodigy(),
    "momo": contrib.momo(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SUMS)
def test_sum_over_removed_positions_is_refused_unless_it_is_zero_there(compacted, name):
    tx, params = SUMS[name], drawn(0, live=True)
    with jax.numpy_dtype_promotion("standard"):
        _, state = tx.update(drawn(1, live=True), tx.init(params), params, **loss_of(name))
    with pytest.raises(ValueError, match=r"needs zeros at the removed positions of '.*a/bias'"):
        compacted["pair"].shrink(state)


def loss_of(name):
    return {"value": jnp.ones(())} if name == "momo" else {}


def test_moments_of_entries_are_sliced_whatever_is_removed(compacted):
    moments = optax.adam(0.1).init(drawn(0))[0]._replace(mu=drawn(1, live=True))
    found = compacted["pair"].shrink(moments).mu
    np.testing.assert_array_equal(found["a"]["kernel"], drawn(1)["a"]["kernel"][:, [0, 2, 4]])


def test_state_of_a_layer_and_of_two_subtrees_at_once(compacted):
    small, tx = compacted["pair"], optax.adam(0.1)
    found = small.shrink({"first": tx.init(drawn(0)["a"]), "rest": tx.init(statistics())})
    shapes = {name: jax.tree.map(jnp.shape, state[0].mu) for name, state in found.items()}
    assert shapes == {
        "first": {"kernel": (5, 3), "bias": (3,)},
        "rest": {"a": {"mean": (3,)}},
    }


def like(pair, x):
    return sum(jax.nn.relu(x @ params["a"]) @ params["b"] for params in pair)


def test_state_that_may_be_of_two_subtrees_is_refused_if_they_lose_other_positions():
    params = {"a": jnp.ones((3, 4)), "b": jnp.ones((4, 2))}
    first = {"a": params["a"].at[:, 0].set(0), "b": params["b"].at[0].set(0)}
    second = {"a": params["a"].at[:, 2].set(0), "b": params["b"].at[2].set(0)}
    x, state = jnp.ones((1, 3)), optax.adam(0.1).init(params)
    with pytest.raises(ValueError, match="got '0/mu', which may be of '0' or '1'"):
        sgl.compact(like, (first, second), x).shrink(state)
    moments = sgl.compact(like, (first, first), x).shrink(state)[0].mu
    assert moments["a"].shape == (3, 3)


def test_array_that_only_has_the_size_of_a_parameter_is_refused(compacted):
    state = {"mu": drawn(0), "rates": jnp.ones((5,))}
    with pytest.raises(ValueError, match=r"got one of shape \(5,\) at 'rates', which may or may"):
        compacted["pair"].shrink(state)
    state["rates"] = jnp.ones((7,))
    assert compacted["pair"].shrink(state)["rates"].shape == (7,)


def test_groups_of_other_parameters_are_refused(compacted):
    tx, small = sgl.prox_sgd(0.1, sgl.Regularizer(sgl.L1(0.1))), compacted["pair"]
    with pytest.raises(ValueError, match="with a leaf 'other'; make the state"):
        small.shrink(tx.init({"other": jnp.ones(3)}))
    narrower = jax.tree.map(lambda leaf: leaf[1:], drawn(0))
    with pytest.raises(ValueError, match=r"need a leaf 'a/bias' of shape \(4,\) to follow"):
        small.shrink(tx.init(narrower))


def test_arrays_below_the_path_of_a_parameter_are_refused_unless_known(compacted):
    pairs = jax.tree.map(lambda leaf: {"real": leaf, "imaginary": leaf}, drawn(0))
    with pytest.raises(ValueError, match="at 'a/bias/imaginary', below it; give what belongs"):
        compacted["pair"].shrink(pairs)
