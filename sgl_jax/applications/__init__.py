"""Whole systems on the public API alone; nothing in the package imports them.

- ``binarised``: a network with binarised activation and sparse weights, by coarse gradients.
"""

from sgl_jax.applications import binarised as binarised


__all__ = ["binarised"]
