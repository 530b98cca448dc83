"""Strict arithmetic, checked shapes and eight devices, set before the package is imported."""

import jax
import optax
from jaxtyping import install_import_hook


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 8)
if not jax.config.jax_platforms:
    jax.config.update("jax_platforms", "cpu")

install_import_hook("sgl_jax", "beartype.beartype")


_bias_correction = optax.tree.bias_correction


def bias_correction(*args):
    """Optax's own, which raises a Python float to an integer count: no strict promotion there."""
    with jax.numpy_dtype_promotion("standard"):
        return _bias_correction(*args)


optax.tree.bias_correction = bias_correction
