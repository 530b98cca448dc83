"""Training and testing: pure steps on pytrees, behind one split of the module.

:func:`split` turns a Flax module into functions of its arrays; from there on nothing knows of
modules, and any Optax transformation trains any model. :func:`train_step` is the step as a pure
function, :func:`train_epoch` the compiled loop over the data, :func:`evaluate` the test.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Int32, PRNGKeyArray, UInt8

from sgl_jax._compile import compiled
from sgl_jax._typing import Params
from sgl_jax.data import batch_indices, take_batch


__all__ = [
    "Evaluation",
    "Network",
    "TrainState",
    "compiled",
    "evaluate",
    "init_state",
    "split",
    "train_epoch",
    "train_step",
]

Images = UInt8[Array, "n height width channels"] | UInt8[np.ndarray, "n height width channels"]
Labels = Int32[Array, "n"] | Int32[np.ndarray, "n"]


class Network(NamedTuple):
    """A model as functions of its arrays.

    Attributes:
      forward: ``(params, rest, images) -> (logits, rest)``, as in training: dropout draws, running
        statistics move.
      apply: ``((params, rest), images) -> logits``, as in use.
    """

    forward: Callable[[Params, Any, Array], tuple[Array, Any]]
    apply: Callable[[tuple[Params, Any], Array], Array]


class TrainState(NamedTuple):
    """What a step reads and writes.

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


class Evaluation(NamedTuple):
    """How well a network does on a set of examples.

    Attributes:
      error: share of examples whose largest logit is another class's, 0 to 1.
      loss: mean cross-entropy, in nats.
    """

    error: float
    loss: float


def split(model: nnx.Module) -> tuple[Network, Params, Any]:
    """Separates a module into functions and arrays; the module itself stays as it is.

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

    return Network(forward, apply), params, rest


def init_state(tx: optax.GradientTransformation, params: Params, rest: Any = ()) -> TrainState:
    """The state before the first step, on arrays of its own.

    Every leaf is copied, since the compiled step overwrites its state in place: parameters that
    several runs start from, or that the optimizer keeps a second reference to, stay usable.
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
    """One step of an optimizer on the mean cross-entropy of a batch; pure, not yet compiled.

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
        return _cross_entropy(logits, labels).mean(), rest

    (loss, rest), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    update = optax.with_extra_args_support(tx).update
    updates, opt_state = update(grads, state.opt_state, state.params, value=loss, grad=grads)
    params = optax.apply_updates(state.params, updates)
    return TrainState(params, rest, opt_state, state.step + 1), loss


def train_epoch(
    key: PRNGKeyArray,
    forward: Callable[..., Any],
    tx: optax.GradientTransformation,
    state: TrainState,
    x: Images,
    y: Labels,
    *,
    batch_size: int,
    scan: bool | None = None,
) -> tuple[TrainState, Float[Array, ""]]:
    """One pass over the data in an order drawn from ``key``.

    On a GPU or TPU the epoch is one ``lax.scan``. On a CPU, where XLA runs convolutions inside a
    loop on one thread, the loop is Python's; it never waits for the device, so steps run back to
    back. Either way the caller decides when to read the loss. What runs is compiled once for each
    ``forward`` and ``tx``: pass the same two objects to every epoch. ``state`` is consumed; its
    arrays are deleted.

    Args:
      key: draws the order, the epoch's only randomness besides the model's own.
      forward: :attr:`Network.forward`.
      tx: any Optax transformation.
      state: the state to go on from.
      x: uint8 images; as a JAX array they are not copied to the device again.
      y: labels.
      batch_size: examples per step; see :func:`sgl_jax.data.batch_indices` for the remainder.
      scan: whether the epoch is one compiled loop; ``None`` for what suits the device.

    Returns:
      The state after the epoch, and the mean loss over its steps.

    Raises:
      ValueError: if images and labels differ in number, or ``batch_size`` is not within it.
    """
    x, y = _on_device(x, y)
    order = batch_indices(key, len(y), batch_size)
    if scan is None:
        scan = all(device.platform != "cpu" for device in x.devices())
    if scan:
        return _compiled_epoch(forward, tx, state, x, y, order)
    total = jnp.zeros(())
    for row in range(len(order)):
        state, loss = _compiled_step(forward, tx, state, x, y, order, row)
        total = total + loss
    return state, total / len(order)


def evaluate(
    apply: Callable[[Params, Array], Array],
    params: Params,
    x: Images,
    y: Labels,
    *,
    chunk_size: int = 1000,
) -> Evaluation:
    """Error and loss of a network on a set of examples.

    Args:
      apply: ``(params, images) -> logits``, one and the same object at every call, as it is
        compiled once; with :attr:`Network.apply`, ``params`` is the pair ``(params, rest)``.
      params: what ``apply`` takes; sparse parameters, to measure them.
      x: uint8 images.
      y: labels.
      chunk_size: images in flight, at least 1; the result does not depend on it.

    Raises:
      ValueError: if images and labels differ in number, or there are none.
    """
    x, y = _on_device(x, y)
    chunk = min(chunk_size, len(y))
    # All chunks are dispatched before the first result is read.
    parts = [_compiled_sums(apply, chunk, params, x, y, at) for at in range(0, len(y), chunk)]
    wrong, loss = (sum(part.tolist()) for part in map(jnp.stack, zip(*parts, strict=True)))
    return Evaluation(wrong / len(y), loss / len(y))


def _row_step(forward, tx, state, x, y, order, row):
    return train_step(forward, tx, state, *take_batch(x, y, order[row]))


def _epoch(forward, tx, state, x, y, order):
    def step(state, indices):
        return train_step(forward, tx, state, *take_batch(x, y, indices))

    state, losses = jax.lax.scan(step, state, order)
    return state, losses.mean()


def _chunk_sums(apply, chunk, params, x, y, start):
    """Wrong answers and summed loss of the examples from ``start``, at most ``chunk``."""
    indices = start + jnp.arange(chunk)
    # The last chunk repeats the last example rather than compile for another shape.
    images, labels = take_batch(x, y, jnp.minimum(indices, len(y) - 1))
    logits = apply(params, images)
    counts = indices < len(y)
    wrong = counts & (jnp.argmax(logits, axis=-1) != labels)
    return wrong.sum(), jnp.where(counts, _cross_entropy(logits, labels), 0.0).sum()


_compiled_step = compiled(_row_step, static_argnums=(0, 1), donate_argnums=2)
_compiled_epoch = compiled(_epoch, static_argnums=(0, 1), donate_argnums=2)
_compiled_sums = compiled(_chunk_sums, static_argnums=(0, 1))


def _cross_entropy(logits, labels):
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)


def _on_device(x: Images, y: Labels) -> tuple[Array, Array]:
    if len(x) != len(y) or not len(y):
        raise ValueError(
            f"Every image needs a label and there must be some, got {len(x)} images and "
            f"{len(y)} labels: pass both halves of one split."
        )
    return jnp.asarray(x), jnp.asarray(y)
