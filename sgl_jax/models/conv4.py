"""A network of two convolutions and two dense layers for MNIST, on which sparsity is measured."""

from typing import ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from sgl_jax.models._base import bias_init, check_widths, kernel_init, max_pool
from sgl_jax.models._conv import conv


__all__ = ["Conv4"]


class Conv4(nnx.Module):
    r"""Two convolutions and two dense layers with dropout, 1,087,010 parameters at full width.

    .. math::

        28{\times}28{\times}1 \to 32 \text{ filters } 5{\times}5 \to \text{pool}
        \to 64 \text{ filters } 5{\times}5 \to \text{pool} \to 1024 \to 1000 \to 10

    with a ReLU and dropout behind each pooling and behind the first dense layer, and convolutions
    without padding and bias.

    Args:
      widths: filters of ``conv1`` and of ``conv2``, units of ``fc1``, each at least 1; the inputs
        of ``fc1`` are 16 per filter of ``conv2``.
      classes: number of logits, at least 1.
      dropout: share of the entries that are dropped in training, from 0 to 1.
      rngs: source of the initial parameters, and of dropout.

    Raises:
      ValueError: if ``widths`` are not three numbers of at least 1.

    Example:
      >>> import jax
      >>> from flax import nnx
      >>> model = Conv4(rngs=nnx.Rngs(0))
      >>> sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
      1087010

    References:
      Yoon, Hwang: Combined group and exclusive sparsity for deep neural networks, 2017.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)

    def __init__(
        self,
        widths: tuple[int, ...] = (32, 64, 1000),
        classes: int = 10,
        dropout: float = 0.5,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        filters1, filters2, units = check_widths("Conv4", widths, (32, 64, 1000))
        init = {"kernel_init": kernel_init, "bias_init": bias_init, "rngs": rngs}
        plain = {"kernel_size": (5, 5), "padding": "VALID", "conv_general_dilated": conv}
        self.conv1 = nnx.Conv(1, filters1, use_bias=False, **plain, **init)
        self.conv2 = nnx.Conv(filters1, filters2, use_bias=False, **plain, **init)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.fc1 = nnx.Linear(16 * filters2, units, **init)
        self.fc2 = nnx.Linear(units, classes, **init)

    @property
    def widths(self) -> tuple[int, ...]:
        """The filters of ``conv1`` and of ``conv2``, and the units of ``fc1``."""
        return self.conv1.out_features, self.conv2.out_features, self.fc1.out_features

    def __call__(self, images: Float[Array, "batch h w c"]) -> Float[Array, "batch classes"]:
        """Computes the logits of a batch of images with values in [0, 1]."""
        x = self.dropout(jax.nn.relu(max_pool(self.conv1(images))))
        x = self.dropout(jax.nn.relu(max_pool(self.conv2(x))))
        x = x.reshape(x.shape[0], -1)
        return self.fc2(self.dropout(jax.nn.relu(self.fc1(x))))
