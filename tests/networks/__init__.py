"""Networks of many kinds, each with the leaves that hold its channels; for compaction."""

from networks._base import (
    Entry as Entry,
    Spec as Spec,
    Unit as Unit,
    kill as kill,
    narrow_by_hand as narrow_by_hand,
    narrow_widths as narrow_widths,
)
from networks.densenet import DENSE
from networks.in_equinox import EQUINOX_NETWORKS
from networks.in_haiku import HAIKU_NETWORKS
from networks.in_linen import LINEN_NETWORKS
from networks.mobilenet import MOBILE
from networks.patches import PATCHES
from networks.plain import PLAIN
from networks.resnet import RESNETS
from networks.squeeze import SQUEEZE
from networks.unet import UNETS
from networks.wide import WIDE


NETWORKS = {
    **PLAIN,
    **RESNETS,
    **WIDE,
    **MOBILE,
    **DENSE,
    **UNETS,
    **SQUEEZE,
    **PATCHES,
    **LINEN_NETWORKS,
    **EQUINOX_NETWORKS,
    **HAIKU_NETWORKS,
}
"""Every network by its name, in small."""
