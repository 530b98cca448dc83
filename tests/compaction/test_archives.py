"""Archives: networks on levels come back bit for bit, from nearly as few bytes as can be."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.archives import KEPT, entropy, lenet, on_levels, same, small
from support.idx_files import assert_sentence

import sgl_jax as sgl
from sgl_jax._util.orbax import to_host
from sgl_jax.compaction.artifacts._archive import decode, encode
from sgl_jax.compaction.artifacts._entries import code_entries
from sgl_jax.compaction.artifacts._range_coder import Decoder, Encoder, make_contexts


GIB = 1 << 30


@pytest.mark.parametrize("make", [small, lenet, dict], ids=["small", "lenet", "nothing"])
def test_every_bit_comes_back(make):
    arrays = make()
    assert same(decode(encode(arrays), GIB), arrays)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_precision_comes_back(dtype):
    generator = np.random.default_rng(0)
    levels = (np.float32(0.25) * generator.integers(-3, 4, (20, 30))).astype(jnp.dtype(dtype))
    drawn = generator.standard_normal((20, 30)).astype(jnp.dtype(dtype))
    arrays = {"levels": levels, "drawn": drawn, "number": drawn[0, 0]}
    assert same(decode(encode(arrays), GIB), arrays)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int64", "uint64"])
def test_integers_come_back(dtype):
    arrays = {"a": np.random.default_rng(0).integers(0, 2, (3, 4)).astype(dtype)}
    assert same(decode(encode(arrays), GIB), arrays)


@pytest.mark.parametrize("largest", [1, 2, 3, 4, 5, 255, 256, 257, 1000, 1024])
def test_any_number_of_levels_comes_back(largest):
    generator = np.random.default_rng(largest)
    codes = generator.integers(-largest, largest + 1, 500)
    codes[:2] = 1, largest
    arrays = {"a": np.float32(0.037) * codes.astype(np.float32)}
    assert same(decode(encode(arrays), GIB), arrays)


@pytest.mark.parametrize("kept", [1, 2, 999, 1000])
def test_any_number_of_entries_comes_back(kept):
    arrays = {"a": on_levels(np.random.default_rng(0), (10, 100), kept)}
    assert same(decode(encode(arrays), GIB), arrays)


def test_a_negative_zero_on_levels_is_zero():
    (found,) = decode(encode({"a": np.float32([-0.0, 0.5])}), GIB).values()
    assert not np.signbit(found).any()


def test_bytes_are_near_the_entropy_of_positions_and_levels():
    """Within a hundredth and the head: 15 bytes an array, 10 of the file."""
    arrays = {path: array for path, array in lenet().items() if path.endswith("kernel")}
    assert sum(np.count_nonzero(array) for array in arrays.values()) == sum(KEPT.values()) == 4432
    least = sum(map(entropy, arrays.values())) / 8
    assert least < len(encode(arrays)) < 1.01 * least + 15 * len(arrays) + 10


def test_biases_of_four_bits_take_half_a_byte_each():
    arrays = lenet()
    rounded = to_host(sgl.artifacts.round_biases(arrays, 4))
    kernels = {path: array for path, array in arrays.items() if path.endswith("kernel")}
    biases = sum(array.size for path, array in arrays.items() if path.endswith("bias"))
    assert biases == 323
    assert len(encode(rounded)) - len(encode(kernels)) < biases / 2 + 15 * 4
    assert len(encode(arrays)) - len(encode(kernels)) > 4 * biases


def test_clusters_cost_less_than_scattered_entries():
    array = np.zeros((100, 100), np.float32)
    array[:, :5] = 0.3
    assert 8 * len(encode({"a": array})) < entropy(array)


@pytest.mark.parametrize("odds", [0.5, 0.1, 0.001])
def test_coder_takes_the_entropy_of_its_bits(odds):
    generator = np.random.default_rng(0)
    bits = (generator.random(100_000) < odds).astype(int).tolist()
    (context,), encoder = make_contexts(1), Encoder()
    for bit in bits:
        encoder.code(context, bit)
    message = encoder.finish()
    share = sum(bits) / len(bits)
    least = -len(bits) * (share * np.log2(share) + (1 - share) * np.log2(1 - share))
    assert 8 * len(message) < 1.005 * least + 64
    (context,), decoder = make_contexts(1), Decoder(message)
    assert [decoder.code(context) for _ in bits] == bits
    decoder.finish()


def test_carries_go_through_many_bytes():
    """Bits of the upper part push the number up to its end, where carries are."""
    generator = np.random.default_rng(0)
    for odds, seed in itertools.product((0.9, 0.99, 0.9999), range(20)):
        generator = np.random.default_rng(seed)
        bits = (generator.random(2000) < odds).astype(int).tolist()
        (context,), encoder = make_contexts(1), Encoder()
        for bit in bits:
            encoder.code(context, bit)
        (context,), decoder = make_contexts(1), Decoder(encoder.finish())
        assert [decoder.code(context) for _ in bits] == bits
        decoder.finish()


def test_entries_are_read_as_they_were_written():
    entries = [(0, 1), (700, -4), (0, 4), (298, 2)]
    encoder = Encoder()
    written = list(code_entries(encoder, 1002, 4, 4, entries))
    assert written == [(0, 1), (701, -4), (702, 4), (1001, 2)]
    unread = itertools.repeat((0, 0), 4)
    assert list(code_entries(Decoder(encoder.finish()), 1002, 4, 4, unread)) == written


STORED = bytes.fromhex("53474c010205038607030014020020020302020000003f03000000040000004dd00d64a454")
"""An archive of version 1, written once: it has to be read for ever."""


def test_archive_of_the_first_version_is_read():
    expected = np.zeros((2, 3), np.float32)
    expected[0, 1], expected[1, 2] = 0.5, -1.0
    assert same(decode(STORED, GIB), {"w": expected, "n": np.int32([3, 4])})


@pytest.fixture(scope="module")
def quantised():
    """LeNet-5 with kernels on levels: itself, its arrays, images, and what is left of it."""
    model = sgl.models.LeNet5(widths=(4, 6, 8), rngs=nnx.Rngs(0))
    generator = np.random.default_rng(0)
    layers = (model.conv1, model.conv2, model.fc1, model.fc2)
    for layer, dead in zip(layers, (1, 2, 3, 0), strict=True):
        kernel = on_levels(generator, layer.kernel.shape, layer.kernel.size // 4)
        width = kernel.shape[-1] - dead
        kernel[..., width:] = 0.0
        layer.kernel[...] = jnp.asarray(kernel)
        layer.bias[...] = layer.bias[...].at[width:].set(0.0)
    network, params, rest = sgl.train.split(model)
    images = jax.random.uniform(jax.random.key(0), (2, 28, 28, 1))
    compacted = sgl.compact(network.apply, (params, rest), images)
    return model, (params, rest), images, compacted


def test_sparsity_and_levels_of_a_shipped_network_are_exact(tmp_path, quantised):
    """What is loaded has the zeros and the levels of what was trained, and nothing else."""
    model, _, images, compacted = quantised
    sgl.export(tmp_path / "small.sgl", compacted)
    loaded = sgl.load_archive(tmp_path / "small.sgl", compacted.params)
    assert sgl.storage(loaded) == sgl.storage(compacted.params)
    found = sgl.modules.fill_module(model, sgl.load_archive(tmp_path / "small.sgl"))
    assert found.widths == (3, 4, 5)
    for name in ("conv1", "conv2", "fc1", "fc2"):
        full, kernel = getattr(model, name).kernel[...], np.asarray(getattr(found, name).kernel)
        levels, before = sgl.read_levels(kernel), sgl.read_levels(full)
        assert levels.interval == before.interval
        assert levels.largest <= 4
        assert np.count_nonzero(kernel) == np.count_nonzero(levels.codes)
        assert np.count_nonzero(kernel) <= full.size // 4
        np.testing.assert_array_equal(levels.interval * np.float32(levels.codes), kernel)
    expected = compacted.apply(compacted.params, images)
    np.testing.assert_array_equal(compacted.apply(loaded, images), expected)
    np.testing.assert_allclose(found(images), expected, rtol=1e-5, atol=1e-5)


def test_an_archive_of_another_network_is_refused(tmp_path, quantised):
    model, params, _, compacted = quantised
    path = tmp_path / "small.sgl"
    sgl.export(path, compacted)
    with pytest.raises(ValueError, match="needs the network that it was made from") as error:
        sgl.load_archive(path, params)
    assert_sentence(error, path, "float32[4] at '0/conv1/bias'")
    leaves = sgl.load_archive(path)
    for change, said in (
        ({"0/conv1/bias": np.zeros(3, np.float16)}, "got float16 of 1 axes"),
        ({"0/conv3/bias": np.zeros(3, np.float32)}, "with nothing at 'conv3/bias'"),
    ):
        with pytest.raises(ValueError, match="needs the arrays of a network of its class") as error:
            sgl.modules.fill_module(model, leaves | change)
        assert_sentence(error, said)


def test_types_and_names_that_archives_do_not_have_are_refused():
    for arrays, said in (
        ({"a": np.zeros(2, np.complex64)}, "complex64"),
        ({"a": np.zeros((1,) * 16, np.float32)}, "16 axes"),
        ({"a\0b": np.zeros(2, np.float32)}, "without a zero character"),
    ):
        with pytest.raises(ValueError, match="An archive needs") as error:
            encode(arrays)
        assert_sentence(error, said)


def test_rounded_biases_are_on_levels_and_near():
    arrays = lenet()
    for bits in (2, 4, 8, 11):
        rounded = sgl.artifacts.round_biases(arrays, bits)
        for path, array in arrays.items():
            leaf = np.asarray(rounded[path])
            if path.endswith("kernel"):
                assert leaf is array
                continue
            found = sgl.read_levels(leaf)
            most = 2 ** (bits - 1) - 1
            assert found.largest <= most
            np.testing.assert_allclose(leaf, array, rtol=0, atol=0.501 * abs(array).max() / most)
        again = sgl.artifacts.round_biases(rounded, bits)
        assert all(np.array_equal(again[path], rounded[path]) for path in arrays)


def test_biases_that_cannot_be_rounded_are_refused():
    for bits in (1, 12):
        with pytest.raises(ValueError, match="need 2 to 11 bits, got"):
            sgl.artifacts.round_biases({"bias": np.ones(3)}, bits)
    with pytest.raises(ValueError, match="need finite numbers, got inf at 'bias'"):
        sgl.artifacts.round_biases({"bias": np.float32([1.0, np.inf])}, 4)


STAYING = [np.zeros(3, np.float32), np.arange(3), np.float32([1e-45, 3e-45])]


@pytest.mark.parametrize("array", STAYING, ids=["zeros", "integers", "tiny"])
def test_biases_of_zeros_integers_or_tiny_numbers_stay(array):
    np.testing.assert_array_equal(sgl.artifacts.round_biases({"bias": array}, 3)["bias"], array)
