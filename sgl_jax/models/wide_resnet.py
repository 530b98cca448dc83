"""Wide residual networks for CIFAR, with the strides of the nonconvex sparse group lasso's code."""

from typing import ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from sgl_jax.models._base import BARE_CONV, BATCH_NORM, Maps, check_widths, kernel_init, standardize


__all__ = ["WideResNet"]


class WideResNet(nnx.Module):
    """Three stages of residual blocks that normalise and rectify before they convolve.

    A block adds two convolutions of 3x3, each behind batch normalisation and ReLU, with dropout
    between them, to its input; where the channels change, to a convolution of 1x1 of its normalised
    and rectified input. The stride of two with which the second and the third stage begin is that
    of the second convolution, as in the code of Bui et al. (2021), not of the first one, as in that
    of Zagoruyko and Komodakis. WRN-28-10 has 36,479,194 parameters for 10 classes and 36,536,884
    for 100.

    Args:
      widths: channels of the first convolution, of the three stages, then those inside of each
        block; by default 16, and 16, 32 and 64 times ``widen``. With ``widen=1`` the channels of
        the first convolution are those of the first stage, and are left out.
      classes: number of logits, at least 1.
      depth: number of layers, 6n + 4 for n blocks in each stage.
      widen: factor of the published widths, at least 1.
      dropout: share of the entries between the convolutions of a block that are dropped in
        training, from 0 to 1.
      mean: is subtracted from the channels of the images; nothing by default.
      std: divides the channels of the images, then.
      rngs: source of the initial parameters, and of dropout.

    Raises:
      ValueError: if ``depth`` is not 6n + 4, or ``widths`` are not as many as needed, each at least
        1.

    Example:
      >>> import jax
      >>> from flax import nnx
      >>> model = nnx.eval_shape(lambda: WideResNet(rngs=nnx.Rngs(0)))
      >>> sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
      36479194

    References:
      Zagoruyko, Komodakis: Wide residual networks, 2016.
      Bui, Park, Zhang, Qi, Xin: Front. Appl. Math. Stat. 6:529564, 2021.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)

    def __init__(
        self,
        widths: tuple[int, ...] | None = None,
        classes: int = 10,
        depth: int = 28,
        widen: int = 10,
        dropout: float = 0.3,
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
        *,
        rngs: nnx.Rngs,
    ) -> None:
        published = _publish(depth, widen)
        widths = check_widths("WideResNet", widths, published)
        count, projects = (depth - 4) // 6, widen > 1
        stages, inner = widths[projects : 3 + projects], widths[3 + projects :]
        self.mean, self.std = mean, std
        self.stem = nnx.Conv(3, widths[0], (3, 3), padding=1, **BARE_CONV, rngs=rngs)
        self.blocks = nnx.List()
        inputs = widths[0]
        for number, width in enumerate(inner):
            stage, later = divmod(number, count)
            stride = 1 if later or not stage else 2
            project = not later and (stage > 0 or projects)
            sizes = inputs, width, stages[stage]
            self.blocks.append(Block(*sizes, stride, project, dropout, rngs=rngs))
            inputs = stages[stage]
        self.bn = nnx.BatchNorm(inputs, **BATCH_NORM, rngs=rngs)
        self.fc = nnx.Linear(inputs, classes, kernel_init=kernel_init, rngs=rngs)

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of the first convolution, of the stages, those inside of the blocks."""
        count = len(self.blocks) // 3
        stages = (self.blocks[stage * count].conv2.out_features for stage in range(3))
        inner = (block.conv1.out_features for block in self.blocks)
        first = () if self.blocks[0].project is None else (self.stem.out_features,)
        return (*first, *stages, *inner)

    def __call__(self, images: Float[Array, "batch h w c"]) -> Float[Array, "batch classes"]:
        """Computes the logits of a batch of images with values in [0, 1]."""
        x = self.stem(standardize(images, self.mean, self.std))
        for block in self.blocks:
            x = block(x)
        return self.fc(jax.nn.relu(self.bn(x)).mean(axis=(1, 2)))


class Block(nnx.Module):
    """Normalisation, ReLU and convolution, twice, plus the shortcut."""

    def __init__(
        self,
        inputs: int,
        inner: int,
        outputs: int,
        stride: int,
        project: bool,
        dropout: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.bn1 = nnx.BatchNorm(inputs, **BATCH_NORM, rngs=rngs)
        self.conv1 = nnx.Conv(inputs, inner, (3, 3), padding=1, **BARE_CONV, rngs=rngs)
        self.bn2 = nnx.BatchNorm(inner, **BATCH_NORM, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.conv2 = nnx.Conv(inner, outputs, (3, 3), stride, padding=1, **BARE_CONV, rngs=rngs)
        projection = (inputs, outputs, (1, 1), stride)
        self.project = nnx.Conv(*projection, **BARE_CONV, rngs=rngs) if project else None

    def __call__(self, x: Maps) -> Maps:
        active = jax.nn.relu(self.bn1(x))
        y = self.dropout(jax.nn.relu(self.bn2(self.conv1(active))))
        return self.conv2(y) + (x if self.project is None else self.project(active))


def _publish(depth: int, widen: int) -> tuple[int, ...]:
    """Computes the published widths.

    Raises:
      ValueError: if no such network is published.
    """
    if depth < 10 or depth % 6 != 4 or widen < 1:
        raise ValueError(
            f"WideResNet needs a depth of 6n + 4 layers and a factor widen of at least 1, got "
            f"{depth} and {widen}: take 28 and 10."
        )
    stages = tuple(16 * widen * 2**stage for stage in range(3))
    inner = (width for width in stages for _ in range((depth - 4) // 6))
    return (*((16,) if widen > 1 else ()), *stages, *inner)
