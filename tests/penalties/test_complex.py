"""Complex arrays are refused by every penalty; pairs of real numbers have their magnitudes."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl


Z = jnp.array([[3.0 + 4.0j, 0.1j], [0.3 + 0.4j, -2.0], [1.0j, 0.0], [0.0, 5.0]], jnp.complex64)
REFUSED = "needs real arrays, got complex64: keep real and imaginary parts along an axis"

CONSTRAINTS = {
    "box": sgl.Box(0.0, 1.0),
    "levels": sgl.Levels(1),
    "n_of_m": sgl.NofM(1, 2),
    "nonnegative": sgl.NonNegative(),
    "top_k": sgl.TopK(1),
}
PENALTIES = {name: cls(1.0) for name, cls in sgl.PENALTIES.items()} | CONSTRAINTS


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.usefixtures("as_for_users")
def test_value_and_prox_refuse_complex_arrays(name):
    axes = (0, 1) if name == "nuclear" else (1,)
    with pytest.raises(ValueError, match=REFUSED):
        PENALTIES[name].value(Z, axes)
    with pytest.raises(ValueError, match=REFUSED):
        PENALTIES[name].prox(Z, 0.5, axes)


@pytest.mark.parametrize("name", sgl.prox.__all__)
@pytest.mark.usefixtures("as_for_users")
def test_operators_refuse_complex_arrays(name):
    operator = getattr(sgl.prox, name)
    without_default = inspect.Parameter.empty
    _, *others = inspect.signature(operator).parameters.values()
    with pytest.raises(ValueError, match=REFUSED):
        operator(Z, *(1 for other in others if other.default is without_default))


def test_pairs_of_real_numbers_shrink_like_complex_numbers():
    pairs = jnp.stack([Z.real, Z.imag], axis=-1)
    found = sgl.L1(0.5).prox(pairs, 1.0, axes=(2,))
    size = np.abs(np.asarray(Z))
    expected = np.asarray(Z) * np.maximum(1.0 - 0.5 / np.maximum(size, 1e-9), 0.0)
    np.testing.assert_allclose(found[..., 0], expected.real, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found[..., 1], expected.imag, rtol=1e-6, atol=1e-7)
