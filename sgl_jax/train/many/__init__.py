"""Many trainings of one network at once: seeds, strengths and rates, a lane each.

:func:`grid` lists the lanes, :func:`init_many` makes their states, :func:`train_many` trains them,
compiled once whatever their number, :func:`lane` takes one out again. :func:`memory_of` tells
beforehand what the lanes take side by side.
"""

from sgl_jax.train.many._lanes import (
    grid as grid,
    init_many as init_many,
    lane as lane,
    stack as stack,
)
from sgl_jax.train.many._program import memory_of as memory_of
from sgl_jax.train.many._train import train_many as train_many


__all__ = ["grid", "init_many", "lane", "memory_of", "stack", "train_many"]
