"""Damaged and hostile archives are refused in a sentence, and in bounded memory."""

import tracemalloc
import zlib

import numpy as np
import pytest
from support.archives import lenet, same, small
from support.idx_files import assert_sentence
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.compaction.artifacts import _archive_head
from sgl_jax.compaction.artifacts._archive import decode, encode


MOST = 1 << 20
PEAK = 8 * MOST
"""Bytes that the arrays may take, and that Python may hold while it reads them."""


def signed(content):
    """The content with a checksum of its own, as a forger writes it."""
    return content + zlib.crc32(content).to_bytes(4, "little")


@pytest.fixture(scope="module")
def whole():
    return encode(small())


@pytest.fixture
def bounded():
    """Python never holds more than it may in a test."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < PEAK


def assert_refused(content):
    with pytest.raises(ValueError, match=r"^[a-z][^.]*$"):
        decode(content, MOST)


def assert_sound(content):
    """Refused, or arrays of the sizes that its head has: nothing else ever happens."""
    try:
        found = decode(content, MOST)
    except ValueError:
        return False
    assert sum(array.nbytes for array in found.values()) <= MOST
    return True


@pytest.mark.usefixtures("bounded")
def test_a_file_cut_short_anywhere_is_refused(whole):
    for length in range(len(whole)):
        assert_refused(whole[:length])


@pytest.mark.usefixtures("bounded")
def test_a_file_cut_short_anywhere_and_signed_is_refused(whole):
    for length in range(len(whole) - 4):
        assert_refused(signed(whole[:length]))


def flipped(whole, count, seed):
    """The content with a bit turned over, again and again, at places drawn at random."""
    generator = np.random.default_rng(seed)
    for place in generator.integers(0, 8 * len(whole), count):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        yield bytes(content)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("count", usual([300, 10_000], [300]))
def test_a_bit_that_is_turned_over_is_noticed(whole, count):
    for content in flipped(whole, count, 0):
        assert_refused(content)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    "count",
    [
        300,
        pytest.param(2_000, marks=pytest.mark.slow),
        pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.exhaustive]),
    ],
)
def test_a_bit_that_is_turned_over_by_a_forger_does_no_harm(whole, count):
    """A checksum is no signature: what is read may be another network, but it is a whole one."""
    read = sum(assert_sound(signed(content)) for content in flipped(whole[:-4], count, 1))
    assert 0 < read < count


@pytest.mark.slow
def test_a_bit_of_a_whole_network_that_is_turned_over_is_noticed():
    for content in flipped(encode(lenet()), 10_000, 2):
        assert_refused(content)


@pytest.mark.usefixtures("bounded")
def test_random_bytes_behind_the_head_do_no_harm(whole):
    generator = np.random.default_rng(3)
    for _ in range(200):
        start = generator.integers(4, len(whole) - 4)
        noise = generator.integers(0, 256, len(whole) - start, np.uint8).tobytes()
        assert_sound(signed(whole[:start] + noise))


def number(value):
    return _archive_head._number(value)


def archive(*parts, names=(b"w",), version=1):
    listed = _archive_head._deflate(b"".join(name + b"\0" for name in names))
    head = [b"SGL", bytes([version]), number(len(names)), number(len(listed)), listed]
    return signed(b"".join([*head, *parts]))


FLOAT = b"\x10"
"""The form of an array of float32 with one axis."""

ONE = np.float32(1).tobytes()

HUGE = (1 << 63) - 1

HOSTILE = {
    "empty": (b"", "does not begin like one"),
    "another format": (b"PK\x03\x04" + bytes(40), "does not begin like one"),
    "only magic": (b"SGL", "ends too early"),
    "only magic and version": (b"SGL\x01", "ends too early"),
    "another version": (archive(version=2), "of version 2, where this is 1: update sgl-jax"),
    "another checksum": (archive()[:-1] + b"\0", "checksum"),
    "no end of a size": (archive(FLOAT, b"\xff" * 20), "no end"),
    "names beyond the file": (signed(b"SGL\x01\x01\x7fabc"), "ends too early"),
    "names that are no deflate": (signed(b"SGL\x01\x01\x02\xff\xff"), "names cannot be read"),
    "names without an end": (archive(names=[bytes(1 << 23)]), "names cannot be read"),
    "too many names": (archive(names=[b"a"] * 2), "names are not in order"),
    "names out of order": (archive(names=[b"b", b"a"]), "names are not in order"),
    "names that are no text": (archive(names=[b"\xff"]), "names are no text"),
    "no head": (archive(), "ends too early"),
    "unknown type": (archive(b"\x1f", number(3), number(0)), "type that is not known"),
    "levels of integers": (archive(b"\x14", number(3), number(1), number(0)), "integers"),
    "more entries than there are": (
        archive(FLOAT, number(3), number(1), number(4), ONE),
        "more entries",
    ),
    "more levels than there can be": (
        archive(FLOAT, number(3), number(1025), number(1), ONE),
        "more entries or levels",
    ),
    "array larger than allowed": (archive(FLOAT, number(MOST), number(0)), "4,194,304 bytes"),
    "array larger than memory": (archive(FLOAT, number(1 << 40), number(1), number(0)), "bytes"),
    "axis beyond all": (archive(FLOAT, number(HUGE), number(0)), "longer than any"),
    "product of axes that overflows": (
        archive(b"\x40", *[number(1 << 32)] * 4, number(1), number(1), ONE),
        "bytes, of which",
    ),
    "raw array that is not there": (archive(FLOAT, number(9), number(0), bytes(35)), "too early"),
    "codes that are not there": (
        archive(FLOAT, number(1 << 17), number(1), number(1 << 16), ONE),
        "codes end too early",
    ),
    "positions beyond the end": (
        archive(FLOAT, number(9), number(1), number(3), ONE, b"\xff" * 40),
        "position is beyond",
    ),
    "code beyond the largest": (
        archive(FLOAT, number(9), number(5), number(9), ONE, b"\x00" + b"\x7f" * 40),
        "a code is larger",
    ),
    "bytes behind": (archive(FLOAT, number(2), number(0), bytes(13)), "more bytes follow"),
    **{
        f"interval of {interval}": (
            archive(FLOAT, number(3), number(1), number(1), np.float32(interval).tobytes()),
            "no positive number",
        )
        for interval in (0.0, -1.0, np.nan, np.inf)
    },
    "interval that is too large": (
        archive(FLOAT, number(1), number(4), number(1), np.float32(3e38).tobytes(), b"\x7f\xff"),
        "too large",
    ),
}


@pytest.mark.usefixtures("bounded")
def test_hostile_files_are_refused_in_a_sentence(tmp_path):
    path = tmp_path / "small.sgl"
    for content, said in HOSTILE.values():
        path.write_bytes(content)
        with pytest.raises(ValueError, match="archive needs to be whole and written by") as error:
            sgl.load_archive(path, max_bytes=MOST)
        assert_sentence(error, path, said)


@pytest.mark.usefixtures("bounded")
def test_a_file_larger_than_allowed_is_not_read(tmp_path):
    path = tmp_path / "small.sgl"
    with path.open("wb") as file:
        file.write(b"SGL\x01")
        file.truncate(1 << 40)  # a sparse file, larger than memory
    with pytest.raises(ValueError, match="more than the 1,048,576 bytes") as error:
        sgl.load_archive(path, max_bytes=MOST)
    assert_sentence(error, path)


def test_bytes_that_are_allowed_are_counted_to_the_last(tmp_path, whole):
    path, arrays = tmp_path / "small.sgl", small()
    path.write_bytes(whole)
    total = sum(np.asarray(array).nbytes for array in arrays.values())
    assert same(sgl.load_archive(path, max_bytes=total), arrays)
    with pytest.raises(ValueError, match=f"take {total:,} bytes, of which {total - 1:,} are"):
        sgl.load_archive(path, max_bytes=total - 1)


def test_a_missing_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.sgl"):
        with pytest.raises(FileNotFoundError, match="An archive needs its file") as error:
            sgl.load_archive(path)
        assert_sentence(error, path)
