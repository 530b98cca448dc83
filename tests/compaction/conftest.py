"""Compacted networks that several files put on disk."""

import shutil

import pytest
from support.dead import NETWORKS

import sgl_jax as sgl


@pytest.fixture(scope="module")
def networks():
    """The full networks, and the same without their dead channels."""
    found = {name: make() for name, make in NETWORKS.items()}
    return {
        name: (*full, sgl.compact(full[0], full[1], full[2][:1])) for name, full in found.items()
    }


@pytest.fixture(scope="module")
def stored(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "small"
    sgl.save_compact(path, networks["flax"][3])
    return path


@pytest.fixture
def copied(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "small")
