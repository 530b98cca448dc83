"""Training and testing: pure steps on pytrees, behind one split of the module.

In the order in which data flow:

- ``_step``: :func:`split` turns a Flax module into functions of its arrays (from there on nothing
  knows of modules), :func:`init_state` makes the state, :func:`train_step` is one pure step of any
  Optax transformation on any model;
- ``_reparametrized``: :func:`reparametrize`, a network whose weights are drawn from others;
- ``_images``: images and labels, checked and put on the device;
- ``_compile``: :func:`compiled`, ``jax.jit`` with the options that suit a training step;
  :func:`compile_quickest` chooses the options of a function by measurement;
- ``_epoch``: :func:`train_epoch`, the compiled loop over the data;
- ``_evaluation``: :func:`evaluate`, the test;
- ``placement``: one training on many devices, its data split, its parameters copied or split;
- ``processes``: several processes that train together, of which the first writes;
- ``many``: many trainings of one network at once, a lane each.
"""

from sgl_jax._util.compilation import compile_quickest
from sgl_jax.train._compile import compiled
from sgl_jax.train._epoch import train_epoch
from sgl_jax.train._evaluation import Evaluation, evaluate
from sgl_jax.train._images import Images, Labels
from sgl_jax.train._reparametrized import reparametrize
from sgl_jax.train._step import (
    Network,
    TrainState,
    cross_entropy,
    init_state,
    join,
    split,
    train_step,
)


__all__ = [
    "Evaluation",
    "Images",
    "Labels",
    "Network",
    "TrainState",
    "compile_quickest",
    "compiled",
    "cross_entropy",
    "evaluate",
    "init_state",
    "join",
    "reparametrize",
    "split",
    "train_epoch",
    "train_step",
]
