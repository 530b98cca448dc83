"""Layers whose arrays have become narrower are those that are built narrow, sizes and all."""

import jax
import pytest
from flax import nnx

from sgl_jax.compaction.flax import SIZES, resize
from sgl_jax.models import MODELS


LAYERS = {
    "batch_norm": lambda n, rngs: nnx.BatchNorm(n, rngs=rngs),
    "conv": lambda n, rngs: nnx.Conv(n, n + 1, (3, 3), rngs=rngs),
    "conv_1d": lambda n, rngs: nnx.Conv(n, n + 1, 3, use_bias=False, rngs=rngs),
    "depthwise": lambda n, rngs: nnx.Conv(n, n, (3, 3), feature_group_count=n, rngs=rngs),
    "multiplied": lambda n, rngs: nnx.Conv(n, 2 * n, (3, 3), feature_group_count=n, rngs=rngs),
    "grouped": lambda n, rngs: nnx.Conv(2 * n, 3 * n, (3, 3), feature_group_count=n, rngs=rngs),
    "conv_transpose": lambda n, rngs: nnx.ConvTranspose(n, n + 1, (3, 3), rngs=rngs),
    "transposed": lambda n, rngs: nnx.ConvTranspose(
        n, n + 1, (3, 3), transpose_kernel=True, rngs=rngs
    ),
    "einsum": lambda n, rngs: nnx.Einsum("bi,io->bo", (n, n + 1), (n + 1,), rngs=rngs),
    "einsum_without_bias": lambda n, rngs: nnx.Einsum("bi,io->bo", (n, n + 1), rngs=rngs),
    "embed": lambda n, rngs: nnx.Embed(n, n + 1, rngs=rngs),
    "group_norm": lambda n, rngs: nnx.GroupNorm(4 * n, num_groups=None, group_size=4, rngs=rngs),
    "gru_cell": lambda n, rngs: nnx.GRUCell(n, n + 1, rngs=rngs),
    "instance_norm": lambda n, rngs: nnx.InstanceNorm(n, rngs=rngs),
    "layer_norm": lambda n, rngs: nnx.LayerNorm(n, rngs=rngs),
    "linear": lambda n, rngs: nnx.Linear(n, n + 1, rngs=rngs),
    "linear_general": lambda n, rngs: nnx.LinearGeneral(
        (n, n + 1), (n + 2, 2), axis=(1, 2), batch_axis={0: n + 3}, rngs=rngs
    ),
    "lora": lambda n, rngs: nnx.LoRA(n, 2, n + 1, rngs=rngs),
    "lora_linear": lambda n, rngs: nnx.LoRALinear(n, n + 1, lora_rank=2, rngs=rngs),
    "attention": lambda n, rngs: nnx.MultiHeadAttention(
        2 * n,
        n + 1,
        6 * n,
        n + 2,
        in_kv_features=n + 3,
        num_kv_heads=n,
        decode=False,
        normalize_qk=True,
        rngs=rngs,
    ),
    "lstm_cell": lambda n, rngs: nnx.LSTMCell(n, n + 1, rngs=rngs),
    "optimized_lstm_cell": lambda n, rngs: nnx.OptimizedLSTMCell(n, n + 1, rngs=rngs),
    "rms_norm": lambda n, rngs: nnx.RMSNorm(n, rngs=rngs),
    "simple_cell": lambda n, rngs: nnx.SimpleCell(n, n + 1, rngs=rngs),
    "scale_alone": lambda n, rngs: nnx.BatchNorm(n, use_bias=False, rngs=rngs),
    "subclass": lambda n, rngs: Doubled(n, n + 1, rngs=rngs),
}


def made(name, n):
    return nnx.eval_shape(lambda: LAYERS[name](n, nnx.Rngs(0)))


class Doubled(nnx.Linear):
    """Twice a linear layer."""

    def __call__(self, x):
        return 2 * super().__call__(x)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_takes_on_the_sizes_of_its_arrays(name):
    wide, narrow = (made(name, n) for n in (5, 3))
    layer = nnx.merge(nnx.graphdef(wide), nnx.state(narrow))
    resize(layer)
    assert nnx.graphdef(layer) == nnx.graphdef(narrow) != nnx.graphdef(wide)
    resize(layer)
    assert nnx.graphdef(layer) == nnx.graphdef(narrow)


def test_every_class_with_sizes_is_among_the_layers():
    classes = {type(made(name, 3)) for name in LAYERS}
    assert set(SIZES) <= classes


def test_norms_without_arrays_keep_their_sizes():
    norm = nnx.LayerNorm(5, use_scale=False, use_bias=False, rngs=nnx.Rngs(0))
    resize(norm)
    assert norm.num_features == 5


def test_layers_in_a_stack_have_the_sizes_of_one():
    @nnx.vmap(in_axes=0, out_axes=0)
    def stack(key):
        return nnx.Linear(3, 4, rngs=nnx.Rngs(key))

    layers = stack(jax.random.split(jax.random.key(0), 2))
    before = nnx.graphdef(layers)
    assert layers.kernel.shape == (2, 3, 4)
    resize(layers)
    assert nnx.graphdef(layers) == before


class Block(nnx.Module):
    """A module that writes a size down."""

    def __init__(self, width):
        self.fc = nnx.Linear(2, width, rngs=nnx.Rngs(0))
        self.width = width


def test_sizes_of_other_modules_join_the_table(monkeypatch):
    monkeypatch.setitem(SIZES, Block, lambda block: {"width": block.fc.kernel.shape[-1]})
    block = Block(3)
    block.fc.kernel = nnx.Param(block.fc.kernel[:, :2])
    resize(block)
    assert block.width == block.fc.out_features == 2


@pytest.mark.parametrize("name", MODELS)
def test_model_with_narrower_arrays_is_an_instance_of_its_class(name):
    model = MODELS[name]
    wide = nnx.eval_shape(lambda: model(classes=7, rngs=nnx.Rngs(0)))
    widths = tuple(width - k - 1 for k, width in enumerate(wide.widths))
    assert len(widths) == len(wide.widths) > 0
    narrow = nnx.eval_shape(lambda: model(widths, classes=7, rngs=nnx.Rngs(0)))
    assert narrow.widths == widths
    found = nnx.merge(nnx.graphdef(wide), nnx.state(narrow))
    resize(found)
    assert found.widths == widths
    assert nnx.graphdef(found) == nnx.graphdef(narrow)
