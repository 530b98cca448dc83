"""CIFAR: records and their order, the archive, and what is refused in one sentence."""

import errno
import pathlib

import numpy as np
import pytest
from support.cifar_files import SOURCES, draw, pack, published, write
from support.idx_files import assert_sentence
from support.server import Answer, serving

from sgl_jax.data._download import RETRIES
from sgl_jax.data._source import ROOT_VARIABLE


@pytest.fixture(params=SOURCES)
def source(request):
    return SOURCES[request.param]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No variable, no proxy, and no pauses between attempts."""
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)


def _images(source, content):
    """The images of a file, channels last."""
    records = np.frombuffer(content, np.uint8).reshape(source.classes, -1)
    return records[:, source.labels :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def names_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_records_are_labels_and_planes_of_pixels(tmp_path, source):
    files = draw(source)
    dataset = published(source, files).load(write(tmp_path, files))
    *train, test = (
        np.frombuffer(content, np.uint8).reshape(source.classes, -1) for content in files.values()
    )
    for records, x, y in (
        (np.concatenate(train), dataset.x_train, dataset.y_train),
        (test, dataset.x_test, dataset.y_test),
    ):
        np.testing.assert_array_equal(y, records[:, source.labels - 1])
        for channel in range(3):
            plane = records[:, source.labels + 1024 * channel :][:, :1024].reshape(-1, 32, 32)
            np.testing.assert_array_equal(x[..., channel], plane)


def test_files_are_found_in_every_folder(tmp_path, source):
    for number, folder in enumerate((".", *source.folders)):
        files, others = draw(source, number), draw(source, 7)
        root = tmp_path / str(number)
        write(root / folder, files)
        if folder != ".":
            write(root, others)
        found = published(source, files).load(root)
        *_, test = files.values()
        assert found.x_test.tobytes() == _images(source, test).tobytes()


def test_normalization_is_a_choice(tmp_path, source):
    files = draw(source)
    root, source = write(tmp_path, files), published(source, files)
    own, imagenet, none = (source.load(root, False, n) for n in ("own", "imagenet", "none"))
    np.testing.assert_allclose(np.array(own.mean) * 255, source.mean)
    np.testing.assert_allclose(np.array(own.std) * 255, source.std)
    assert imagenet.mean == (0.485, 0.456, 0.406)
    assert none.mean == none.std == ()


def test_archive_is_fetched_once_and_unpacked(tmp_path, source):
    files = draw(source)
    archive = pack(source, files | {"readme.html": b"more"})
    with serving({source.archive: [Answer(archive)]}) as server:
        small = published(source, files, archive, [server.url])
        first = small.load(tmp_path, download=True)
        assert names_in(tmp_path / source.folders[0]) == sorted(files)
        second = small.load(tmp_path, download=True)
        assert server.asked == [source.archive]
    np.testing.assert_array_equal(first.x_train, second.x_train)


def test_files_that_are_there_are_left_alone(tmp_path):
    source = SOURCES["cifar10"]
    files = draw(source)
    archive = pack(source, files)
    kept = next(iter(files))
    write(tmp_path, {kept: files[kept][:-1]})
    with serving({source.archive: [Answer(archive)]}) as server:
        small = published(source, files, archive, [server.url])
        with pytest.raises(ValueError, match="records of 3073 bytes") as error:
            small.load(tmp_path, download=True)
    assert_sentence(error, tmp_path / kept, "replace the file by a good copy")
    assert (tmp_path / kept).read_bytes() == files[kept][:-1]
    assert names_in(tmp_path) == sorted(files)


def test_archive_of_other_contents_is_refused_and_leaves_nothing(tmp_path, source):
    files = draw(source)
    other = pack(source, draw(source, 1))
    with serving({source.archive: [Answer(other)]}) as server:
        small = published(source, files, pack(source, files), [server.url])
        with pytest.raises(ConnectionError, match=source.archive) as error:
            small.load(tmp_path, download=True)
        assert_sentence(error, "damaged file")
        assert server.asked == [source.archive] * (1 + RETRIES)
    assert names_in(tmp_path) == []


def test_full_disk_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    source = SOURCES["cifar10"]
    files = draw(source)
    archive, write_bytes = pack(source, files), pathlib.Path.write_bytes

    def write_some(path, content):
        """Writes half of the second file, then nothing more."""
        second = list(files)[1] in path.name
        write_bytes(path, content[: len(content) // 2] if second else content)
        if second:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", write_some)
    with serving({source.archive: [Answer(archive)]}) as server:
        small = published(source, files, archive, [server.url])
        with pytest.raises(OSError, match="No space left on device") as error:
            small.load(tmp_path, download=True)
    assert_sentence(error, tmp_path / source.folders[0])
    assert names_in(tmp_path) == list(files)[:1]


def test_archive_that_is_there_is_unpacked_and_stays(tmp_path, source):
    files = draw(source)
    archive = pack(source, files)
    write(tmp_path / source.folders[0], {source.archive: archive})
    small = published(source, files, archive, ["http://127.0.0.1:1/"])
    assert len(small.load(tmp_path, download=True).y_test) == source.classes
    assert names_in(tmp_path) == sorted([*files, source.archive])


@pytest.mark.parametrize("harm", [lambda archive: archive[:99], lambda archive: b"else"])
def test_archive_that_is_there_and_damaged_is_refused_and_stays(tmp_path, source, harm):
    files = draw(source)
    archive = pack(source, files)
    path = write(tmp_path / source.folders[0], {source.archive: harm(archive)}) / source.archive
    with pytest.raises(ValueError, match="damaged file") as error:
        published(source, files, archive, ["http://127.0.0.1:1/"]).load(tmp_path, download=True)
    assert_sentence(error, path)
    assert path.read_bytes() == harm(archive)


def test_unknown_normalization_is_refused(tmp_path, source):
    with pytest.raises(ValueError, match="normalization among own, imagenet, none") as error:
        source.load(tmp_path, normalization="other")
    assert_sentence(error, source.title, "'other'")


def test_other_contents_than_the_published_are_refused(tmp_path, source):
    files, last = draw(source), list(source.checksums)[-1]
    root = write(tmp_path, {**files, last: files[last][:-1] + bytes([files[last][-1] ^ 1])})
    with pytest.raises(ValueError, match="of another data set") as error:
        published(source, files).load(root)
    assert_sentence(error, tmp_path / last, "--download")


def test_missing_files_are_named_with_the_way_to_get_them(tmp_path, source):
    with pytest.raises(FileNotFoundError, match=next(iter(source.checksums))) as error:
        source.load(tmp_path)
    assert_sentence(error, source.title, f"subfolder {source.folders[0]}", "--download")
