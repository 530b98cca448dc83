"""Data of a user's own: what is read from them, and the sentence for what cannot be."""

import logging
import os
import sys

import numpy as np
import pytest
from PIL import Image
from support.idx_files import assert_sentence, draw, pack, write
from support.own_data import draw_arrays, write_idx, write_images, write_npz

from sgl_jax.data import DATASETS
from sgl_jax.data._idx_source import FILES


load_idx, load_npz, load_images = (DATASETS[name] for name in ("idx", "npz", "images"))


def order(x, y):
    """The images in an order that depends on nothing but them."""
    return sorted((int(label), image.tobytes()) for image, label in zip(x, y, strict=True))


def assert_same_data(found, arrays):
    """The same images with the same labels, in any order."""
    for part in ("train", "test"):
        x, y = getattr(found, f"x_{part}"), getattr(found, f"y_{part}")
        assert order(x, y) == order(arrays[f"x_{part}"], arrays[f"y_{part}"])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("test", ["t10k", "test"])
def test_idx_files_of_any_contents_are_read(tmp_path, packed, test):
    files = {name.replace("t10k", test): content for name, content in draw(3).items()}
    found = load_idx(write(tmp_path / "own", files, packed), root=tmp_path / "elsewhere")
    assert found.x_train.tobytes() == files[FILES[0]][16:]
    assert found.y_train.tolist() == list(files[FILES[1]][8:])
    assert found.classes == 10


def test_labels_are_numbered_in_ascending_order(tmp_path):
    files = draw()
    for name in (FILES[1], FILES[3]):
        files[name] = pack(np.frombuffer(files[name][8:], np.uint8) * 7 + 1)
    found = load_idx(write(tmp_path, files))
    assert set(found.y_train) == set(found.y_test) == set(range(10))
    assert found.y_train.tolist() == list(draw()[FILES[1]][8:])


def test_a_prefix_tells_several_data_sets_in_one_folder_apart(tmp_path):
    for prefix, seed in (("emnist-letters-", 1), ("emnist-digits-", 2)):
        write(tmp_path / "all", {f"{prefix}{name}": c for name, c in draw(seed).items()})
    found = load_idx("all/emnist-digits", root=tmp_path)
    assert found.x_train.tobytes() == draw(2)[FILES[0]][16:]
    with pytest.raises(ValueError, match="idx:FOLDER/PREFIX") as error:
        load_idx(tmp_path / "all")
    assert_sentence(error, "emnist-letters-train-images", "emnist-digits-train-images")


@pytest.mark.parametrize("file", FILES)
def test_a_missing_idx_file_is_refused(tmp_path, file):
    (write_idx(tmp_path) / f"{file}.gz").unlink()
    with pytest.raises(FileNotFoundError) as error:
        load_idx(tmp_path)
    assert_sentence(error, file[:-11].replace("t10k", "test"), tmp_path)


@pytest.mark.parametrize("squeeze", [True, False])
def test_npz_is_read_with_channels_or_without(tmp_path, squeeze):
    arrays = draw_arrays()
    changed = {f"x_{p}": arrays[f"x_{p}"][..., 0] for p in ("train", "test")} if squeeze else {}
    found = load_npz(write_npz(tmp_path, **changed, y_test=arrays["y_test"][:, None]))
    assert_same_data(found, arrays)


