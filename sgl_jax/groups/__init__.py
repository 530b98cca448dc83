r"""Groups: the sets of entries that shrink together, and the rules that find them.

There is one notion of group, and a single entry is a group of one. A :class:`GroupFamily` holds
disjoint groups that live in the same leaves: all filters of one kernel, say. :class:`Groups` has
the families of a whole tree of parameters, static and hashable; the groupings find them. The
regularizers, the metrics and the optimizer links all read the same groups.

A family that lives in one leaf is reduced along plain axes, with ``keepdims``. A family that spans
leaves (the kernel, bias and scale of a channel), or whose groups are an index map over positions
(channels behind a concatenation, a flattening, a grouped convolution), is reduced per leaf,
gathered by the index, and summed. The methods of :class:`GroupFamily` do either, so code that is
written with them works for both.
"""

from sgl_jax.groups._family import Group as Group, GroupFamily as GroupFamily
from sgl_jax.groups._grouping import (
    LAYOUTS as LAYOUTS,
    Grouping as Grouping,
    GroupingLike as GroupingLike,
    Layout as Layout,
    resolved_groups as resolved_groups,
    resolved_paths as resolved_paths,
)
from sgl_jax.groups._groups import Groups as Groups
from sgl_jax.groups._member import Member as Member
from sgl_jax.groups._rules import (
    by_entry as by_entry,
    by_filter as by_filter,
    by_input_channel as by_input_channel,
    by_input_fibre as by_input_fibre,
    by_layer as by_layer,
    by_neuron as by_neuron,
    by_tree as by_tree,
)


__all__ = [
    "LAYOUTS",
    "Group",
    "GroupFamily",
    "Grouping",
    "GroupingLike",
    "Groups",
    "Layout",
    "Member",
    "by_entry",
    "by_filter",
    "by_input_channel",
    "by_input_fibre",
    "by_layer",
    "by_neuron",
    "by_tree",
    "resolved_groups",
    "resolved_paths",
]
