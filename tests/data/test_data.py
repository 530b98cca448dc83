"""Every data set of the catalogue, the digits in their own numbers, and the draw of batches."""

import inspect
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import cifar_files, idx_files
from support.own_data import EXAMPLES

from sgl_jax.data import DATASETS, batch_indices, take_batch
from sgl_jax.data.digits import resize


@pytest.fixture(scope="module", params=DATASETS)
def dataset(request, tmp_path_factory):
    """Loads the data set; a small one in its place if it comes in files."""
    load = DATASETS[request.param]
    if request.param in EXAMPLES:
        return load(EXAMPLES[request.param](tmp_path_factory.mktemp("data")))
    module = sys.modules[load.__module__]
    if not hasattr(module, "SOURCE"):
        return load()
    of_cifar = request.param in cifar_files.SOURCES
    files = cifar_files.draw(module.SOURCE) if of_cifar else idx_files.draw()
    helpers = cifar_files if of_cifar else idx_files
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SOURCE", helpers.published(module.SOURCE, files))
        return load(root=helpers.write(tmp_path_factory.mktemp("data"), files))


def test_catalogue_is_sorted():
    assert list(DATASETS) == sorted(DATASETS)


@pytest.mark.parametrize("load", DATASETS.values(), ids=DATASETS)
def test_loader_takes_a_path_or_a_folder_with_leave_to_download_or_nothing(load):
    parameters = inspect.signature(load).parameters
    defaults = {name: value.default for name, value in parameters.items()}
    required = {"path": inspect.Parameter.empty, "root": None}
    published = {"root": None, "download": False}
    allowed = ({}, published, required, {**required, "image_shape": None})
    assert defaults in (*allowed, {**published, "normalization": "own"})


def test_dataset_holds_uint8_images_and_int32_labels(dataset):
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        assert x.dtype == np.uint8
        assert x.ndim == 4
        assert y.dtype == np.int32
        assert y.shape == x.shape[:1]
        assert set(y) == set(range(dataset.classes))


def test_dataset_is_standardised_by_a_number_per_channel_or_not_at_all(dataset):
    channels = dataset.x_train.shape[-1]
    assert len(dataset.mean) == len(dataset.std) in (0, channels)
    assert all(0 < value < 1 for value in (*dataset.mean, *dataset.std))


def test_dataset_uses_the_range_of_uint8(dataset):
    assert dataset.x_train.min() == 0
    assert dataset.x_train.max() == 255


def test_digits_are_split_by_class():
    digits = DATASETS["digits"]()
    assert digits.x_train.shape == (1397, 28, 28, 1)
    assert digits.x_test.shape == (400, 28, 28, 1)
    assert np.bincount(digits.y_test).tolist() == [40] * 10


def test_digits_are_the_same_at_every_load():
    first, second = DATASETS["digits"](), DATASETS["digits"]()
    np.testing.assert_array_equal(first.x_test, second.x_test)
    images = np.concatenate([first.x_train, first.x_test])
    assert images.sum(dtype=np.int64) == 109_665_917


def test_digits_name_the_extra_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'sgl-jax\[demo\]'"):
        DATASETS["digits"]()


def test_resize_interpolates_between_the_centres_of_pixels():
    image = np.arange(64).reshape(1, 8, 8) % 17
    at = (np.arange(28) + 0.5) * 8 / 28 - 0.5
    rows = np.stack([np.interp(at, np.arange(8), row) for row in image[0]])
    expected = np.stack([np.interp(at, np.arange(8), column) for column in rows.T]).T
    # Ties aside, the integers are those of the rounded interpolation.
    np.testing.assert_allclose(resize(image)[0], expected * 255 / 16, atol=0.5 + 1e-9)


def test_resize_keeps_constants():
    np.testing.assert_array_equal(resize(np.full((1, 8, 8), 16))[0], 255)
    np.testing.assert_array_equal(resize(np.zeros((1, 8, 8), dtype=int))[0], 0)


def test_batch_indices_draw_without_replacement():
    order = batch_indices(jax.random.key(0), 23, 5)
    assert order.shape == (4, 5)
    assert len(np.unique(order)) == 20
    assert set(np.unique(order)) <= set(range(23))
    np.testing.assert_array_equal(order, batch_indices(jax.random.key(0), 23, 5))
    assert (order != batch_indices(jax.random.key(1), 23, 5)).any()


@pytest.mark.parametrize("batch_size", [0, 24])
def test_batch_indices_refuse_what_fills_no_row(batch_size):
    with pytest.raises(ValueError, match=f"1 to 23 examples, .* got {batch_size}:"):
        batch_indices(jax.random.key(0), 23, batch_size)


def test_take_batch_normalises():
    x = jnp.array([[[[0]]], [[[51]]], [[[255]]]], dtype=jnp.uint8)
    images, labels = take_batch(x, jnp.array([3, 4, 5], dtype=jnp.int32), jnp.array([2, 1]))
    assert images.dtype == jnp.float32
    np.testing.assert_allclose(images.ravel(), [1, 0.2], rtol=1e-6)
    assert labels.tolist() == [5, 4]
