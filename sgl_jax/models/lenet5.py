"""LeNet-5 in the form that Caffe made the benchmark of network compression."""

from typing import ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from sgl_jax.models._base import bias_init, check_widths, kernel_init, max_pool
from sgl_jax.models._conv import conv


__all__ = ["LeNet5"]


class LeNet5(nnx.Module):
    r"""Two convolutions and two dense layers, 431,080 parameters at full width on 28x28x1 images.

    .. math::

        28{\times}28{\times}1 \to 20 \text{ filters } 5{\times}5 \to \text{pool}
        \to 50 \text{ filters } 5{\times}5 \to \text{pool} \to 800 \to 500 \to 10

    with a ReLU before each pooling and behind the first dense layer, convolutions without padding,
    and maxima over 2x2 pixels. No dropout, no normalisation.

    Args:
      widths: filters of ``conv1``, filters of ``conv2``, units of ``fc1``; each at least 1. The
        inputs of ``fc1`` are 16 per filter of ``conv2``.
      classes: number of logits, at least 1.
      image_shape: height, width and channels of the images; for other heights and widths than 28
        the inputs of ``fc1`` are ``(height / 4 - 3) * (width / 4 - 3)`` per filter.
      rngs: source of the initial parameters.

    Raises:
      ValueError: if ``widths`` is not three numbers of at least 1, or height and width are not
        multiples of 4 from 16 on.

    Example:
      >>> import jax
      >>> from flax import nnx
      >>> model = LeNet5(rngs=nnx.Rngs(0))
      >>> sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
      431080

    References:
      LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)

    def __init__(
        self,
        widths: tuple[int, ...] = (20, 50, 500),
        classes: int = 10,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        *,
        rngs: nnx.Rngs,
    ) -> None:
        filters1, filters2, units = check_widths("LeNet5", widths, (20, 50, 500))
        height, width, channels = image_shape
        if height % 4 or width % 4 or min(height, width) < 16:
            raise ValueError(
                "LeNet5 needs images whose height and width are multiples of 4 from 16 on, got "
                f"{height}x{width}x{channels}: resize them, images:FOLDER by --image-shape 28 28 1."
            )
        init = {"kernel_init": kernel_init, "bias_init": bias_init, "rngs": rngs}
        plain = {"kernel_size": (5, 5), "padding": "VALID", "conv_general_dilated": conv}
        self.conv1 = nnx.Conv(channels, filters1, **plain, **init)
        self.conv2 = nnx.Conv(filters1, filters2, **plain, **init)
        pixels = (height // 4 - 3) * (width // 4 - 3)
        self.fc1 = nnx.Linear(pixels * filters2, units, **init)
        self.fc2 = nnx.Linear(units, classes, **init)

    @property
    def widths(self) -> tuple[int, ...]:
        """The filters of ``conv1``, filters of ``conv2``, units of ``fc1``."""
        return self.conv1.out_features, self.conv2.out_features, self.fc1.out_features

    def __call__(self, images: Float[Array, "batch h w c"]) -> Float[Array, "batch classes"]:
        """Computes the logits of a batch of images with values in [0, 1]."""
        x = max_pool(jax.nn.relu(self.conv1(images)))
        x = max_pool(jax.nn.relu(self.conv2(x)))
        x = x.reshape(x.shape[0], -1)
        return self.fc2(jax.nn.relu(self.fc1(x)))
