"""The catalogue of models: one file each, one line each here.

- ``_base``: the contract of a model, initialisers, and :func:`max_pool`;
- ``_conv``: a convolution whose gradient is cheap on a CPU.
"""

from sgl_jax._util.catalogue import by_file
from sgl_jax.models._base import Model as Model, max_pool as max_pool
from sgl_jax.models.lenet5 import LeNet5 as LeNet5


__all__ = ["MODELS", "LeNet5", "Model", "max_pool"]

MODELS: dict[str, type[Model]] = by_file(__name__, globals())
"""Every model by the name of its file, sorted; the contract is in :mod:`sgl_jax.models._base`."""
