"""Whole systems on the public API alone; nothing in the package imports them.

- ``beamforming``: group-sparse robust beamforming for inference at the edge, certified;
- ``binarised``: a network with binarised activation and sparse weights, by coarse gradients;
- ``scoring``: sparse optimal scoring, discriminant analysis as an estimator of scikit-learn;
- ``_trees``: values that are pytrees, for all of these.

Nothing is imported here: say ``from sgl_jax.applications import scoring``.
"""

__all__: list[str] = []
