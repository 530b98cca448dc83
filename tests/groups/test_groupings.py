"""Every rule on the leaves of a LeNet: which leaves, which axes, and what it refuses."""

import types

import jax
import jax.numpy as jnp
import pytest

import sgl_jax as sgl


leaf = jnp.zeros

LENET = {
    "conv1": {"kernel": leaf((5, 5, 1, 20)), "bias": leaf(20)},
    "conv2": {"kernel": leaf((5, 5, 20, 50)), "bias": leaf(50)},
    "fc1": {"kernel": leaf((800, 500)), "bias": leaf(500)},
}
"""Kernels are HWIO and (in, out)."""

EQUINOX = {
    "conv1": {"weight": leaf((20, 1, 5, 5)), "bias": leaf((20, 1, 1))},
    "conv2": {"weight": leaf((50, 20, 5, 5)), "bias": leaf((50, 1, 1))},
    "fc1": {"weight": leaf((500, 800)), "bias": leaf(500)},
}
"""The same as OIHW and (out, in)."""

RULES = {
    "by_entry": sgl.by_entry,
    "by_filter": sgl.by_filter,
    "by_input_channel": sgl.by_input_channel,
    "by_layer": sgl.by_layer,
    "by_neuron": sgl.by_neuron,
    "by_tree": sgl.by_tree,
}
LAID_OUT = [sgl.by_filter, sgl.by_input_channel, sgl.by_neuron]


def plan(grouping, params):
    """Per family of one leaf: its axes, how many groups, and their size."""
    return {
        group.members[0].path: (group.members[0].axes, group.count, group.size)
        for group in grouping.resolve(params)
    }


FILTERS = {
    "conv1/kernel": ((0, 1, 2), 20, 25),
    "conv2/kernel": ((0, 1, 2), 50, 500),
    "fc1/kernel": ((0,), 500, 800),
}
INPUTS = {
    "conv1/kernel": ((0, 1, 3), 1, 500),
    "conv2/kernel": ((0, 1, 3), 20, 1250),
    "fc1/kernel": ((1,), 800, 500),
}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (sgl.by_filter, FILTERS),
        (sgl.by_input_channel, INPUTS),
        (sgl.by_neuron, FILTERS | {"fc1/kernel": INPUTS["fc1/kernel"]}),
    ],
)
def test_kernels_are_grouped_by_their_layout(rule, expected):
    assert plan(rule(), LENET) == expected
    oihw = plan(rule(layout="OIHW"), EQUINOX)
    turned = {(0, 1, 2): (1, 2, 3), (0, 1, 3): (0, 2, 3), (0,): (1,), (1,): (0,)}
    assert oihw == {
        path.replace("kernel", "weight"): (turned[axes], *numbers)
        for path, (axes, *numbers) in expected.items()
    }


@pytest.mark.parametrize("rule", LAID_OUT)
def test_one_kind_of_kernel_may_be_taken_alone(rule):
    whole = plan(rule(), LENET)
    assert plan(rule(kernels="dense"), LENET) == {"fc1/kernel": whole.pop("fc1/kernel")}
    assert plan(rule(kernels="conv"), LENET) == whole


def test_any_leaf_is_grouped_by_entry_layer_and_tree():
    params = LENET | {"scale": leaf(()), "steps": leaf(3, dtype=jnp.int32)}
    sizes = {"conv1/bias": 20, "conv1/kernel": 500, "conv2/bias": 50, "conv2/kernel": 25000}
    sizes |= {"fc1/bias": 500, "fc1/kernel": 400000, "scale": 1}
    entries = {path: ((), size, 1) for path, size in sizes.items()}
    assert plan(sgl.by_entry(), params) == entries
    layers = plan(sgl.by_layer(), params)
    assert {path: (count, size) for path, (_, count, size) in layers.items()} == {
        path: (1, size) for path, size in sizes.items()
    }
    assert layers["conv1/kernel"][0] == (0, 1, 2, 3)
    (whole,) = sgl.by_tree().resolve(params)
    assert [member.path for member in whole.members] == list(sizes)
    assert (whole.count, whole.size) == (1, sum(sizes.values()))


def test_kernels_of_three_dimensional_convolutions_are_grouped():
    params = {"kernel": leaf((3, 4, 5, 6, 7))}
    assert plan(sgl.by_filter(), params) == {"kernel": ((0, 1, 2, 3), 7, 360)}
    assert plan(sgl.by_input_channel(), params) == {"kernel": ((0, 1, 2, 4), 6, 420)}
    assert plan(sgl.by_filter(layout="OIHW"), params) == {"kernel": ((1, 2, 3, 4), 3, 840)}


@pytest.mark.parametrize("rule", LAID_OUT)
def test_biases_and_vectors_are_left_alone(rule):
    params = {
        "w": leaf((3, 4)),
        "conv": {"b": leaf((4, 1, 1))},
        "norm": {"scale": leaf(4), "bias": leaf((1, 4))},
        "query": {"bias": leaf((2, 3))},
    }
    assert set(plan(rule(), params)) == {"w"}


@pytest.mark.parametrize("rule", LAID_OUT)
def test_matrix_called_b_is_a_matrix(rule):
    factors = plan(rule(), {"a": leaf((40, 4)), "b": leaf((4, 40))})
    assert factors["b"] == plan(rule(only="^b$"), {"b": leaf((4, 40))})["b"]
    assert factors["b"] == plan(rule(), {"c": leaf((4, 40))})["c"]


