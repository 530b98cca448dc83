"""An autoencoder that draws between a convolution and a transposed one."""

import jax
import jax.numpy as jnp
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import flattened, unit


PIXELS = 4


class VAE(nnx.Module):
    """A variational autoencoder (Kingma, Welling, arXiv 1312.6114) of 8x8 pixels and noise.

    Args:
      widths: channels of the encoder, channels of the decoder before its first and before its
        second transposed convolution.
      latent: latent variables, as many as the noise has.
    """

    def __init__(self, widths: Widths, latent: int = 3, *, rngs: nnx.Rngs) -> None:
        filters, first, second = widths
        self.conv = nnx.Conv(1, filters, (3, 3), 2, rngs=rngs)
        self.mean = nnx.Linear(4 * PIXELS * filters, latent, rngs=rngs)
        self.spread = nnx.Linear(4 * PIXELS * filters, latent, rngs=rngs)
        self.fc = nnx.Linear(latent, PIXELS * first, rngs=rngs)
        self.up1 = nnx.ConvTranspose(first, second, (3, 3), (2, 2), rngs=rngs)
        self.up2 = nnx.ConvTranspose(second, 1, (2, 2), (2, 2), padding="VALID", rngs=rngs)

    def __call__(self, x: tuple[jax.Array, jax.Array]) -> jax.Array:
        images, noise = x
        x = nnx.relu(self.conv(images)).reshape(images.shape[0], -1)
        x = self.mean(x) + jnp.exp(0.5 * self.spread(x)) * noise
        x = nnx.relu(self.fc(x)).reshape(images.shape[0], 2, 2, -1)
        return self.up2(nnx.relu(self.up1(x)))


def units(widths: Widths) -> list[Unit]:
    filters, first, second = widths
    pixels, corners = flattened(filters, 4 * PIXELS), flattened(first, PIXELS)
    return [
        unit(filters, writes=["conv"], reads=[("mean", pixels), ("spread", pixels)]),
        unit(first, writes=[("fc", corners)], reads=["up1"]),
        unit(second, writes=["up1"], reads=["up2"]),
    ]


def draw(key: jax.Array, batch: int) -> tuple[jax.Array, jax.Array]:
    """Images and noise."""
    images, noise = jax.random.split(key)
    return jax.random.normal(images, (batch, 8, 8, 1)), jax.random.normal(noise, (batch, 3))


VAES = {"vae": Spec(in_nnx(VAE), units, (), (5, 6, 7), draw=draw)}
