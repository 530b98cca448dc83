"""Data sets of four IDX files: where they are found, and what is refused in one sentence."""

import pytest
from support.idx_files import (
    SOURCES,
    assert_holds,
    assert_sentence,
    draw,
    published,
    unprivileged,
    write,
)

from sgl_jax.data import _idx as idx
from sgl_jax.data._idx_source import FILES
from sgl_jax.data._source import ROOT_VARIABLE


@pytest.fixture(params=SOURCES)
def source(request):
    return SOURCES[request.param]


@pytest.fixture
def mnist():
    return published(SOURCES["mnist"], draw())


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)


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
