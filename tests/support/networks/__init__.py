"""Networks of many kinds, each with the leaves that hold its channels; for compaction."""

import functools
from collections.abc import Iterable
from typing import Any

from support.networks._base import (
    Entry as Entry,
    Spec as Spec,
    Unit as Unit,
    kill as kill,
    narrow_by_hand as narrow_by_hand,
    narrow_widths as narrow_widths,
    trained as trained,
    with_trained as with_trained,
)
from support.tiers import usual


def __getattr__(name: str) -> dict[str, Spec]:
    """``NETWORKS``, every network by its name, in small; its frameworks are imported for it."""
    if name != "NETWORKS":
        raise AttributeError(name)
    return _networks()


@functools.cache
def _networks() -> dict[str, Spec]:
    from support.networks.bert import BERT
    from support.networks.convnext import CONVNEXT
    from support.networks.densenet import DENSE
    from support.networks.diffusion import DIFFUSION
    from support.networks.experts import MIXTURES
    from support.networks.gpt import GPTS
    from support.networks.graph import GRAPH
    from support.networks.in_equinox import EQUINOX_NETWORKS
    from support.networks.in_haiku import HAIKU_NETWORKS
    from support.networks.in_linen import LINEN_NETWORKS
    from support.networks.layer_norms import LAYER_NORMS
    from support.networks.llama import LLAMA
    from support.networks.mamba import MAMBA
    from support.networks.mobilenet import MOBILE
    from support.networks.patches import PATCHES
    from support.networks.plain import PLAIN
    from support.networks.recurrent import RECURRENT
    from support.networks.resnet import RESNETS
    from support.networks.resnext import RESNEXT
    from support.networks.scanned import SCANNED
    from support.networks.squeeze import SQUEEZE
    from support.networks.unet import UNETS
    from support.networks.vae import VAES
    from support.networks.vit import VIT
    from support.networks.wide import WIDE

    nnx = PLAIN | RESNETS | WIDE | MOBILE | DENSE | UNETS | SQUEEZE | PATCHES
    nnx |= RESNEXT | VAES | DIFFUSION
    functions = VIT | GPTS | BERT | LLAMA | MAMBA | SCANNED | MIXTURES | GRAPH | CONVNEXT
    return (
        nnx
        | LINEN_NETWORKS
        | EQUINOX_NETWORKS
        | HAIKU_NETWORKS
        | RECURRENT
        | LAYER_NORMS
        | functions
    )


FEW = (
    "densenet",
    "equinox_residual",
    "haiku_lenet5",
    "lenet5",
    "linen_lenet5",
    "llama",
    "lstm",
    "mobilenet",
    "vit_flat",
)
"""A small network of each framework: plain, with sums, with concatenations, by depth; attention
behind a reshape and with shared keys; a loop."""


DEEP = "resnet56_identity", "resnet56_projection", "wrn28_10"
"""Networks that repeat the blocks of others, and take long to compile."""


def sparing(names: Iterable[str], chosen: Iterable[str] = FEW) -> list[Any]:
    """Names for ``parametrize``, in the first tier the chosen ones."""
    return usual(names, chosen)
