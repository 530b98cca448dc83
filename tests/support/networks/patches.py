"""Networks on patches, of which only the hidden units of the dense layers can be dead."""

import jax
import jax.numpy as jnp
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


class MLP(nnx.Module):
    """Two dense layers with a GELU between them."""

    def __init__(self, size: int, hidden: int, *, rngs: nnx.Rngs) -> None:
        self.fc1 = nnx.Linear(size, hidden, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, size, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.fc2(nnx.gelu(self.fc1(x)))


def embedding(size: int, rngs: nnx.Rngs) -> nnx.Conv:
    """A dense layer on patches of four by four pixels."""
    return nnx.Conv(3, size, (4, 4), (4, 4), padding="VALID", rngs=rngs)


class MixerBlock(nnx.Module):
    """An MLP over the patches, an MLP over the channels, each of a layer norm, plus its input."""

    def __init__(self, tokens, size, widths: Widths, *, rngs: nnx.Rngs) -> None:
        self.norm1 = nnx.LayerNorm(size, rngs=rngs)
        self.over_tokens = MLP(tokens, widths[0], rngs=rngs)
        self.norm2 = nnx.LayerNorm(size, rngs=rngs)
        self.over_channels = MLP(size, widths[1], rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.over_tokens(self.norm1(x).swapaxes(1, 2)).swapaxes(1, 2)
        return x + self.over_channels(self.norm2(x))


class Mixer(nnx.Module):
    """MLP-Mixer (Tolstikhin et al., arXiv 2105.01601) on 16x16 pixels.

    Args:
      widths: for each block the hidden units of its two MLPs.
      size: channels, which layer norms keep from being removed.
    """

    def __init__(self, widths: Widths, size: int = 8, *, rngs: nnx.Rngs) -> None:
        self.embed = embedding(size, rngs)
        pairs = [widths[i : i + 2] for i in range(0, len(widths), 2)]
        self.blocks = nnx.List(MixerBlock(16, size, pair, rngs=rngs) for pair in pairs)
        self.norm = nnx.LayerNorm(size, rngs=rngs)
        self.fc = nnx.Linear(size, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.embed(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        for block in self.blocks:
            x = block(x)
        return self.fc(self.norm(x).mean(axis=1))


def mixer_units(widths: Widths) -> list[Unit]:
    units = []
    for i, width in enumerate(widths):
        name = f"blocks/{i // 2}/over_{('tokens', 'channels')[i % 2]}"
        units.append(unit(width, writes=[f"{name}/fc1"], reads=[f"{name}/fc2"]))
    return units


class ViTBlock(nnx.Module):
    """Self-attention, then an MLP, each of a layer norm, plus its input."""

    def __init__(self, size: int, heads: int, hidden: int, *, rngs: nnx.Rngs) -> None:
        self.norm1 = nnx.LayerNorm(size, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, size, decode=False, rngs=rngs)
        self.norm2 = nnx.LayerNorm(size, rngs=rngs)
        self.mlp = MLP(size, hidden, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nnx.Module):
    """A vision transformer (Dosovitskiy et al., arXiv 2010.11929) on 16x16 pixels.

    Args:
      widths: hidden units of the MLP of each block.
      size: channels, which layer norms keep from being removed.
      heads: of the attention.
    """

    def __init__(self, widths: Widths, size: int = 8, heads: int = 2, *, rngs: nnx.Rngs) -> None:
        self.embed = embedding(size, rngs)
        self.positions = nnx.Param(jnp.zeros((1, 16, size)))
        self.blocks = nnx.List(ViTBlock(size, heads, width, rngs=rngs) for width in widths)
        self.norm = nnx.LayerNorm(size, rngs=rngs)
        self.fc = nnx.Linear(size, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.embed(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1]) + self.positions[...]
        for block in self.blocks:
            x = block(x)
        return self.fc(self.norm(x).mean(axis=1))


def vit_units(widths: Widths) -> list[Unit]:
    names = [f"blocks/{i}/mlp" for i in range(len(widths))]
    return [
        unit(width, writes=[f"{name}/fc1"], reads=[f"{name}/fc2"])
        for width, name in zip(widths, names, strict=True)
    ]


PATCHES = {
    "mixer": Spec(in_nnx(Mixer), mixer_units, (16, 16, 3), (6, 10, 7, 9)),
    "vit": Spec(in_nnx(ViT), vit_units, (16, 16, 3), (10, 12)),
}
