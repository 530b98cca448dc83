"""The worked example of CONTRIBUTING, a penalty in one file, is one that passes the contract."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.documents import python_blocks

import sgl_jax as sgl


@pytest.fixture(scope="module")
def cauchy():
    names = {"__name__": "cauchy"}
    exec(compile(python_blocks("CONTRIBUTING.md")[0], "CONTRIBUTING.md", "exec"), names)
    return names["Cauchy"]


def test_line_for_the_catalogue_names_the_class(cauchy):
    assert python_blocks("CONTRIBUTING.md")[1].strip() == f'"cauchy": {cauchy.__name__},'


@pytest.mark.parametrize("lam", [0.0, 0.1, 5.0])
@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_prox_is_the_minimiser_at_every_step_size(cauchy, lam, gamma):
    penalty = cauchy(lam, gamma)
    w = np.concatenate([np.linspace(-6, 6, 61), [1e-4, 1e-9, 30.0]])
    steps = np.geomspace(1e-6, 1e6, 200)
    grid = np.concatenate([np.linspace(0, 30, 3001), np.geomspace(1e-9, 30, 2000)])
    with jax.enable_x64(True):
        prox = jax.jit(jax.vmap(penalty.prox, in_axes=(None, 0)))
        found = np.asarray(prox(jnp.asarray(w), jnp.asarray(steps)))

    def objective(step, z, w):
        return step * lam * np.log1p((z / gamma) ** 2) + 0.5 * (np.abs(z) - np.abs(w)) ** 2

    for step, z in zip(steps, found, strict=True):
        best = objective(step, grid[:, None], w).min(axis=0)
        assert np.all(objective(step, z, w) <= best * (1 + 1e-12) + 1e-24)
        assert np.all(z * w >= 0)


def test_group_form_comes_for_free(cauchy):
    penalty = cauchy(0.5, 0.7)
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 2, 4))
    one = jax.vmap(lambda w: penalty.prox(w, 0.3, axes=(0, 1, 2)), in_axes=3, out_axes=3)
    np.testing.assert_allclose(penalty.prox(kernel, 0.3, axes=(0, 1, 2)), one(kernel), rtol=1e-5)
    regularizer = sgl.Regularizer(penalty, sgl.by_filter())
    shrunk = regularizer.prox({"kernel": kernel}, 0.3)["kernel"]
    assert jnp.all(jnp.linalg.norm(shrunk) < jnp.linalg.norm(kernel))


def test_bad_parameters_are_refused(cauchy):
    with pytest.raises(ValueError, match=r"Cauchy needs gamma > 0, got gamma=0."):
        cauchy(0.1, 0)
