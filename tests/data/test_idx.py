"""The IDX format: files that are read, and those that are refused in one sentence."""

import gzip

import numpy as np
import pytest
from support.idx_files import assert_sentence, pack, unprivileged

from sgl_jax.data import _idx as idx


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 255], dtype=np.uint8)

FILE = "photographs"


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_idx_is_unpacked_by_content_not_by_name(tmp_path, name, compress):
    path = tmp_path / name
    path.write_bytes(compress(pack(IMAGES)))
    images = idx.read_images(path)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES)
    images[0] = 0


def test_idx_labels_are_int32(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(pack(LABELS))
    labels = idx.read_labels(path)
    assert labels.dtype == np.int32
    assert labels.tolist() == [7, 255]


BAD_IMAGES = {
    "magic of labels": (pack(LABELS), "0x00000803, got 0x00000801"),
    "signed bytes": (b"\0\0\x09" + pack(IMAGES)[3:], "0x00000803, got 0x00000903"),
    "empty": (b"", "0x00000803, got no bytes at all"),
    "page of a web site": (b"<html></html>", "0x00000803, got 0x3c68746d"),
    "header cut short": (pack(IMAGES)[:15], "a header of 16 bytes, got 15 bytes"),
    "values cut short": (
        pack(IMAGES)[:-1],
        "24 bytes that its header declares, got 23",
    ),
    "values too many": (
        pack(IMAGES) + b"\0",
        "24 bytes that its header declares, got 25",
    ),
    "gzip cut short": (gzip.compress(pack(IMAGES))[:-9], "gzip stream"),
    "gzip without its end": (gzip.compress(pack(IMAGES))[:-4], "gzip stream"),
    "gzip of another checksum": (
        gzip.compress(pack(IMAGES))[:-8] + bytes(4) + gzip.compress(pack(IMAGES))[-4:],
        "gzip stream",
    ),
    "gzip of no blocks": (gzip.compress(b"")[:10] + b"\xff" * 20, "gzip stream"),
    "gzip header alone": (b"\x1f\x8b", "gzip stream"),
}


@pytest.mark.parametrize(("content", "part"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_idx_refuses_what_is_no_whole_file_of_images(tmp_path, content, part):
    path = tmp_path / FILE
    path.write_bytes(content)
    with pytest.raises(ValueError, match=FILE) as error:
        idx.read_images(path)
    assert_sentence(error, path, part)


def test_idx_refuses_images_as_labels(tmp_path):
    path = tmp_path / FILE
    path.write_bytes(pack(IMAGES))
    with pytest.raises(ValueError, match=FILE) as error:
        idx.read_labels(path)
    assert_sentence(error, path, "0x00000801, got 0x00000803")


def test_idx_refuses_a_pair_of_different_numbers(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(pack(IMAGES))
    labels.write_bytes(pack(LABELS[:1]))
    # It says so although the checksums differ, too.
    with pytest.raises(ValueError, match="one label each") as error:
        idx.read_pair(images, labels, ("0" * 64, "0" * 64))
    assert_sentence(error, f"2 images in {images} and 1 labels in {labels}")


def test_idx_refuses_a_file_it_cannot_read(public_path):
    path = public_path / FILE
    path.write_bytes(pack(LABELS))
    path.chmod(0)
    with unprivileged(), pytest.raises(OSError, match="Permission denied") as error:
        idx.read_labels(path)
    assert_sentence(error, path)


def test_checksum_is_of_the_unpacked_contents(tmp_path):
    path = tmp_path / "abc"
    for content in (b"abc", gzip.compress(b"abc", 1), gzip.compress(b"abc", 9)):
        path.write_bytes(content)
        assert idx.compute_checksum(path).startswith("ba7816bf8f01cfea414140de5dae2223")
