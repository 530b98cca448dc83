"""LeNet-5 and a residual network in Haiku; the tree is ``(parameters, state)``."""

import functools
from collections.abc import Callable

import haiku
import jax
import jax.numpy as jnp

from support.networks._base import Make, Spec, Widths
from support.networks._residual import SMALL, residual_units
from support.networks._values import fill
from support.networks._wiring import Wiring
from support.networks.plain import lenet5_units


HAIKU = Wiring(
    kernel="0/{}/w",
    bias="0/{}/b",
    scale="0/{}/scale",
    shift="0/{}/offset",
    statistics=tuple(
        f"1/{{}}/~/{moment}_ema/{kind}"
        for moment in ("mean", "var")
        for kind in ("average", "hidden")
    ),
)


def lenet5(widths: Widths, x: jax.Array, is_training: bool) -> jax.Array:
    """As in :class:`sgl_jax.models.LeNet5`."""
    filters1, filters2, units = widths
    x = jax.nn.relu(haiku.Conv2D(filters1, 5, padding="VALID", name="conv1")(x))
    x = haiku.max_pool(x, (2, 2, 1), (2, 2, 1), "VALID")
    x = jax.nn.relu(haiku.Conv2D(filters2, 5, padding="VALID", name="conv2")(x))
    x = haiku.Flatten()(haiku.max_pool(x, (2, 2, 1), (2, 2, 1), "VALID"))
    return haiku.Linear(10, name="fc2")(jax.nn.relu(haiku.Linear(units, name="fc1")(x)))


def residual(widths: Widths, x: jax.Array, is_training: bool) -> jax.Array:
    """The network of :mod:`networks._residual`."""

    def layer(i, x, width, size=3, stride=1):
        x = haiku.Conv2D(width, size, stride, name=f"conv{i}")(x)
        return haiku.BatchNorm(True, True, 0.9, name=f"norm{i}")(x, is_training)

    first, inner1, second, inner2 = widths
    x = jax.nn.relu(layer(0, x, first))
    x = jax.nn.relu(x + layer(2, jax.nn.relu(layer(1, x, inner1)), first))
    y = layer(4, jax.nn.relu(layer(3, x, inner2, stride=2)), second)
    x = jax.nn.relu(layer(5, x, second, size=1, stride=2) + y)
    return haiku.Linear(10, name="fc")(x.mean(axis=(1, 2)))


def make(forward: Callable[..., jax.Array], shape: tuple[int, ...]) -> Make:
    def build(widths, seed):
        network = haiku.without_apply_rng(
            haiku.transform_with_state(functools.partial(forward, widths))
        )
        init = functools.partial(network.init, is_training=True)
        with jax.numpy_dtype_promotion("standard"):  # for the averages of Haiku's batch norm
            blank = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, *shape), jnp.float32))
        return lambda params, x: network.apply(*params, x, False)[0], fill(blank, seed)

    return build


HAIKU_NETWORKS = {
    "haiku_lenet5": Spec(
        make(lenet5, (28, 28, 1)),
        functools.partial(lenet5_units, wiring=HAIKU),
        (28, 28, 1),
        (6, 8, 12),
    ),
    "haiku_residual": Spec(
        make(residual, (16, 16, 3)),
        functools.partial(residual_units, wiring=HAIKU),
        (16, 16, 3),
        SMALL,
    ),
}
