"""The compiled loop over the data."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from sgl_jax._util.compilation import NO_YNNPACK
from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.data import Augmentation, batch_indices, keep, take_batch
from sgl_jax.train._compile import compiled
from sgl_jax.train._images import Images, Labels, put_on_device
from sgl_jax.train._step import TrainState, train_step
from sgl_jax.train.placement import Placement


__all__ = ["compile_step", "train_epoch"]


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
    placement: Placement | None = None,
    augment: Augmentation = keep,
    options: str = NO_YNNPACK,
) -> tuple[TrainState, Float[Array, ""]]:
    """Trains for one pass over the data, in an order drawn from ``key``.

    On a GPU or TPU the epoch is one ``lax.scan``. On a CPU, where XLA runs convolutions inside a
    loop on one thread, the loop is Python's; it never waits for the device, so steps run back to
    back. Either way the caller decides when to read the loss. The step is compiled once for each
    ``forward``, ``tx``, ``augment`` and ``options``: pass the same objects to every epoch.
    ``state`` is consumed; its arrays are deleted.

    Args:
      key: draws the order and what ``augment`` changes, the epoch's only randomness besides the
        model's own.
      forward: :attr:`Network.forward`.
      tx: any Optax transformation.
      state: the state to go on from.
      x: uint8 images; as a JAX array they are not copied to the device again.
      y: labels.
      batch_size: examples per step; see :func:`sgl_jax.data.batch_indices` for the remainder.
      scan: if true, the epoch is one compiled loop; ``None`` for what suits the device.
      placement: many devices to train on, where the state then lies; every batch is split over
        them. A step is the same as on one device but for rounding.
      augment: changes every batch at random; see :data:`sgl_jax.data.AUGMENTATIONS`.
      options: :attr:`Network.options`; elsewhere than on a CPU there are none.

    Returns:
      The state after the epoch, and the mean loss over its steps.

    Raises:
      ValueError: if images and labels differ in number, ``batch_size`` is not within it, or
        the devices cannot share a batch evenly.
    """
    x, y = put_on_device(x, y)
    order = batch_indices(key, len(y), batch_size)
    if placement is not None:
        placement.check_batch(batch_size)
        state, (x, y, order) = placement.place(state), placement.copy((x, y, order))
        key = placement.copy(key)
    if scan is None:
        scan = all(device.platform != "cpu" for device in x.sharding.device_set)
    raise_if_stopped()
    program = forward, tx, placement, augment
    if scan:
        return _compile_epoch(options)(*program, state, key, x, y, order)
    losses, step = [], compile_step(options)
    for row in range(len(order)):
        raise_if_stopped()
        state, loss = step(*program, state, key, x, y, order, row)
        losses.append(loss if placement is None else placement.settled(loss))
    return state, sum(losses[1:], losses[0]) / len(order)


def _take_step(forward, tx, placement, augment, state, key, x, y, order, row):
    """Takes the step of one row of the order, an index that is traced, over all devices."""
    images, labels = take_batch(x, y, order[row])
    # Beyond the rows, as the order was drawn from keys that are made of this one alone.
    key = jax.random.fold_in(jax.random.fold_in(key, len(order)), row)
    batch = augment(key, images), labels
    if placement is None:
        return train_step(forward, tx, state, *batch)

    def gathering(params, rest, images):
        return forward(placement.whole(params), rest, images)

    state, loss = train_step(gathering, tx, state, *placement.split(batch))
    return placement.keep(state), loss


def _epoch(forward, tx, placement, augment, state, key, x, y, order):
    """Takes the steps of all rows of the order in one loop."""

    def step(state, row):
        return _take_step(forward, tx, placement, augment, state, key, x, y, order, row)

    state, losses = jax.lax.scan(step, state, jnp.arange(len(order)))
    return state, losses.mean()


@cache
def compile_step(options: str) -> Callable[..., Any]:
    """Compiles the step of one row of the order, once for every name of compiler options."""
    return compiled(_take_step, options, static_argnums=(0, 1, 2, 3), donate_argnums=4)


@cache
def _compile_epoch(options: str) -> Callable[..., Any]:
    return compiled(_epoch, options, static_argnums=(0, 1, 2, 3), donate_argnums=4)
