"""LeNet-5 and a residual network in Flax Linen; the tree is the dict of all collections."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen

from support.networks._base import Make, Spec, Widths
from support.networks._residual import SMALL, residual_units
from support.networks._values import fill
from support.networks._wiring import Wiring
from support.networks.plain import lenet5_units


LINEN = Wiring(
    kernel="params/{}/kernel",
    bias="params/{}/bias",
    scale="params/{}/scale",
    shift="params/{}/bias",
    statistics=("batch_stats/{}/mean", "batch_stats/{}/var"),
)


class LeNet5(linen.Module):
    """As in :class:`sgl_jax.models.LeNet5`."""

    widths: Widths

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        filters1, filters2, units = self.widths
        x = linen.relu(linen.Conv(filters1, (5, 5), padding="VALID", name="conv1")(x))
        x = linen.max_pool(x, (2, 2), (2, 2))
        x = linen.relu(linen.Conv(filters2, (5, 5), padding="VALID", name="conv2")(x))
        x = linen.max_pool(x, (2, 2), (2, 2)).reshape(x.shape[0], -1)
        return linen.Dense(10, name="fc2")(linen.relu(linen.Dense(units, name="fc1")(x)))


class Residual(linen.Module):
    """The network of :mod:`networks._residual`."""

    widths: Widths

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def layer(i, x, width, size=3, stride=1):
            x = linen.Conv(width, (size, size), stride, name=f"conv{i}")(x)
            return linen.BatchNorm(use_running_average=True, name=f"norm{i}")(x)

        first, inner1, second, inner2 = self.widths
        x = linen.relu(layer(0, x, first))
        x = linen.relu(x + layer(2, linen.relu(layer(1, x, inner1)), first))
        y = layer(4, linen.relu(layer(3, x, inner2, stride=2)), second)
        x = linen.relu(layer(5, x, second, size=1, stride=2) + y)
        return linen.Dense(10, name="fc")(x.mean(axis=(1, 2)))


def make(model: Callable[..., linen.Module], shape: tuple[int, ...]) -> Make:
    def build(widths, seed):
        module = model(widths)
        blank = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, *shape), jnp.float32))
        return module.apply, fill(blank, seed)

    return build


LINEN_NETWORKS = {
    "linen_lenet5": Spec(
        make(LeNet5, (28, 28, 1)),
        functools.partial(lenet5_units, wiring=LINEN),
        (28, 28, 1),
        (6, 8, 12),
    ),
    "linen_residual": Spec(
        make(Residual, (16, 16, 3)),
        functools.partial(residual_units, wiring=LINEN),
        (16, 16, 3),
        SMALL,
    ),
}
