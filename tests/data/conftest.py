"""A folder for tests of permissions."""

import pathlib
import tempfile

import pytest


@pytest.fixture
def public_path():
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        path.chmod(0o755)
        yield path