@pytest.mark.parametrize("rule", LAID_OUT)
def test_leaves_of_unknown_layout_are_refused_unless_named(rule):
    params = {"conv": leaf((3, 2, 4)), "fc": leaf((2, 5))}
    message = rf"{rule.__name__} needs kernels .*, got 'conv' with 3: take channel_groups"
    with pytest.raises(ValueError, match=message):
        rule().resolve(params)
    assert set(plan(rule(skip="conv"), params)) == {"fc"}
    expected = ((0, 2), 2, 12) if rule is sgl.by_input_channel else ((0, 1), 4, 6)
    assert plan(rule(only="conv"), params) == {"conv": expected}


@pytest.mark.parametrize("name", RULES)
def test_only_and_skip_choose_leaves_by_path(name):
    rule, chosen = RULES[name], lambda grouping: grouping.resolve(LENET).paths
    assert chosen(rule(only="^conv.*kernel$")) == {"conv1/kernel", "conv2/kernel"}
    assert chosen(rule(only="conv", skip="bias|2")) == {"conv1/kernel"}
    with pytest.raises(ValueError, match=rf"{name} needs a .*='nothing'.*none among conv1/bias"):
        rule(only="nothing").resolve(LENET)


@pytest.mark.parametrize("name", RULES)
def test_no_leaf_to_group_is_refused(name):
    for params, found in (({}, "no leaves"), ({"n": leaf((2, 2), dtype=jnp.int32)}, "n")):
        with pytest.raises(ValueError, match=f"{name} needs a .*, got none among {found}"):
            RULES[name]().resolve(params)


def test_unknown_layouts_are_refused():
    asked = types.SimpleNamespace(name="by_filter", layout="HWOI")
    with pytest.raises(ValueError, match="by_filter needs a layout among HWIO, OIHW, got 'HWOI'"):
        sgl.Grouping.__post_init__(asked)


@pytest.mark.parametrize("name", RULES)
def test_groupings_are_values(name):
    grouping, again = RULES[name](skip="bias"), RULES[name](skip="bias")
    assert grouping == again
    assert hash(grouping) == hash(again)
    assert grouping != RULES[name]()
    assert not callable(grouping)
    assert jax.tree.leaves(grouping) == []
    assert hash(grouping.resolve(LENET)) == hash(again.resolve(LENET))
    assert len({rule() for rule in RULES.values()}) == len(RULES)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_floating_leaves_of_any_width_are_grouped_by_shape_alone(dtype):
    params = {"w": jax.ShapeDtypeStruct((2, 2), dtype)}
    assert sgl.by_filter().resolve(params).paths == {"w"}


CHANNEL = sgl.Group(
    (
        sgl.Member("kernel", (3, 3, 2, 4), (0, 1, 2)),
        sgl.Member("bias", (4,), ()),
        sgl.Member("scale", (4,), ()),
    )
)
ENTRIES = sgl.Group.of_array((2,), ())
PLAN = sgl.Groups((CHANNEL, ENTRIES))


def test_groups_are_static_and_hashable():
    again = sgl.Groups((CHANNEL, sgl.Group.of_array((2,), ())))
    assert again == PLAN
    assert hash(PLAN) == hash(again)
    assert jax.tree.leaves(PLAN) == []
    traces = []
    count = jax.jit(lambda groups, x: traces.append(groups) or x * len(groups))
    assert [int(count(plan, jnp.array(3))) for plan in (PLAN, again)] == [6, 6]
    assert len(traces) == 1


def test_groups_know_their_leaves():
    assert PLAN.paths == {"kernel", "bias", "scale", ""}
    assert PLAN.disjoint
    assert PLAN.restrict(frozenset({"kernel", "bias", ""})) == sgl.Groups((ENTRIES,))
    assert not sgl.Groups((CHANNEL, sgl.Group(CHANNEL.members[1:2]))).disjoint


def test_groups_resolve_to_themselves_on_leaves_of_their_shapes():
    groups = sgl.Groups((CHANNEL,))
    params = {member.path: jnp.zeros(member.shape) for member in CHANNEL.members}
    assert groups.resolve(params | {"other": jnp.zeros(1)}) is groups
    with pytest.raises(ValueError, match=r"leaf 'bias' of shape \(4,\), got \(5,\); resolve"):
        groups.resolve(params | {"bias": jnp.zeros(5)})
    with pytest.raises(ValueError, match=r"leaf 'scale' of shape \(4,\), got no leaf"):
        groups.resolve({path: leaf for path, leaf in params.items() if path != "scale"})


COMPLEX = {"a": {"kernel": leaf((2, 3), jnp.complex64)}, "b": {"kernel": leaf((3, 2))}}


@pytest.mark.parametrize("rule", RULES)
def test_complex_leaf_is_refused_by_name_and_may_be_left_out(rule):
    with pytest.raises(ValueError, match=f"^{rule} needs real leaves .* complex64 at 'a/kernel'"):
        RULES[rule]().resolve(COMPLEX)
    assert RULES[rule](skip="^a").resolve(COMPLEX).paths == {"b/kernel"}
