"""Groups of one leaf, across leaves and by index: reductions, prox and metric against NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import minima, oracles
from support.tiers import paired

import sgl_jax as sgl


def owned(members):
    """For every group its entries, as (member, position in the leaf), counted one by one."""
    groups = {}
    for number, member in enumerate(members):
        kept = [axis for axis in range(len(member.shape)) if axis not in member.axes]
        sizes = [member.shape[axis] for axis in kept]
        for entry in np.ndindex(*member.shape):
            position = 0
            for size, axis in zip(sizes, kept, strict=True):
                position = position * size + entry[axis]
            group = position if member.index is None else member.index[position]
            groups.setdefault(group, []).append((number, entry))
    return [groups[group] for group in sorted(groups)]


CHANNEL = (
    sgl.Member("kernel", (3, 3, 2, 4), (0, 1, 2)),
    sgl.Member("bias", (4,), ()),
    sgl.Member("scale", (4,), ()),
)
FAMILIES = {
    "one leaf": CHANNEL[:1],
    "channel": CHANNEL,
    "unequal": (sgl.Member("w", (2, 6), (0,), (0, 2, 1, 2, 0, 2)),),
    "shuffled": (sgl.Member("w", (3, 2, 2), (1,), (2, 0, 2, 1, 1, 0)),),
    "flattened": (
        sgl.Member("conv", (2, 2, 1, 3), (0, 1, 2)),
        sgl.Member("dense", (6, 2), (1,), (0, 1, 2, 0, 1, 2)),
    ),
    "entries": (sgl.Member("w", (2, 3), (), (0, 1, 0, 1, 1, 1)),),
    "all": (sgl.Member("w", (2, 3), (0, 1), (0,)), sgl.Member("b", (), (), (0,))),
}
LAYOUTS = {"filters": ((3, 3, 2), 3), "rows": ((5,), 0), "slices": ((2, 3), 1)}
"""Shape of one group, and the axis of a leaf that its groups are on."""

families = pytest.mark.parametrize("family", FAMILIES)


def leaves_of(members, seed=0):
    draw = np.random.default_rng(seed)
    return [jnp.asarray(draw.normal(size=member.shape)) for member in members]


def gathered(parts, groups):
    """The entries of every group, one vector each."""
    parts = [np.asarray(part) for part in parts]
    return [np.array([parts[number][entry] for number, entry in group]) for group in groups]


@functools.partial(jax.jit, static_argnames="group")
def prox(penalty, parts, step, group, metrics=None):
    return penalty.group_prox(parts, step, group, metrics)


@functools.partial(jax.jit, static_argnames="group")
def value(penalty, parts, group, weight):
    return penalty.group_value(parts, group, weight)


prox_vector = jax.jit(lambda penalty, w, step: penalty.vector_prox(w, step))


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@families
def test_group_counts_and_sizes_are_those_of_its_entries(family):
    group, groups = sgl.Group(FAMILIES[family]), owned(FAMILIES[family])
    sizes = [len(entries) for entries in groups]
    assert group.count == len(groups)
    assert group.size == (sizes[0] if len(set(sizes)) == 1 else tuple(sizes))
    assert np.prod(group.shape) == group.count
    for number, member in enumerate(group.members):
        owners = np.empty(member.shape, int)
        for owner, entries in enumerate(groups):
            for at, entry in entries:
                if at == number:
                    owners[entry] = owner
        np.testing.assert_array_equal(member.owners, owners)


@families
def test_group_reductions_are_those_of_its_entries(family, x64):
    group, groups = sgl.Group(FAMILIES[family]), owned(FAMILIES[family])
    parts = leaves_of(group.members)
    vectors, sizes = gathered(parts, groups), [jnp.abs(part) for part in parts]
    np.testing.assert_allclose(np.ravel(group.sum(parts)), [v.sum() for v in vectors], atol=1e-14)
    np.testing.assert_allclose(np.ravel(group.max(sizes)), [np.abs(v).max() for v in vectors])
    np.testing.assert_allclose(np.ravel(group.norm(parts)), [np.linalg.norm(v) for v in vectors])
    numbers = jnp.arange(1.0, 1 + group.count).reshape(group.shape)
    for number, spread in enumerate(group.spread(numbers)):
        wide = np.broadcast_to(spread, parts[number].shape)
        np.testing.assert_array_equal(wide, 1 + group.members[number].owners)


@pytest.mark.parametrize(("family", "name"), paired(FAMILIES, ["mcp", "l1_minus_l2", "exclusive"]))
def test_group_value_and_prox_are_those_of_the_gathered_entries(family, name, x64):
    group, groups = sgl.Group(FAMILIES[family]), owned(FAMILIES[family])
    parts = leaves_of(group.members)
    parts[0] = parts[0].at[groups[0][0][1]].set(0.0)
    steps = np.linspace(0.5, 2.0, group.count)
    shape = oracles.SHAPES[name][0]
    penalty = sgl.PENALTIES[name](0.6, **shape)
    found = prox(penalty, parts, steps.reshape(group.shape), group)
    assert [new.shape for new in found] == [part.shape for part in parts]
    vectors, z = gathered(parts, groups), gathered(found, groups)
    values = [oracles.value(name, w, 0.6, **shape) for w in vectors]
    weighted = value(penalty, parts, group, steps.reshape(group.shape))
    np.testing.assert_allclose(weighted, steps @ values, rtol=1e-12)
    for w, new, step in zip(vectors, z, steps, strict=True):
        if name != "mcp":
            np.testing.assert_allclose(new, prox_vector(penalty, w, step), atol=1e-14)
            continue
        cost = step * oracles.value(name, new, 0.6, **shape) + ((new - w) ** 2).sum() / 2
        norm = np.linalg.norm(w)
        np.testing.assert_allclose(
            cost, minima.least_cost(name, norm, step, 0.6, **shape), rtol=1e-12
        )


@families
def test_l1_prox_in_a_metric_is_optimal_on_the_gathered_entries(family, x64):
    group, groups = sgl.Group(FAMILIES[family]), owned(FAMILIES[family])
    parts = leaves_of(group.members)
    metrics = [jnp.exp(part) for part in leaves_of(group.members, seed=1)]
    found = prox(sgl.L1(0.6), parts, 1.5, group, metrics)
    trees = [gathered(leaves, groups) for leaves in (found, parts, metrics)]
    for z, w, d in zip(*trees, strict=True):
        assert minima.group_residual_in_metric(z, w, d, 0.9) < 1e-12


@pytest.mark.parametrize(("dtype", "most"), [("float32", 30), ("float64", 300)])
@pytest.mark.parametrize(
    "group", [sgl.Group.of_array((2, 4), (0,)), sgl.Group(FAMILIES["channel"])]
)
def test_norm_neither_overflows_nor_vanishes(group, dtype, most):
    with jax.enable_x64(dtype == "float64"):
        for exponent in (-most, 0, most):
            scale = jnp.asarray(10.0**exponent, dtype)
            parts = [jnp.full(member.shape, scale) for member in group.members]
            expected = np.sqrt(group.size) * np.asarray(scale, float)
            np.testing.assert_allclose(group.norm(parts).ravel(), np.full(4, expected), rtol=1e-6)


@families
def test_norm_of_a_zero_group_has_derivative_zero(family):
    group = sgl.Group(FAMILIES[family])
    parts = [jnp.where(member.owners == 0, 0.0, 1.0) for member in group.members]
    for mode in (jax.jacfwd, jax.jacrev):
        slopes = jax.jit(mode(lambda parts: group.norm(parts).ravel()))(parts)
        for slope, member in zip(slopes, group.members, strict=True):
            assert np.isfinite(slope).all()
            np.testing.assert_array_equal(slope[0], 0)
            assert np.any(slope[1:] != 0) == (group.count > 1), member


def test_norm_of_a_group_with_nan_is_nan():
    w = jnp.array([[jnp.nan, 1.0], [3.0, 4.0], [jnp.inf, 1.0]])
    norm = sgl.Group.of_array(w.shape, (1,)).norm([w])
    np.testing.assert_array_equal(norm.ravel(), [np.nan, 5.0, np.inf])


def test_group_of_an_array_takes_axes_from_both_ends():
    assert sgl.Group.of_array((2, 3, 4), (-1, 0)) == sgl.Group.of_array((2, 3, 4), (0, 2))
    group = sgl.Group.of_array((2, 3, 4), (2, 0))
    assert (group.count, group.size, group.shape, group.single) == (3, 8, (1, 3, 1), False)
    entries = sgl.Group.of_array((2, 3), ())
    assert (entries.count, entries.size, entries.shape, entries.single) == (6, 1, (2, 3), True)


def stacked(layout, count):
    """The family of a leaf with its groups on one axis, and its entries group by group."""
    size, axis = LAYOUTS[layout]
    shape = (*size[:axis], count, *size[axis:])
    group = sgl.Group.of_array(shape, tuple(at for at in range(len(shape)) if at != axis))
    return group, np.random.default_rng(0).normal(size=(count, *size)), axis


@functools.partial(jax.jit, static_argnames="axes")
def one_by_one(penalty, groups, steps, axes):
    """Prox and value of each group by the function of one."""
    alone = lambda w, step: (penalty.prox(w, step, axes), penalty.value(w, axes))  # noqa: E731
    return jax.vmap(alone)(groups, steps)


@pytest.mark.parametrize(("name", "layout"), paired(oracles.SCALARS, LAYOUTS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_group_prox_is_the_argmin_at_every_step(name, layout, dtype):
    for shape in oracles.SHAPES[name]:
        steps = np.float32(oracles.STEPS).astype(float)
        norms = oracles.inputs(name, 0.125, shape, steps)[:, 1:7].ravel()
        steps, penalty = np.repeat(steps, 6), sgl.PENALTIES[name](0.125, **shape)
        group, draw, axis = stacked(layout, norms.size)
        rows = draw.reshape(norms.size, -1)
        rows *= (norms / np.linalg.norm(rows, axis=1))[:, None]
        rows = np.float32(rows).astype(float)
        with jax.enable_x64(dtype == "float64"):
            w = jnp.asarray(np.moveaxis(rows.reshape(draw.shape), 0, axis), dtype)
            (found,) = prox(penalty, [w], jnp.asarray(steps.reshape(group.shape), dtype), group)
        z = np.moveaxis(np.asarray(found, float), axis, 0).reshape(rows.shape)
        with jax.enable_x64(True):
            _, values = one_by_one(penalty, jnp.asarray(z), jnp.asarray(steps), (0,))
        cost = steps * np.asarray(values) + ((z - rows) ** 2).sum(1) / 2
        norms = np.linalg.norm(rows, axis=1)
        least = minima.least_cost(name, norms, steps, 0.125, **shape)
        rounding = (8 * np.finfo(dtype).eps * norms) ** 2 + 1e-300
        share = {"float32": 1e-6, "float64": 1e-12}[dtype]
        np.testing.assert_array_less(cost - least, share * least + rounding, f"{shape}")


@pytest.mark.parametrize(("name", "layout"), paired(oracles.SHAPES, LAYOUTS))
def test_broadcasting_over_groups_equals_vmap_of_one(name, layout):
    group, groups, axis = stacked(layout, 8)
    groups[0] = 0.0
    groups, steps = np.float32(groups), np.float32([0.3, 0.0, 0.01, 0.1, 1.0, 3.0, 10.0, 100.0])
    w = [np.moveaxis(groups, 0, axis)]
    for shape in oracles.SHAPES[name]:
        penalty = sgl.PENALTIES[name](0.5, **shape)
        alone, values = one_by_one(penalty, groups, steps, tuple(range(groups.ndim - 1)))
        found = np.moveaxis(prox(penalty, w, steps.reshape(group.shape), group)[0], axis, 0)
        np.testing.assert_allclose(found, alone, rtol=2e-6, atol=1e-7, err_msg=f"{shape}")
        np.testing.assert_array_equal(found == 0, alone == 0, f"{shape}")
        np.testing.assert_allclose(value(penalty, w, group, 1.0), np.sum(values), rtol=2e-6)
