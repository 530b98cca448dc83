"""The catalogue of models: one file each, one line each here.

- ``_base``: the contract of a model, initialisers, and :func:`max_pool`, :func:`standardize`;
- ``_conv``: a convolution whose gradient is cheap on a CPU;
- ``_binary``: :func:`~sgl_jax.binary`, an activation with two values, and its proxies.
"""

from sgl_jax._util.catalogue import by_file
from sgl_jax.models._base import Model as Model, max_pool as max_pool
from sgl_jax.models._binary import PROXIES as PROXIES, binary as binary
from sgl_jax.models.conv4 import Conv4 as Conv4
from sgl_jax.models.lenet5 import LeNet5 as LeNet5
from sgl_jax.models.resnet import ResNet as ResNet
from sgl_jax.models.vgg16 import VGG16 as VGG16
from sgl_jax.models.wide_resnet import WideResNet as WideResNet


__all__ = [
    "MODELS",
    "PROXIES",
    "VGG16",
    "Conv4",
    "LeNet5",
    "Model",
    "ResNet",
    "WideResNet",
    "binary",
    "max_pool",
]

MODELS: dict[str, type[Model]] = by_file(__name__, globals())
"""Every model by the name of its file, sorted; the contract is in :mod:`sgl_jax.models._base`."""
