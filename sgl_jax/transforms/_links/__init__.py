"""The parts that the Optax transformations of this package are made of.

A :class:`Link` is a term of the objective with the place of its zeros; :class:`LinkState` is the
one state that all transformations keep of theirs. ``init`` calls :func:`init_state`; ``update``
calls :func:`advance` for the strengths in force, and then adds to the gradients (:func:`add_to`) or
replaces the steps (:func:`replace_steps`).
"""

from sgl_jax.transforms._links._link import (
    GroupsLink as GroupsLink,
    Link as Link,
    RegularizerLink as RegularizerLink,
    Zeros as Zeros,
)
from sgl_jax.transforms._links._state import (
    LinkDef as LinkDef,
    LinkState as LinkState,
    Strengths as Strengths,
    advance as advance,
    init_state as init_state,
)
from sgl_jax.transforms._links._steps import (
    Target as Target,
    add_to as add_to,
    check_sign as check_sign,
    end_of_chain as end_of_chain,
    replace_steps as replace_steps,
    required as required,
    select as select,
    watch_zeros as watch_zeros,
)
from sgl_jax.transforms._links._watch import Checksum as Checksum, Footprint as Footprint


__all__ = [
    "Checksum",
    "Footprint",
    "GroupsLink",
    "Link",
    "LinkDef",
    "LinkState",
    "RegularizerLink",
    "Strengths",
    "Target",
    "Zeros",
    "add_to",
    "advance",
    "check_sign",
    "end_of_chain",
    "init_state",
    "replace_steps",
    "required",
    "select",
    "watch_zeros",
]
