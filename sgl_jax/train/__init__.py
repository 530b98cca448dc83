"""Training and testing: pure steps on pytrees, behind one split of the module.

:func:`split` turns a Flax module into functions of its arrays; from there on nothing knows of
modules, and any Optax transformation trains any model. :func:`train_step` is the step as a pure
function, :func:`train_epoch` the compiled loop over the data, :func:`evaluate` the test.
"""

from sgl_jax.train._compile import compiled
from sgl_jax.train._epoch import train_epoch
from sgl_jax.train._evaluation import Evaluation, evaluate
from sgl_jax.train._images import Images, Labels
from sgl_jax.train._step import Network, TrainState, init_state, split, train_step


__all__ = [
    "Evaluation",
    "Images",
    "Labels",
    "Network",
    "TrainState",
    "compiled",
    "evaluate",
    "init_state",
    "split",
    "train_epoch",
    "train_step",
]
