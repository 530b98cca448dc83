"""Networks of `tests/support/networks` at full width, a share of their channels dead."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax


sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.networks import kill, narrow_by_hand, narrow_widths
from support.networks.plain import PLAIN
from support.networks.resnet import RESNETS
from support.networks.wide import WIDE


__all__ = ["NETWORKS", "Dead", "draw_images", "make_dead_networks"]

_ALL = PLAIN | RESNETS | WIDE
NETWORKS = {name: _ALL[name] for name in ("resnet56_projection", "wrn28_10", "vgg16")}


@dataclasses.dataclass(frozen=True)
class Dead:
    """A network with dead channels, and the one that is built without them.

    Attributes:
      apply: the network.
      params: its parameters and statistics.
      hand_apply: the network built narrow.
      hand_params: its parameters and statistics.
    """

    apply: Callable[..., Any]
    params: Any
    hand_apply: Callable[..., Any]
    hand_params: Any


def make_dead_networks(name: str, shares: list[float]) -> dict[float, Dead]:
    """Makes a network with each share of its channels dead; all share one ``apply``."""
    spec, found = NETWORKS[name], {}
    widths = spec.full_widths
    apply, params = spec.build(widths)
    for share in shares:
        sparse, dead = kill(spec, params, 0, share, widths)
        hand_apply, _ = spec.build(narrow_widths(spec, dead, widths))
        hand_params = narrow_by_hand(spec, sparse, dead, widths)
        found[share] = Dead(apply, sparse, hand_apply, hand_params)
    return found


def draw_images(name: str, batch_size: int) -> jax.Array:
    """Draws images at random."""
    shape = batch_size, *NETWORKS[name].full_shape
    return jax.random.normal(jax.random.key(1), shape)