REFUSED = {
    "keys": ({"y_test": None}, "got no y_test"),
    "floats": ({"x_train": np.zeros((30, 28, 28))}, "got float64 of shape (30, 28, 28, 1)"),
    "axes": ({"x_test": np.zeros((20, 28), np.uint8)}, "got uint8 of shape (20, 28)"),
    "count": ({"y_train": np.arange(29) % 10}, "of shape (29,)"),
    "one-hot": ({"y_train": np.eye(30, 10)}, "got float64 of shape (30, 10)"),
    "class": ({"y_test": np.arange(20)}, "the label 10 only in the test"),
    "one class": ({"y_train": np.zeros(30, int), "y_test": np.zeros(20, int)}, "got 1 in"),
    "sizes": ({"x_test": np.zeros((20, 32, 32), np.uint8)}, "(28, 28, 1) and (32, 32, 1)"),
    "objects": ({"x_train": np.array([{}] * 30)}, "Object arrays cannot be loaded"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arrays_that_are_no_images_and_labels_are_refused(tmp_path, case):
    changed, words = REFUSED[case]
    path = write_npz(tmp_path, **changed)
    with pytest.raises(ValueError, match="need") as error:
        load_npz(path)
    assert_sentence(error, words, path)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    path = write_npz(tmp_path)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(ValueError, match="need") as error:
        load_npz(path)
    assert_sentence(error, path)


@pytest.mark.parametrize("load", [load_idx, load_npz, load_images])
def test_a_path_that_leads_nowhere_is_refused(tmp_path, load):
    with pytest.raises(OSError, match="nowhere") as error:
        load("nowhere/at/all", root=tmp_path)
    assert_sentence(error, tmp_path / "nowhere" / "at", "correct the path behind")


@pytest.mark.parametrize("shape", [(12, 10, 1), (10, 12, 3)])
@pytest.mark.parametrize("test", ["test", "val"])
def test_images_are_read_from_a_folder_per_class(tmp_path, shape, test):
    arrays = draw_arrays(shape=shape)
    folder = write_images(tmp_path / "own", arrays, ("train", test))
    (folder / "train" / ".hidden").mkdir()
    (folder / "train" / "class0" / "notes.txt").touch()
    found = load_images("own", root=tmp_path)
    assert_same_data(found, arrays)
    assert found.names == tuple(f"class{number}" for number in range(10))


def test_without_parts_every_fifth_image_of_a_class_is_held_out(tmp_path):
    arrays = draw_arrays()
    found = load_images(write_images(tmp_path, arrays, (".", ".")))
    assert np.bincount(found.y_test).tolist() == [1] * 10
    assert np.bincount(found.y_train).tolist() == [4] * 10
    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    # The names have test000, ..., then train000, ...: the third of a class is the first of these.
    assert order(found.x_test, found.y_test) == order(arrays["x_train"][:10], np.arange(10))
    assert {image.tobytes() for image in (*found.x_train, *found.x_test)} == {
        image.tobytes() for image in images
    }


def test_a_single_image_with_colours_makes_all_of_three_channels(tmp_path):
    folder = write_images(tmp_path)
    assert load_images(folder).x_train.shape[1:] == (28, 28, 1)
    Image.new("RGBA", (28, 28), (255, 0, 0, 255)).save(folder / "train" / "class9" / "z.png")
    found = load_images(folder)
    assert found.x_train.shape[1:] == (28, 28, 3)
    assert found.x_train[-1, 0, 0].tolist() == [255, 0, 0]
    np.testing.assert_array_equal(found.x_test[..., 0], found.x_test[..., 2])


def test_images_of_any_size_are_converted_to_a_shape(tmp_path):
    folder = write_images(tmp_path)
    odd = folder / "test" / "class0" / "odd.png"
    Image.new("RGB", (50, 40), (200, 200, 200)).save(odd)
    with pytest.raises(ValueError, match="one size") as error:
        load_images(folder)
    assert_sentence(error, "28x28", f"40x50 in {odd}", "--image-shape")
    found = load_images(folder, image_shape=(16, 20, 1))
    assert found.x_train.shape == (30, 16, 20, 1)
    assert found.x_test.shape == (21, 16, 20, 1)
    assert (found.x_test[:3] == 200).all((1, 2, 3)).sum() == 1


def test_number_shape_and_memory_are_said_before_images_are_decoded(tmp_path, caplog):
    caplog.set_level(logging.INFO, "sgl_jax")
    said = "Loading 50 images of 28x28x1 from {}, 0.0 MiB."
    load_npz(write_npz(tmp_path))
    assert caplog.messages == [said.format(tmp_path / "own.npz")]
    caplog.clear()
    folder = write_images(tmp_path / "own")
    broken = folder / "test" / "class9" / "test019.png"
    broken.write_bytes(broken.read_bytes()[:70])
    with pytest.raises(ValueError, match="got '") as error:
        load_images(folder)
    assert_sentence(error, broken)
    assert caplog.messages == [said.format(folder)]


def spoil(folder, case):
    """Makes a folder of images one that is refused; returns the path that is named."""
    path = folder / "train" / "class3"
    match case:
        case "no image":
            path /= "text.png"
            path.write_text("no image")
        case "16 bits":
            path /= "deep.png"
            Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(path)
        case "no images":
            for file in path.iterdir():
                file.rename(file.with_suffix(".txt"))
        case "no test":
            (folder / "test").rename(folder / "later")
            path = folder
        case "a class to test only":
            path.rename(folder / "train" / "another")
            path = folder / "test"
        case "one class":
            (folder / "train").rename(folder / "alone")
            (folder / "test").rename(folder / "alone" / "test")
            path = folder
    return path


CASES = ["no image", "16 bits", "no images", "no test", "a class to test only", "one class"]


@pytest.mark.parametrize("case", CASES)
def test_folders_that_are_no_classes_of_images_are_refused(tmp_path, case):
    folder = write_images(tmp_path)
    named = spoil(folder, case)
    with pytest.raises((OSError, ValueError), match="need") as error:
        load_images(folder)
    assert_sentence(error, named)


def test_images_name_the_extra_without_pillow(tmp_path, monkeypatch):
    folder = write_images(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'sgl-jax\[images\]'"):
        load_images(folder)


def test_paths_begin_at_home_where_they_say_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    write_npz(tmp_path)
    assert load_npz("~/own.npz").classes == 10
