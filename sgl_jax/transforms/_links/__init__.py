"""What Optax links are made of.

A :class:`Link` says what is done to the gradients or to the step. Its state keeps its strengths by
name and the rest as a static plan, so that the views of :mod:`sgl_jax.transforms` find and read it
wherever it is in an Optax state.
"""

from sgl_jax.transforms._links._footprint import Checksum as Checksum, Footprint as Footprint
from sgl_jax.transforms._links._last import (
    GroupsLink as GroupsLink,
    LastLink as LastLink,
    LastState as LastState,
    landed as landed,
    last as last,
    started as started,
)
from sgl_jax.transforms._links._link import (
    CopyState as CopyState,
    Leaves as Leaves,
    Link as Link,
    LinkState as LinkState,
    Plan as Plan,
    RegularizerLink as RegularizerLink,
    Strengths as Strengths,
    added as added,
    check_sign as check_sign,
    in_force as in_force,
    planned as planned,
    required as required,
    select as select,
    updated as updated,
)


__all__ = [
    "Checksum",
    "CopyState",
    "Footprint",
    "GroupsLink",
    "LastLink",
    "LastState",
    "Leaves",
    "Link",
    "LinkState",
    "Plan",
    "RegularizerLink",
    "Strengths",
    "added",
    "check_sign",
    "in_force",
    "landed",
    "last",
    "planned",
    "required",
    "select",
    "started",
    "updated",
]
