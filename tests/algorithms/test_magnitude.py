"""Gradual magnitude pruning: which weights are left after each step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


@pytest.mark.parametrize(
    ("grouping", "together"),
    [(sgl.by_layer(), False), (sgl.by_tree(), False), (sgl.by_layer(), True)],
    ids=["layer", "tree", "together"],
)
def test_magnitude_removes_the_smallest_along_a_cubic(grouping, together):
    sizes = {"a": 50, "b": 30}
    params = {
        name: jnp.asarray(np.random.default_rng(n).standard_normal(n), jnp.float32)
        for name, n in sizes.items()
    }
    regularizer, options = sgl.Regularizer(sgl.TopK(0.2), grouping), {"base": optax.sgd}
    options |= {"begin": 2, "steps": 10, "period": 3, "together": together}
    tx = sgl.magnitude(0.0, regularizer, **options)
    alone = grouping == sgl.by_layer() and not together
    groups = [["a"], ["b"]] if alone else [["a", "b"]]
    update, state, before = jax.jit(tx.update), tx.init(params), params
    for count in range(16):
        updates, state = update(jax.tree.map(jnp.ones_like, params), state, params)
        params = optax.apply_updates(params, updates)
        last = max((k for k in range(2, count + 1, 3)), default=None)
        for group in groups:
            size = sum(sizes[name] for name in group)
            final = int(0.2 * size)
            left = size
            if last is not None:
                share = (1 - min((last - 2) / 10, 1)) ** 3
                left = final + int(np.ceil(np.float32(share) * (size - final)))
            whole = np.concatenate([before[name] for name in group])
            found = np.concatenate([params[name] for name in group])
            kept = np.sort(np.argsort(-np.abs(whole))[:left])
            np.testing.assert_array_equal(np.flatnonzero(found), kept)
            np.testing.assert_array_equal(found[kept], whole[kept])
    assert left == final
