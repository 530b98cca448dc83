"""The compiled loop over the data."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from sgl_jax._compile import compiled
from sgl_jax.data import batch_indices, take_batch
from sgl_jax.train._images import Images, Labels, on_device
from sgl_jax.train._step import TrainState, train_step


__all__ = ["compiled_step", "train_epoch"]


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
    x, y = on_device(x, y)
    order = batch_indices(key, len(y), batch_size)
    if scan is None:
        scan = all(device.platform != "cpu" for device in x.devices())
    if scan:
        return _compiled_epoch(forward, tx, state, x, y, order)
    total = jnp.zeros(())
    for row in range(len(order)):
        state, loss = compiled_step(forward, tx, state, x, y, order, row)
        total = total + loss
    return state, total / len(order)


def _row_step(forward, tx, state, x, y, order, row):
    return train_step(forward, tx, state, *take_batch(x, y, order[row]))


def _epoch(forward, tx, state, x, y, order):
    def step(state, indices):
        return train_step(forward, tx, state, *take_batch(x, y, indices))

    state, losses = jax.lax.scan(step, state, order)
    return state, losses.mean()


compiled_step = compiled(_row_step, static_argnums=(0, 1), donate_argnums=2)
_compiled_epoch = compiled(_epoch, static_argnums=(0, 1), donate_argnums=2)
