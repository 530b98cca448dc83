"""Translates the names of the layers that write and read a unit to its entries."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from support.networks._base import Entry, Unit


Place = str | tuple[str, int | np.ndarray]
"""A layer, where the unit's channels are its first, or with an offset, or with an index array."""


def flattened(width: int, pixels: int) -> np.ndarray:
    """The rows of a dense layer behind the flattening of ``pixels`` times ``width`` channels."""
    return np.arange(width)[:, None] + width * np.arange(pixels)


def flattened_first(width: int, pixels: int) -> np.ndarray:
    """The rows behind a flattening whose channels come first."""
    return np.arange(width)[:, None] * pixels + np.arange(pixels)


@dataclasses.dataclass(frozen=True)
class Wiring:
    """The paths and axes by which a framework keeps the leaves of a layer.

    Attributes:
      kernel, bias: of a convolution or a dense layer, as patterns of paths.
      outputs, inputs: axes of kernels.
      scale, shift, statistics: of a normalisation.
      channels: axis of biases and of the leaves of normalisations.
    """

    kernel: str = "0/{}/kernel"
    bias: str = "0/{}/bias"
    outputs: int = -1
    inputs: int = -2
    scale: str = "0/{}/scale"
    shift: str = "0/{}/bias"
    statistics: tuple[str, ...] = ("1/{}/mean", "1/{}/var")
    channels: int = -1

    def unit(
        self,
        width: int,
        *,
        writes: Sequence[Place] = (),
        bias: bool = True,
        norms: Sequence[Place] = (),
        reads: Sequence[Place] = (),
        gates: Sequence[Place] = (),
    ) -> Unit:
        """The channels that some layers write, some normalise, read, or multiply (``gates``).

        A depthwise layer writes too. ``bias`` is of the writing layers; gates have one.
        """
        made = self._patterns(self._made(bias), writes, width)
        affine = [(self.scale, self.channels), (self.shift, self.channels)]
        statistics = [(path, self.channels) for path in self.statistics]
        return Unit(
            made + self._patterns(affine, norms, width),
            self._patterns(statistics, norms, width)
            + self._patterns([(self.kernel, self.inputs)], reads, width)
            + self._patterns(self._made(True), gates, width),
        )

    def entries(self, leaves: Sequence[Place], width: int) -> tuple[Entry, ...]:
        """The last axis of some leaves, by their paths in the tree of parameters."""
        return self._patterns([("0/{}", -1)], leaves, width)

    def _made(self, bias: bool) -> list[tuple[str, int]]:
        return [(self.kernel, self.outputs)] + [(self.bias, self.channels)] * bias

    @staticmethod
    def _patterns(
        patterns: Sequence[tuple[str, int]], places: Sequence[Place], width: int
    ) -> tuple[Entry, ...]:
        named = [(place, 0) if isinstance(place, str) else place for place in places]
        return tuple(
            Entry(path.format(name), axis, _index(where, width))
            for name, where in named
            for path, axis in patterns
        )


def _index(where: int | np.ndarray, width: int) -> np.ndarray:
    return where if isinstance(where, np.ndarray) else where + np.arange(width)[:, None]


NNX = Wiring()
unit = NNX.unit
