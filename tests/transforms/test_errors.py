"""What is refused, each in one sentence that says what is needed and what came."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.problems import draw, gradients
from support.refusals import complaint

import sgl_jax as sgl


L1 = sgl.Regularizer(sgl.L1(0.1))
PARAMS = draw(0, 0.3)

pytestmark = pytest.mark.usefixtures("as_for_users")


@pytest.mark.parametrize("lam", [-0.1, np.array([0.1, -0.1]), jnp.array(-0.1), float("nan")])
@pytest.mark.parametrize("name", sgl.PENALTIES)
def test_negative_strength_is_refused(name, lam):
    penalty = sgl.PENALTIES[name]
    message = complaint(lambda: penalty(lam))
    assert message.startswith(f"{penalty.__name__} needs lam >= 0, got lam=")


@pytest.mark.parametrize("name", sgl.PENALTIES)
def test_strength_that_cannot_be_looked_at_is_taken(name):
    penalty = sgl.PENALTIES[name]
    penalty(lambda count: -count)
    penalty(0.0)
    jax.eval_shape(lambda lam: penalty(lam).value(jnp.ones((3, 3)), (0, 1)), 0.1)


SHAPES = {
    "scad_at_2": (lambda: sgl.SCAD(0.1, a=2.0), "SCAD needs a > 2, got a=2.0."),
    "scad_below_2": (lambda: sgl.SCAD(0.1, a=1.5), "SCAD needs a > 2, got a=1.5."),
    "mcp_at_0": (lambda: sgl.MCP(0.1, gamma=0.0), "MCP needs gamma > 0, got gamma=0.0."),
    "mcp_below_0": (lambda: sgl.MCP(0.1, gamma=-1.0), "MCP needs gamma > 0, got gamma=-1.0."),
    "tl1_at_0": (lambda: sgl.TransformedL1(0.1, a=0.0), "TransformedL1 needs a > 0, got a=0.0."),
    "alpha_above_1": (
        lambda: sgl.L1MinusL2(0.1, alpha=1.5),
        "L1MinusL2 needs alpha in [0, 1], got alpha=1.5.",
    ),
    "alpha_below_0": (
        lambda: sgl.L1MinusL2(0.1, alpha=-0.5),
        "L1MinusL2 needs alpha in [0, 1], got alpha=-0.5.",
    ),
    "beta_at_0": (
        lambda: sgl.sgl_transform(sgl.L1(0.1), beta=0.0),
        "sgl_transform needs beta > 0, got beta=0.0.",
    ),
    "beta_below_0": (
        lambda: sgl.sgl_transform(sgl.L1(0.1), beta=-1.0),
        "sgl_transform needs beta > 0, got beta=-1.0.",
    ),
    "group_lam_below_0": (
        lambda: sgl.sgl_transform(sgl.L1(0.1), beta=1.0, group_lam=-0.1),
        "sgl_transform needs group_lam >= 0, got group_lam=-0.1.",
    ),
    "step_size_below_0": (
        lambda: sgl.apply_prox(L1, -0.1),
        "apply_prox needs step_size >= 0, got step_size=-0.1.",
    ),
    "rate_below_0": (
        lambda: sgl.prox_sgd(-0.1, L1),
        "proximal needs learning_rate >= 0, got learning_rate=-0.1.",
    ),
    "adam_without_eps": (
        lambda: sgl.prox_adam(0.1, L1, eps=0.0),
        "The metric of adam needs eps > 0, got eps=0.0.",
    ),
}


@pytest.mark.parametrize("case", SHAPES)
def test_number_out_of_its_range_is_refused(case):
    build, expected = SHAPES[case]
    assert complaint(build) == expected


TWICE = sgl.Groups(tuple(sgl.by_filter(only="conv").resolve(PARAMS)) * 2)

MISUSES = {
    "unknown_kernels": (lambda: sgl.by_neuron(kernels="norm"), "kernels among all, conv, dense"),
    "dense_beta_of_layers": (
        lambda: sgl.splitting(
            0.1, sgl.SparseGroup(sgl.L0(0.1), sgl.L1(0.1), sgl.by_layer()), dense_beta=0.1
        ),
        "splitting needs groups by filter, input channel or neuron",
    ),
    "unknown_layout": (lambda: sgl.by_filter(layout="NCHW"), "layout among HWIO, OIHW, got 'NCHW'"),
    "undecided_layout": (
        lambda: sgl.by_filter().resolve({"attention": {"query": jnp.ones((4, 2, 2))}}),
        "got 'attention/query' with 3: take channel_groups",
    ),
    "no_leaf": (
        lambda: sgl.by_entry(only="x").resolve(PARAMS),
        "got none among conv/bias, conv/kernel, fc/bias, fc/kernel",
    ),
    "unknown_weight": (
        lambda: sgl.Regularizer(sgl.L1(0.1), weight="size"),
        "weight among sqrt_size, None or a tree of numbers, got 'size'",
    ),
    "too_few_weights": (
        lambda: sgl.Regularizer(
            sgl.L1(0.1), sgl.by_filter(only="conv"), weight={"conv": {"kernel": jnp.ones(3)}}
        ).value(PARAMS),
        "1 number or 4, one per group, at 'conv/kernel', got 3",
    ),
    "overlapping_groups": (
        lambda: sgl.Regularizer(sgl.L1(0.1), TWICE).prox(PARAMS, 0.1),
        "disjoint groups, got a leaf in two families",
    ),
    "gradient_of_l0": (
        lambda: sgl.add_penalty_gradient(sgl.Regularizer(sgl.L0(0.1))),
        "a penalty with a gradient, got L0",
    ),
    "l1_minus_l2_on_norms": (
        lambda: sgl.SparseGroup(sgl.L1(0.1), sgl.L1MinusL2(0.1)),
        "a function of the norm, got L1MinusL2",
    ),
    "splitting_of_a_regularizer": (
        lambda: sgl.splitting(0.1, L1),
        "splitting needs a SparseGroup with L1 on its groups, got Regularizer",
    ),
    "splitting_of_other_groups": (
        lambda: sgl.splitting(0.1, sgl.SparseGroup(sgl.L1(0.1), sgl.MCP(0.1))),
        "splitting needs a SparseGroup with L1 on its groups, got SparseGroup",
    ),
    "splitting_of_other_weights": (
        lambda: sgl.splitting(0.1, sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.1), weight=None)),
        "groups weighted by 'sqrt_size', got None",
    ),
    "bare_without_metric": (
        lambda: sgl.proximal(optax.scale_by_lion(), L1, 0.1),
        "the metric of a bare Optax transformation, got none; give metric=None",
    ),
    "l1_minus_l2_in_a_metric": (
        lambda: update(sgl.prox_adam(0.1, sgl.Regularizer(sgl.L1MinusL2(0.1)))),
        "a penalty that is a function of a norm, got L1MinusL2",
    ),
}


def update(tx, state=None, params=PARAMS):
    """One update, traced only."""
    state = tx.init(PARAMS) if state is None else state
    gradient = jax.tree.map(jnp.ones_like, params)
    return jax.eval_shape(lambda: tx.update(gradient, state, params))


@pytest.mark.parametrize("case", MISUSES)
def test_misuse_is_refused(case):
    act, expected = MISUSES[case]
    assert expected in complaint(act)


def test_joint_prox_of_groups_of_entries_is_refused():
    regularizer = sgl.SparseGroup(sgl.L1MinusL2(0.1), sgl.L1(0.1))
    expected = "SparseGroup needs a penalty of single entries for a joint prox, got L1MinusL2 "
    assert complaint(lambda: regularizer.prox(PARAMS, 0.1)).startswith(expected)
    assert expected in complaint(lambda: update(sgl.prox_sgd(0.1, regularizer)))


LINKS = {
    "sgl_transform": lambda: sgl.sgl_transform(sgl.L1(0.1), beta=1.0),
    "add_penalty_gradient": lambda: sgl.add_penalty_gradient(L1),
    "apply_prox": lambda: sgl.apply_prox(L1, 0.1),
    "proximal": lambda: sgl.prox_sgd(0.1, L1),
}


@pytest.mark.parametrize("link", LINKS)
def test_missing_params_are_refused(link):
    tx = LINKS[link]()
    message = complaint(lambda: tx.update(PARAMS, tx.init(PARAMS)))
    assert message == f"{link} needs the parameters: call update(updates, state, params)."


@pytest.mark.parametrize("link", LINKS)
def test_params_that_lost_a_leaf_are_refused(link):
    tx = LINKS[link]()
    fewer = {"conv": PARAMS["conv"], "fc": {"bias": PARAMS["fc"]["bias"]}}
    expected = "a leaf 'fc/kernel' of shape (8, 3), got no leaf"
    state = tx.init(PARAMS)
    assert expected in complaint(lambda: update(tx, state, fewer))
    assert expected in complaint(lambda: sgl.penalty_value(state, fewer))


def test_two_links_that_set_zeros_on_one_leaf_are_refused():
    tx = optax.chain(LINKS["sgl_transform"](), optax.sgd(0.1), LINKS["apply_prox"]())
    message = complaint(lambda: sgl.sparse_params(tx.init(PARAMS), PARAMS))
    assert "one link that sets its zeros, got two for conv/kernel, fc/kernel;" in message


@pytest.mark.parametrize(
    "look",
    [sgl.sparse_params, sgl.splitting_gap, sgl.penalty_value, lambda state, _: sgl.check(state)],
    ids=["sparse_params", "splitting_gap", "penalty_value", "check"],
)
def test_state_without_a_link_is_refused(look):
    state = optax.adam(0.1).init(PARAMS)
    assert "needs an Optax state with a link of sgl_jax" in complaint(lambda: look(state, PARAMS))


def test_link_behind_a_prox_is_refused():
    strong = sgl.apply_prox(sgl.Regularizer(sgl.L1(10.0)), 0.1)
    for tx in (
        optax.chain(strong, optax.scale_by_learning_rate(0.1)),
        optax.chain(optax.sgd(0.1), strong, optax.add_noise(0.1, 0.5, 0)),
    ):
        params, state = PARAMS, tx.init(PARAMS)
        for gradient in gradients(3):
            updates, state = tx.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
        message = complaint(lambda state=state: sgl.check(state))
        assert message.startswith("A link that sets zeros must be the last link of its chain, got ")
