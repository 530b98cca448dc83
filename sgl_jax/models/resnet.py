"""Residual networks for CIFAR, with both kinds of published shortcuts."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from sgl_jax._util.compilation import YNNPACK_SUMS
from sgl_jax.models._base import BARE_CONV, BATCH_NORM, Maps, kernel_init, standardize


__all__ = ["ResNet"]


class ResNet(nnx.Module):
    r"""Three stages of residual blocks between a convolution and the mean over all pixels.

    A block maps :math:`x` to :math:`\mathrm{relu}(\mathrm{BN}(K_2 * \mathrm{relu}(\mathrm{BN}(K_1 *
    x))) + s(x))` with kernels of 3x3. The shortcut :math:`s` is the identity, but for the first
    block of the second and of the third stage, which halves the height and the width of its maps
    and doubles their number. Parameters at full width with identities: 269,722 at depth 20, 464,154
    at 32, 658,586 at 44, 853,018 at 56, 1,727,962 at 110; with projections 2,752 more.

    Args:
      widths: with identities the channels of the first stage, the zeros below and above them in the
        second stage, those in the third, then the channels inside of each block; with projections
        the channels of the three stages, then those inside of each block. By default the published
        ones, of stages of 16, 32 and 64 channels.
      classes: number of logits, at least 1.
      depth: number of layers, 6n + 2 for n blocks in each stage.
      shortcut: where a stage begins, ``"identity"`` takes every second pixel and puts zeros below
        and above the channels (option A of the article), ``"projection"`` is a convolution of 1x1
        with batch normalisation (option B).
      mean: is subtracted from the channels of the images; nothing by default.
      std: divides the channels of the images, then.
      rngs: source of the initial parameters.

    Raises:
      ValueError: if ``depth`` is not 6n + 2, the shortcut is another, or ``widths`` are not as many
        as needed, each at least 1, or 0 where zeros are counted.

    Example:
      >>> import jax
      >>> from flax import nnx
      >>> model = ResNet(rngs=nnx.Rngs(0))
      >>> sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
      269722

    References:
      He, Zhang, Ren, Sun: Deep residual learning for image recognition, 2016, section 4.2.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    compiler_options: ClassVar[str] = YNNPACK_SUMS

    def __init__(
        self,
        widths: tuple[int, ...] | None = None,
        classes: int = 10,
        depth: int = 20,
        shortcut: Literal["identity", "projection"] = "identity",
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
        *,
        rngs: nnx.Rngs,
    ) -> None:
        if shortcut not in ENTRANCES:
            raise ValueError(
                f"ResNet needs a shortcut among {', '.join(ENTRANCES)}, got {shortcut!r}."
            )
        count, entrance = _count_blocks(depth), ENTRANCES[shortcut]
        outer, inner = _split(widths, count, entrance)
        stages = entrance.count_channels(outer)
        self.mean, self.std = mean, std
        self.stem = nnx.Conv(3, stages[0], (3, 3), padding=1, **BARE_CONV, rngs=rngs)
        self.bn = nnx.BatchNorm(stages[0], **BATCH_NORM, rngs=rngs)
        self.blocks = nnx.List()
        for number, width in enumerate(inner):
            stage, later = divmod(number, count)
            begins = stage > 0 and not later
            branch = entrance.make(outer, stage, rngs) if begins else _identity
            sizes = stages[stage - begins], width, stages[stage]
            self.blocks.append(Block(*sizes, 1 + begins, branch, rngs=rngs))
        self.fc = nnx.Linear(stages[-1], classes, kernel_init=kernel_init, rngs=rngs)

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of the stages, or zeros around them, then those inside of the blocks."""
        count = len(self.blocks) // 3
        entrances = [self.blocks[stage * count].shortcut.widths for stage in (1, 2)]
        inner = (block.conv1.out_features for block in self.blocks)
        return (self.stem.out_features, *entrances[0], *entrances[1], *inner)

    @property
    def pytorch_layers(self) -> dict[str, str]:
        """The paths of the layers by their names in PyTorch's networks for CIFAR."""
        layers = {"conv1": "stem", "bn1": "bn", "linear": "fc", "fc": "fc"}
        count = len(self.blocks) // 3
        names = {each: each for each in ("conv1", "bn1", "conv2", "bn2")}
        for name in ("shortcut", "downsample"):
            names |= {f"{name}.0": "shortcut/conv", f"{name}.1": "shortcut/bn"}
        for number in range(len(self.blocks)):
            stage, later = divmod(number, count)
            for theirs, ours in names.items():
                layers[f"layer{stage + 1}.{later}.{theirs}"] = f"blocks/{number}/{ours}"
        return layers

    def __call__(self, images: Float[Array, "batch h w c"]) -> Float[Array, "batch classes"]:
        """Computes the logits of a batch of images with values in [0, 1]."""
        x = jax.nn.relu(self.bn(self.stem(standardize(images, self.mean, self.std))))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(axis=(1, 2)))


