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
from networks.mobilenet import MOBILE
from networks.plain import PLAIN
from networks.resnet import RESNETS
from networks.wide import WIDE


NETWORKS = {**PLAIN, **RESNETS, **WIDE, **MOBILE, **DENSE}
"""Every network by its name, in small."""
