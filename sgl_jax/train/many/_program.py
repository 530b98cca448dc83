"""One epoch of all lanes as one program."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int32, Key, UInt32

from sgl_jax._util.compilation import NO_YNNPACK
from sgl_jax.data import batch_indices, take_batch
from sgl_jax.train import TrainState, train_step
from sgl_jax.train._compile import compiled


__all__ = ["Job", "Keys", "Losses", "compiled_epoch"]

Keys: TypeAlias = Key[Array, "lanes"] | UInt32[Array, "lanes 2"]
Losses: TypeAlias = Float[Array, "lanes epochs"]


class Job(NamedTuple):
    """The part of a training that all lanes share.

    Attributes:
      forward: the network.
      tx: the optimizer.
      x: the images.
      y: their labels.
      batch_size: examples per step of a lane.
      options: name of the compiler options of a step of one lane.
    """

    forward: Callable[..., Any]
    tx: optax.GradientTransformation
    x: Any
    y: Any
    batch_size: int
    options: str = NO_YNNPACK


def _run_epoch(
    forward, tx, batch_size: int, mesh: Mesh | None, states, keys: Keys, x, y, epoch
) -> tuple[TrainState, Float[Array, "lanes"]]:
    """Trains every lane for an epoch; over a mesh each device trains lanes of its own."""
    run = functools.partial(_scan_epoch, forward, tx, batch_size)
    if mesh is not None:
        lanes, whole = PartitionSpec(mesh.axis_names), PartitionSpec()
        run = jax.shard_map(
            run,
            mesh=mesh,
            in_specs=(lanes, lanes, whole, whole, whole),
            out_specs=(lanes, lanes),
            check_vma=False,
        )
    return run(states, keys, x, y, epoch)


def _scan_epoch(forward, tx, batch_size, states, keys, x, y, epoch: Int32[Array, ""]):
    """Scans over the steps of an epoch, each of them taken in all lanes at once."""

    def draw_order(key):
        return batch_indices(jax.random.fold_in(key, epoch), len(y), batch_size)

    def step(state, indices):
        return train_step(forward, tx, state, *take_batch(x, y, indices))

    orders = jnp.swapaxes(jax.vmap(draw_order)(keys), 0, 1)
    states, losses = jax.lax.scan(jax.vmap(step), states, orders)
    return states, losses.mean(axis=0)


compiled_epoch = compiled(_run_epoch, static_argnums=(0, 1, 2, 3), donate_argnums=4)
