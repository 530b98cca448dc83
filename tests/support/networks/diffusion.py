"""A denoising network of group norms, told the time, with attention at its coarsest pixels."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import Place, Wiring, flattened_first
from support.networks.unet import double


SIZE = 2
"""Channels of a group of a norm, and of a head."""

WITHOUT_STATISTICS = Wiring(statistics=())


class Residual(nnx.Module):
    """Norm-SiLU-conv twice, with the time between, plus a layer of the input."""

    def __init__(self, widths: Widths, *, rngs: nnx.Rngs) -> None:
        inputs, inner, stream, times = widths
        self.norm1 = nnx.GroupNorm(inputs * SIZE, num_groups=inputs, rngs=rngs)
        self.conv1 = nnx.Conv(inputs * SIZE, inner * SIZE, (3, 3), rngs=rngs)
        self.time = nnx.Linear(times, inner * SIZE, rngs=rngs)
        self.norm2 = nnx.GroupNorm(inner * SIZE, num_groups=inner, rngs=rngs)
        self.conv2 = nnx.Conv(inner * SIZE, stream * SIZE, (3, 3), rngs=rngs)
        self.short = nnx.Linear(inputs * SIZE, stream * SIZE, rngs=rngs)

    def __call__(self, x: jax.Array, time: jax.Array) -> jax.Array:
        y = self.conv1(nnx.silu(self.norm1(x))) + self.time(time)[:, None, None]
        return self.short(x) + self.conv2(nnx.silu(self.norm2(y)))


class Attention(nnx.Module):
    """Attention of all pixels to all, plus the input."""

    def __init__(self, stream: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.norm = nnx.GroupNorm(stream * SIZE, num_groups=stream, rngs=rngs)
        self.qkv = nnx.Linear(stream * SIZE, 3 * heads * SIZE, rngs=rngs)
        self.out = nnx.Linear(heads * SIZE, stream * SIZE, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        heads = self.out.in_features // SIZE
        y = self.qkv(self.norm(x)).reshape(x.shape[0], -1, 3 * heads, SIZE)
        q, k, v = jnp.split(y, 3, axis=2)
        y = nnx.dot_product_attention(q, k, v).reshape(*x.shape[:3], -1)
        return x + self.out(y)


class Diffusion(nnx.Module):
    """The network of DDPM (Ho et al., arXiv 2006.11239) with one level below the finest.

    Args:
      widths: features of the time, then groups of channels: of the fine level, inside of the block
        below it, of the coarse level; heads; and groups inside of the block that reads both levels,
        and behind it.
    """

    def __init__(self, widths: Widths, *, rngs: nnx.Rngs) -> None:
        times, fine, inner1, coarse, heads, inner2, last = widths
        self.time = nnx.Linear(6, times, rngs=rngs)
        self.stem = nnx.Conv(2, fine * SIZE, (3, 3), rngs=rngs)
        self.down = Residual((fine, inner1, coarse, times), rngs=rngs)
        self.attention = Attention(coarse, heads, rngs=rngs)
        self.up = Residual((fine + coarse, inner2, last, times), rngs=rngs)
        self.norm = nnx.GroupNorm(last * SIZE, num_groups=last, rngs=rngs)
        self.out = nnx.Conv(last * SIZE, 2, (3, 3), rngs=rngs)

    def __call__(self, x: tuple[jax.Array, jax.Array]) -> jax.Array:
        images, times = x
        angles = times[:, None] * jnp.arange(1, 4, dtype=times.dtype)[None]
        time = nnx.silu(self.time(jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)))
        fine = self.stem(images)
        x = self.down(nnx.max_pool(fine, (2, 2), (2, 2)), time)
        x = self.attention(x)
        x = self.up(jnp.concatenate([fine, double(x)], axis=-1), time)
        return self.out(nnx.silu(self.norm(x)))


def units(widths: Widths) -> list[Unit]:
    """Features of the time, groups of channels, and heads."""
    times, fine, inner1, coarse, heads, inner2, last = widths

    def coarse_of(name):
        return name, flattened_first(coarse, SIZE) + fine * SIZE

    def inside(width, block):
        made = [f"{block}/conv1", f"{block}/time"]
        return grouped(width, writes=made, norms=[f"{block}/norm2"], reads=[f"{block}/conv2"])

    q, k, v = (("attention/qkv", flattened_first(heads, SIZE) + i * heads * SIZE) for i in range(3))
    return [
        WITHOUT_STATISTICS.unit(times, writes=["time"], reads=["down/time", "up/time"]),
        grouped(
            fine,
            writes=["stem"],
            norms=["down/norm1", "up/norm1"],
            reads=["down/conv1", "down/short", "up/conv1", "up/short"],
        ),
        inside(inner1, "down"),
        grouped(
            coarse,
            writes=["down/short", "down/conv2", "attention/out"],
            norms=["attention/norm", coarse_of("up/norm1")],
            reads=["attention/qkv", *map(coarse_of, ("up/conv1", "up/short"))],
        ),
        grouped(heads, gates=[q, k], writes=[v], reads=["attention/out"]),
        inside(inner2, "up"),
        grouped(last, writes=["up/short", "up/conv2"], norms=["norm"], reads=["out"]),
    ]


def grouped(width: int, **places: Sequence[Place]) -> Unit:
    """A unit of SIZE channels each."""
    rows = flattened_first(width, SIZE)
    return WITHOUT_STATISTICS.unit(
        width,
        **{
            part: [(name, rows) if isinstance(name, str) else name for name in names]
            for part, names in places.items()
        },
    )


def draw(key: jax.Array, batch: int) -> tuple[jax.Array, jax.Array]:
    """Images and times."""
    images, times = jax.random.split(key)
    return jax.random.normal(images, (batch, 4, 4, 2)), jax.random.uniform(times, (batch,))


DIFFUSION = {"diffusion": Spec(in_nnx(Diffusion), units, (), (5, 3, 4, 5, 3, 4, 3), draw=draw)}
