"""A model as functions of its arrays, the state of its training, and one step, all pure."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Int32

from sgl_jax._util.compilation import NO_YNNPACK
from sgl_jax._util.typing import Params


__all__ = ["Network", "TrainState", "cross_entropy", "init_state", "join", "split", "train_step"]


class Network(NamedTuple):
    """A model as functions of its arrays.

    Attributes:
      forward: ``(params, rest, images) -> (logits, rest)``, as in training: dropout draws, running
        statistics move.
      apply: ``((params, rest), images) -> logits``, as in use.
      options: name of the compiler options with which its training step is quickest.
    """

    forward: Callable[[Params, Any, Array], tuple[Array, Any]]
    apply: Callable[[tuple[Params, Any], Array], Array]
    options: str = NO_YNNPACK


class TrainState(NamedTuple):
    """The state of a training, which every step reads and writes.

    Attributes:
      params: the leaves that are trained.
      rest: the model's other leaves (running statistics, random streams); may be empty.
      opt_state: the optimizer's state, from which ``sparse_params`` reads.
      step: number of steps taken.
    """

    params: Params
    rest: Any
    opt_state: optax.OptState
    step: Int32[Array, ""]


def split(model: nnx.Module) -> tuple[Network, Params, Any]:
    """Separates a module into functions and arrays; the module itself stays as it is.

    Args:
      model: the module; its attribute ``compiler_options``, if any, names the options of its step.

    Returns:
      The network, its parameters (``nnx.Param``), and the rest of its arrays.
    """
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    in_training, in_use = (nnx.merge(graphdef, params, rest) for _ in range(2))
    in_training.train()
    in_use.eval()
    training, use = nnx.graphdef(in_training), nnx.graphdef(in_use)

    # Copies, since Flax lets a trace change only those variables that were made in it.
    def forward(params, rest, images):
        module = nnx.merge(training, params, rest, copy=True)
        logits = module(images)
        return logits, nnx.split(module, nnx.Param, ...)[2]

    def apply(variables, images):
        return nnx.merge(use, *variables, copy=True)(images)

    return Network(forward, apply, getattr(model, "compiler_options", NO_YNNPACK)), params, rest


def join(model: nnx.Module, params: Params, rest: Any) -> nnx.Module:
    """Puts arrays into a module, as :func:`split` took them out; the module itself stays as it is.

    Args:
      model: a module with arrays of these shapes.
      params: its parameters.
      rest: the rest of its arrays.
    """
    return nnx.merge(nnx.graphdef(model), params, rest, copy=True)


def init_state(tx: optax.GradientTransformation, params: Params, rest: Any = ()) -> TrainState:
    """Makes the state before the first step, on arrays of its own.

    Every leaf is copied, since the compiled step overwrites its state in place: parameters that
    several runs start from, or that the optimizer keeps a second reference to, stay usable.

    Args:
      tx: any Optax transformation.
      params: the parameters.
      rest: the other leaves of the model.
    """
    state = TrainState(params, rest, tx.init(params), jnp.zeros((), jnp.int32))
    return jax.tree.map(lambda x: x.copy() if isinstance(x, Array) else x, state)


def train_step(
    forward: Callable[..., Any],
    tx: optax.GradientTransformation,
    state: TrainState,
    images: Float[Array, "batch height width channels"],
    labels: Int[Array, "batch"],
) -> tuple[TrainState, Float[Array, ""]]:
    """Takes one optimizer step on the mean cross-entropy of a batch; pure, not compiled.

    Args:
      forward: :attr:`Network.forward`.
      tx: any Optax transformation; one that takes extra arguments gets ``value``, the loss, and
        ``grad``, its gradient.
      state: the state to step from.
      images: float images, as the network takes them.
      labels: class of each image, from 0.

    Returns:
      The next state, and the loss before the step.
    """

    def loss_fn(params):
        logits, rest = forward(params, state.rest, images)
        return cross_entropy(logits, labels).mean(), rest

    (loss, rest), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    update = optax.with_extra_args_support(tx).update
    updates, opt_state = update(grads, state.opt_state, state.params, value=loss, grad=grads)
    params = optax.apply_updates(state.params, updates)
    return TrainState(params, rest, opt_state, state.step + 1), loss


def cross_entropy(
    logits: Float[Array, "batch classes"], labels: Int[Array, "batch"]
) -> Float[Array, "batch"]:
    """Computes the cross-entropy of every example, in nats."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
