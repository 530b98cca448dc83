"""One epoch of all lanes as one program, and the memory that it takes."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int32, Key, UInt32

from sgl_jax.data import batch_indices, take_batch
from sgl_jax.train import Images, Labels, TrainState, train_step
from sgl_jax.train._compile import compiled
from sgl_jax.train.many._lanes import lanes_of


__all__ = ["Job", "Keys", "Losses", "compiled_epoch", "lanes_that_fit", "memory_of"]

Keys: TypeAlias = Key[Array, "lanes"] | UInt32[Array, "lanes 2"]
Losses: TypeAlias = Float[Array, "lanes epochs"]

_PROBES = 2, 4
"""Numbers of lanes that are compiled to find what a lane takes; with one, XLA drops the axis."""


class Job(NamedTuple):
    """What all lanes have in common.

    Attributes:
      forward: the network.
      tx: the optimizer.
      x: the images.
      y: their labels.
      batch_size: examples per step of a lane.
    """

    forward: Callable[..., Any]
    tx: optax.GradientTransformation
    x: Any
    y: Any
    batch_size: int


def memory_of(
    forward: Callable[..., Any],
    tx: optax.GradientTransformation,
    states: TrainState,
    x: Images,
    y: Labels,
    *,
    batch_size: int,
    lanes: int | None = None,
) -> int:
    """Bytes that a device needs to train so many lanes side by side, by estimate.

    The program is compiled for two lanes and for four, without being run; what XLA allocates for
    it (data, states, intermediate results) is taken to grow by the same amount with every lane.

    Args:
      forward: :attr:`sgl_jax.train.Network.forward`.
      tx: any Optax transformation.
      states: states of :func:`init_many`, of which only shapes are read.
      x: the images to train on, likewise.
      y: their labels, likewise.
      batch_size: examples per step of a lane.
      lanes: how many; by default as many as ``states`` has.
    """
    fixed, each = _line(Job(forward, tx, x, y, batch_size), states)
    return fixed + each * (lanes_of(states) if lanes is None else lanes)


def lanes_that_fit(job: Job, states: TrainState, limit: int, wanted: int) -> int:
    """How many lanes, at most as many as wanted, a device may train at a time within the limit."""
    fixed, each = _line(job, states)
    if fixed + each * wanted <= limit:
        return wanted
    # The states of all lanes stay on the first device while the chunks come and go.
    fixed += sum(leaf.nbytes for leaf in jax.tree.leaves(states))
    if fixed + each > limit:
        raise ValueError(
            f"train_many needs {fixed + each} bytes to train one lane beside the states of all "
            f"{lanes_of(states)}, got {limit}: train fewer lanes at a call, or smaller batches."
        )
    return (limit - fixed) // each


def _line(job: Job, states: TrainState) -> tuple[int, int]:
    """Bytes without any lanes, and bytes per lane."""
    leaves, structure = jax.tree.flatten(states)
    shapes = tuple((leaf.shape[1:], leaf.dtype) for leaf in leaves)
    data = tuple((part.shape, part.dtype) for part in (job.x, job.y))
    return _measured(job.forward, job.tx, job.batch_size, structure, shapes, data)


@functools.lru_cache(maxsize=64)
def _measured(forward, tx, batch_size, structure, shapes, data) -> tuple[int, int]:
    def total(lanes: int) -> int:
        leaves = [jax.ShapeDtypeStruct((lanes, *shape), dtype) for shape, dtype in shapes]
        states = jax.tree.unflatten(structure, leaves)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), lanes))
        x, y = (jax.ShapeDtypeStruct(*part) for part in data)
        number = jax.ShapeDtypeStruct((), jnp.int32)
        arguments = forward, tx, batch_size, None, states, keys, x, y, number
        lowered = compiled_epoch.lower(*arguments)  # pyrefly: ignore
        use = lowered.compile().memory_analysis()
        made = use.output_size_in_bytes - use.alias_size_in_bytes
        return use.argument_size_in_bytes + made + use.temp_size_in_bytes

    few, more = map(total, _PROBES)
    each = max(1, (more - few) // (_PROBES[1] - _PROBES[0]))
    return max(0, more - each * _PROBES[1]), each


def _many_epoch(
    forward, tx, batch_size: int, mesh: Mesh | None, states, keys: Keys, x, y, number
) -> tuple[TrainState, Float[Array, "lanes"]]:
    """An epoch of every lane; over a mesh each device trains lanes of its own."""
    run = functools.partial(_epoch, forward, tx, batch_size)
    if mesh is not None:
        lanes, whole = PartitionSpec(mesh.axis_names), PartitionSpec()
        run = jax.shard_map(
            run,
            mesh=mesh,
            in_specs=(lanes, lanes, whole, whole, whole),
            out_specs=(lanes, lanes),
            check_vma=False,
        )
    return run(states, keys, x, y, number)


def _epoch(forward, tx, batch_size, states, keys, x, y, number: Int32[Array, ""]):
    def order(key):
        return batch_indices(jax.random.fold_in(key, number), len(y), batch_size)

    def step(state, indices):
        return train_step(forward, tx, state, *take_batch(x, y, indices))

    rows = jnp.swapaxes(jax.vmap(order)(keys), 0, 1)
    states, losses = jax.lax.scan(jax.vmap(step), states, rows)
    return states, losses.mean(axis=0)


compiled_epoch = compiled(_many_epoch, static_argnums=(0, 1, 2, 3), donate_argnums=4)