def _count_blocks(depth: int) -> int:
    """Counts the blocks of each stage."""
    if depth < 8 or depth % 6 != 2:
        raise ValueError(
            f"ResNet needs a depth of 6n + 2 layers, got {depth}: take 20, 32, 44, 56 or 110."
        )
    return depth // 6


def _split(
    widths: Sequence[int] | None, count: int, entrance: "type[Padded] | type[Projected]"
) -> tuple[Sequence[int], Sequence[int]]:
    """Splits widths into those between the blocks and those inside of them."""
    inner = [16 * 2**stage for stage in range(3) for _ in range(count)]
    published = (*entrance.published, *inner)
    widths = published if widths is None else widths
    least = (*entrance.least, *[1] * len(inner))
    if len(widths) != len(least) or any(w < n for w, n in zip(widths, least, strict=True)):
        raise ValueError(
            f"ResNet needs {len(least)} widths of at least {', '.join(map(str, least))}, got "
            f"{tuple(widths)}: the published ones are {published}."
        )
    return widths[: len(entrance.least)], widths[len(entrance.least) :]


def _identity(x: Maps) -> Maps:
    return x


class Block(nnx.Module):
    """Two convolutions with batch normalisation, plus a shortcut."""

    def __init__(
        self,
        inputs: int,
        inner: int,
        outputs: int,
        stride: int,
        shortcut: Callable[[Maps], Maps],
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv1 = nnx.Conv(inputs, inner, (3, 3), stride, padding=1, **BARE_CONV, rngs=rngs)
        self.bn1 = nnx.BatchNorm(inner, **BATCH_NORM, rngs=rngs)
        self.conv2 = nnx.Conv(inner, outputs, (3, 3), padding=1, **BARE_CONV, rngs=rngs)
        self.bn2 = nnx.BatchNorm(outputs, **BATCH_NORM, rngs=rngs)
        self.shortcut = shortcut

    def __call__(self, x: Maps) -> Maps:
        y = jax.nn.relu(self.bn1(self.conv1(x)))
        return jax.nn.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Zeros(nnx.Variable):
    """Zeros beside the channels of a shortcut: an array, which shrinks as the channels do."""


class Padded(nnx.Module):
    """Every second pixel, with zeros below and above the channels.

    Args:
      below: number of zeros below.
      above: number of zeros above.
    """

    published: ClassVar[tuple[int, ...]] = (16, 8, 8, 16, 16)
    least: ClassVar[tuple[int, ...]] = (1, 0, 0, 0, 0)

    def __init__(self, below: int, above: int) -> None:
        self.below, self.above = (Zeros(jnp.zeros(count)) for count in (below, above))

    @staticmethod
    def count_channels(outer: Sequence[int]) -> tuple[int, int, int]:
        """Counts the channels of the stages: those of the stage before, and the zeros."""
        return sum(outer[:1]), sum(outer[:3]), sum(outer[:5])

    @classmethod
    def make(cls, outer: Sequence[int], stage: int, rngs: nnx.Rngs) -> "Padded":
        """Makes the shortcut into a stage."""
        del rngs
        return cls(*outer[2 * stage - 1 : 2 * stage + 1])

    @property
    def widths(self) -> tuple[int, ...]:
        """The numbers of zeros below and above."""
        return self.below.size, self.above.size

    def __call__(self, x: Maps) -> Maps:
        x = x[:, ::2, ::2]
        below, above = (
            jnp.broadcast_to(zeros[...], (*x.shape[:-1], zeros.size))
            for zeros in (self.below, self.above)
        )
        return jnp.concatenate([below, x, above], axis=-1)


class Projected(nnx.Module):
    """A convolution of 1x1 over every second pixel, with batch normalisation.

    Args:
      inputs: number of channels that it reads.
      outputs: number of channels that it makes.
      rngs: source of the initial parameters.
    """

    published: ClassVar[tuple[int, ...]] = (16, 32, 64)
    least: ClassVar[tuple[int, ...]] = (1, 1, 1)

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(inputs, outputs, (1, 1), 2, **BARE_CONV, rngs=rngs)
        self.bn = nnx.BatchNorm(outputs, **BATCH_NORM, rngs=rngs)

    @staticmethod
    def count_channels(outer: Sequence[int]) -> tuple[int, int, int]:
        """Counts the channels of the stages."""
        first, second, third = outer
        return first, second, third

    @classmethod
    def make(cls, outer: Sequence[int], stage: int, rngs: nnx.Rngs) -> "Projected":
        """Makes the shortcut into a stage."""
        return cls(outer[stage - 1], outer[stage], rngs=rngs)

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of channels that it makes."""
        return (self.conv.out_features,)

    def __call__(self, x: Maps) -> Maps:
        return self.bn(self.conv(x))


ENTRANCES: dict[str, type[Padded] | type[Projected]] = {
    "identity": Padded,
    "projection": Projected,
}
"""Shortcuts into a stage, by name."""
