"""Catalogue of groupings: what the groups of a run are."""

from collections.abc import Callable
from typing import Any

from sgl_jax._util.typing import Params
from sgl_jax.compaction.channels import ChannelGroups, channel_groups
from sgl_jax.groups import (
    Grouping,
    by_entry,
    by_filter,
    by_input_channel,
    by_input_fibre,
    by_layer,
    by_neuron,
    by_tree,
)


__all__ = ["GROUPINGS"]


def by_channel(
    apply: Callable[[Any, Any], Any], variables: tuple[Params, Any], image: Any
) -> ChannelGroups:
    """Groups all that makes a channel: filter, bias, scale and shift of its norm.

    Args:
      apply: the network in use.
      variables: its trained parameters and its other arrays.
      image: shape and dtype of a batch of one image.

    Raises:
      ValueError: the network has no channels that could be removed.
    """
    return channel_groups(apply, variables, image)


def by_scale(*, only: str = r"(^|/)scale$", skip: str | None = None) -> Grouping:
    """Makes every scale of a normalisation a group of its own: network slimming.

    Args:
      only: take leaves whose path this regular expression finds.
      skip: leave out leaves whose path this regular expression finds.
    """
    return by_entry(only=only, skip=skip)


GROUPINGS: dict[str, Callable[..., Any]] = {
    "neurons": by_neuron,
    "channels": by_channel,
    "scales": by_scale,
    "filters": by_filter,
    "input_channels": by_input_channel,
    "input_fibres": by_input_fibre,
    "layers": by_layer,
    "tree": by_tree,
    "entries": by_entry,
}
