"""Error and loss of a network on a set of examples."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.signals import raise_if_stopped
from sgl_jax._util.typing import Params
from sgl_jax.data import take_batch
from sgl_jax.train._compile import compiled
from sgl_jax.train._images import Images, Labels, put_on_device
from sgl_jax.train._step import cross_entropy
from sgl_jax.train.placement import Placement


__all__ = ["Evaluation", "evaluate"]


class Evaluation(NamedTuple):
    """Error and loss of a network on a set of examples.

    Attributes:
      error: share of examples whose largest logit is another class's, 0 to 1.
      loss: mean cross-entropy, in nats.
    """

    error: float
    loss: float


def evaluate(
    apply: Callable[[Params, Array], Array],
    params: Params,
    x: Images,
    y: Labels,
    *,
    chunk_size: int = 1000,
    placement: Placement | None = None,
) -> Evaluation:
    """Measures error and loss of a network on a set of examples.

    Args:
      apply: ``(params, images) -> logits``, one and the same object at every call, as it is
        compiled once; with :attr:`Network.apply`, ``params`` is the pair ``(params, rest)``.
      params: the first argument of ``apply``; sparse parameters, to measure them.
      x: uint8 images.
      y: labels.
      chunk_size: images in flight, at least 1; the result does not depend on it.
      placement: many devices to test on; the images in flight are split over them.

    Returns:
      Both figures, as numbers of the host.

    Raises:
      ValueError: if images and labels differ in number, or there are none; or a ``chunk_size``
        below 1.
    """
    if chunk_size < 1:
        raise ValueError(f"evaluate needs chunk_size of at least 1, got chunk_size={chunk_size}.")
    x, y = put_on_device(x, y)
    chunk = min(chunk_size, len(y))
    if placement is not None:
        params, (x, y) = placement.place(params), placement.copy((x, y))
        chunk += -chunk % placement.mesh.size
    # All chunks are dispatched before the first result is read, where they may be.
    parts = []
    for start in range(0, len(y), chunk):
        raise_if_stopped()
        sums = _compiled_sum(apply, chunk, placement, params, x, y, start)
        parts.append(sums if placement is None else placement.settled(sums))
    wrong, loss = (sum(part.tolist()) for part in map(jnp.stack, zip(*parts, strict=True)))
    return Evaluation(wrong / len(y), loss / len(y))


def _sum_chunk(apply, chunk, placement, params, x, y, start):
    """Sums wrong answers and loss of the examples from ``start``, at most ``chunk`` of them."""
    indices = start + jnp.arange(chunk)
    # The last chunk repeats the last example rather than compile for another shape.
    images, labels = take_batch(x, y, jnp.minimum(indices, len(y) - 1))
    if placement is not None:
        images, labels = placement.split((images, labels))
    logits = apply(params, images)
    counts = indices < len(y)
    wrong = counts & (jnp.argmax(logits, axis=-1) != labels)
    return wrong.sum(), jnp.where(counts, cross_entropy(logits, labels), 0.0).sum()


_compiled_sum = compiled(_sum_chunk, static_argnums=(0, 1, 2))
