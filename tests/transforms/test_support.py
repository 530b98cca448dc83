"""Training of what is not zero alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.iterates import RATE
from support.problems import draw, gradients, run

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


def test_keep_support_trains_what_is_not_zero():
    params = draw(0, 0.3)
    params["conv"]["kernel"] = params["conv"]["kernel"].at[..., 1].set(0)
    params["fc"]["bias"] = jnp.zeros(3)
    tx = optax.chain(optax.adam(RATE), sgl.keep_support())
    found, state = run(tx, params, gradients(5))
    plain, _ = run(optax.adam(RATE), params, gradients(5))
    np.testing.assert_array_equal(found["conv"]["kernel"][..., 1], 0)
    for layer, leaf, at in (("conv", "kernel", np.s_[..., 0]), ("fc", "bias", np.s_[:])):
        np.testing.assert_allclose(found[layer][leaf][at], plain[layer][leaf][at], rtol=1e-12)
    assert not np.any(np.asarray(found["fc"]["bias"]) == 0)
    sgl.check(state)
    noise = optax.stateless(lambda updates, _: jax.tree.map(lambda u: u + 0.1, updates))
    _, state = run(optax.chain(sgl.keep_support(), noise), params, gradients(2))
    with pytest.raises(ValueError, match="must be the last link"):
        sgl.check(state)
