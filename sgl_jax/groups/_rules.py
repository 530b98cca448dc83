"""The groupings to choose from: functions that make a :class:`~sgl_jax.Grouping`.

The groupings that tell inputs from outputs (:func:`by_filter`, :func:`by_input_channel`,
:func:`by_input_fibre`, :func:`by_neuron`) take kernels only: two axes are dense, four and five a
convolution. Leaves of fewer axes are left alone, and so are leaves called ``bias`` and vectors
called ``b``, which may have further axes of size 1. Kernels with another number of axes could be
laid out in several ways (three axes are a one-dimensional convolution or an attention projection),
so they are refused unless ``only`` names them, and are then taken for convolutions. The groups of
:func:`~sgl_jax.channel_groups` need no such rule: they are read from the network.

Leaves are real: one of integers is left alone, a complex one refused. Keep the real and imaginary
parts of such weights along an axis of their own, which a group spans.
"""

from typing import Literal

from sgl_jax.groups._grouping import KERNELS, Grouping, Kernels, Layout, Role


__all__ = [
    "by_entry",
    "by_filter",
    "by_input_channel",
    "by_input_fibre",
    "by_layer",
    "by_neuron",
    "by_tree",
]


def by_entry(*, only: str | None = None, skip: str | None = None) -> Grouping:
    """Makes every entry of every leaf a group of its own.

    Args:
      only: take leaves whose path this regular expression finds.
      skip: leave out leaves whose path this regular expression finds, ``"bias|scale"``.
    """
    return Grouping("by_entry", span="entry", only=only, skip=skip)


def by_layer(*, only: str | None = None, skip: str | None = None) -> Grouping:
    """Makes every leaf one group. Arguments as in :func:`by_entry`."""
    return Grouping("by_layer", span="leaf", only=only, skip=skip)


def by_tree(*, only: str | None = None, skip: str | None = None) -> Grouping:
    """Makes all leaves together one group. Arguments as in :func:`by_entry`."""
    return Grouping("by_tree", span="tree", only=only, skip=skip)


def by_filter(
    *,
    layout: Layout = "HWIO",
    kernels: Kernels = "all",
    only: str | None = None,
    skip: str | None = None,
) -> Grouping:
    """Groups the weights of one output: a filter ``kernel[..., j]``, a column of a dense kernel.

    Args:
      layout: ``"HWIO"`` (dense kernels (in, out)) or ``"OIHW"`` (dense kernels (out, in)).
      kernels: ``"conv"`` or ``"dense"`` to leave the other kind alone.
      only: take leaves whose path this regular expression finds.
      skip: leave out leaves whose path this regular expression finds.
    """
    return _by_axis("by_filter", "out", "out", kernels, layout, only, skip)


def by_input_channel(
    *,
    layout: Layout = "HWIO",
    kernels: Kernels = "all",
    only: str | None = None,
    skip: str | None = None,
) -> Grouping:
    """Groups the weights of one input, ``kernel[..., i, :]``. Arguments as in :func:`by_filter`."""
    return _by_axis("by_input_channel", "in", "in", kernels, layout, only, skip)


def by_input_fibre(
    *,
    layout: Layout = "HWIO",
    kernels: Kernels = "all",
    only: str | None = None,
    skip: str | None = None,
) -> Grouping:
    """Groups a line along the input axis: ``kernel[y, x, :, j]``, a column of a dense kernel.

    Arguments as in :func:`by_filter`.
    """
    return _by_axis("by_input_fibre", "in", "in", kernels, layout, only, skip, span="fibre")


def by_neuron(
    *,
    layout: Layout = "HWIO",
    kernels: Kernels = "all",
    only: str | None = None,
    skip: str | None = None,
) -> Grouping:
    """Groups as the paper does: filters of convolutions, the weights of one input in dense kernels.

    Arguments as in :func:`by_filter`.
    """
    return _by_axis("by_neuron", "in", "out", kernels, layout, only, skip)


def _by_axis(
    name: str,
    dense: Role,
    conv: Role,
    kernels: Kernels,
    layout: Layout,
    only: str | None,
    skip: str | None,
    span: Literal["fibre"] | None = None,
) -> Grouping:
    if kernels not in KERNELS:
        raise ValueError(f"{name} needs kernels among {', '.join(KERNELS)}, got {kernels!r}.")
    return Grouping(
        name,
        None if kernels == "conv" else dense,
        None if kernels == "dense" else conv,
        span=span,
        layout=layout,
        only=only,
        skip=skip,
    )
