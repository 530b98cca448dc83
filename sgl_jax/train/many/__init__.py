"""Many trainings of one network at once: seeds, strengths and rates, a lane each.

In the order in which data flow:

- ``_lanes``: :func:`grid` lists the lanes, :func:`stack` and :func:`init_many` make their states,
  :func:`lane` takes one out again;
- ``_train``: :func:`train_many` chooses between the two ways of training them;
- ``_vectorized``: side by side, in chunks that fit into the memory;
- ``_sequential``: one after the other, or one on each device;
- ``_program``: an epoch of all lanes as one program, compiled once whatever their number;
- ``_memory``: :func:`memory_of` estimates the memory of that program, and so the size of a chunk;
- ``_indexing``: lanes taken out of stacked trees and put back.
"""

from sgl_jax.train.many._lanes import (
    grid as grid,
    init_many as init_many,
    lane as lane,
    stack as stack,
)
from sgl_jax.train.many._memory import memory_of as memory_of
from sgl_jax.train.many._train import train_many as train_many


__all__ = ["grid", "init_many", "lane", "memory_of", "stack", "train_many"]
