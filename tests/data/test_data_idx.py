"""IDX files: what is read, where they are found, and what is refused in one sentence."""

import contextlib
import gzip
import os
import pathlib
import tempfile

import numpy as np
import pytest
from support.idx_files import SOURCES, assert_holds, assert_sentence, draw, pack, published, write

from sgl_jax.data import _idx as idx
from sgl_jax.data._idx_source import FILES, ROOT_VARIABLE


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 255], dtype=np.uint8)

FILE = "photographs"


@pytest.fixture(params=SOURCES)
def source(request):
    return SOURCES[request.param]


@pytest.fixture
def mnist():
    return published(SOURCES["mnist"], draw())


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)


@pytest.fixture
def public_path():
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        path.chmod(0o755)
        yield path


@contextlib.contextmanager
def unprivileged():
    """Acts as a user whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# The format.


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


# The folder.


@pytest.mark.parametrize("packed", [True, False])
def test_source_finds_its_files_in_every_folder(tmp_path, source, packed):
    for number, folder in enumerate((".", *source.folders)):
        files = draw(number)
        write(tmp_path / str(number) / folder, files, packed)
        dataset = published(source, files).load(tmp_path / str(number))
        assert_holds(dataset, files)
        assert dataset.classes == 10


def test_source_prefers_its_own_folder_to_the_root(tmp_path, source):
    others, files = draw(1), draw(2)
    write(tmp_path, others, packed=False)
    write(tmp_path / source.folders[0], files)
    assert_holds(published(source, files).load(tmp_path), files)


def test_source_passes_over_a_file_that_is_named_like_a_subfolder(tmp_path, source):
    files = draw()
    write(tmp_path, files)
    (tmp_path / source.folders[0]).touch()
    assert_holds(published(source, files).load(tmp_path), files)


def test_source_reads_files_packed_and_not_side_by_side(tmp_path, mnist):
    files = draw()
    write(tmp_path, {name: files[name] for name in FILES[:3]})
    write(tmp_path / "mnist", {FILES[3]: files[FILES[3]]}, packed=False)
    assert_holds(mnist.load(tmp_path), files)


def test_root_is_the_argument_then_the_variable(tmp_path, monkeypatch, mnist):
    files = draw()
    write(tmp_path / "data", files)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "data"))
    assert_holds(mnist.load(), files)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "elsewhere"))
    assert_holds(mnist.load(str(tmp_path / "data")), files)
    with pytest.raises(OSError, match="elsewhere"):
        mnist.load()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_holds(mnist.load("~/data"), files)


@pytest.mark.parametrize("value", [None, ""])
def test_no_root_names_all_ways_to_give_one(monkeypatch, source, value):
    if value is not None:
        monkeypatch.setenv(ROOT_VARIABLE, value)
    with pytest.raises(ValueError, match=source.title) as error:
        source.load()
    assert_sentence(error, "--data-root", "SGL_JAX_DATA", "--download")


def test_missing_folder_is_refused(tmp_path, mnist):
    with pytest.raises(OSError, match="No such file or directory") as error:
        mnist.load(tmp_path / "nowhere")
    assert_sentence(error, "MNIST", tmp_path / "nowhere", "--data-root")


def test_file_as_folder_is_refused(tmp_path, mnist):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory") as error:
        mnist.load(tmp_path / "file")
    assert_sentence(error, "MNIST", tmp_path / "file", "--data-root")


@pytest.mark.parametrize("folder", [".", "mnist"])
def test_unreadable_folder_is_refused(public_path, mnist, folder):
    path = write(public_path / folder, draw())
    path.chmod(0)
    with unprivileged(), pytest.raises(OSError, match="Permission denied") as error:
        mnist.load(public_path)
    assert_sentence(error, "MNIST", f" for {path}: ", "--data-root")


def test_missing_files_are_named_with_the_way_to_get_them(tmp_path, mnist):
    files = draw()
    write(tmp_path, {name: files[name] for name in FILES[1:3]})
    with pytest.raises(FileNotFoundError, match=f"{FILES[0]}, {FILES[3]}") as error:
        mnist.load(tmp_path)
    assert_sentence(error, tmp_path, "subfolder mnist", "--download")
    assert FILES[1] not in str(error.value)


@pytest.mark.parametrize("file", FILES)
def test_other_contents_than_the_published_are_refused(tmp_path, mnist, file):
    files = draw()
    other = files[file][:-1] + bytes([files[file][-1] ^ 1])
    path = write(tmp_path, files | {file: other}) / f"{file}.gz"
    with pytest.raises(ValueError, match="of another data set") as error:
        mnist.load(tmp_path)
    expected, found = mnist.checksums[file][:12], idx.compute_checksum(path)[:12]
    assert_sentence(error, path, f"{expected}..., got {found}...", "--download")


def test_sources_know_every_file_by_its_own_checksum():
    checksums = [source.checksums[file] for source in SOURCES.values() for file in FILES]
    assert len(set(checksums)) == 4 * len(SOURCES)
    assert all(len(bytes.fromhex(checksum)) == 32 for checksum in checksums)
