"""Images and labels on their way to the device."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt8


__all__ = ["Images", "Labels", "put_on_device"]

Images = UInt8[Array, "n height width channels"] | UInt8[np.ndarray, "n height width channels"]
Labels = Int32[Array, "n"] | Int32[np.ndarray, "n"]


def put_on_device(x: Images, y: Labels) -> tuple[Array, Array]:
    """Puts images and labels on the device; raises ``ValueError`` unless each image has a label."""
    if len(x) != len(y) or not len(y):
        raise ValueError(
            f"Every image needs a label and there must be some, got {len(x)} images and "
            f"{len(y)} labels: pass both halves of one split."
        )
    return jnp.asarray(x), jnp.asarray(y)
