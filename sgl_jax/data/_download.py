"""Download of a published file from the first mirror that has it, whole or not at all."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sgl_jax._util.packages import name_extra
from sgl_jax._util.signals import raise_on_signals
from sgl_jax.data import _idx as idx


__all__ = ["fetch", "make_write_error"]

RETRIES = 2
"""Further attempts at a mirror that fails, after pauses of one and two seconds."""

TIMEOUT = 30.0
"""Seconds without a byte after which an attempt has failed."""

CHUNK = 1 << 16
"""Bytes between two movements of the progress bar."""


def fetch(
    file: str,
    folder: Path,
    mirrors: tuple[str, ...],
    sha256: str,
    hash_file: Callable[[Path], str] = idx.compute_checksum,
) -> Path:
    """Downloads a file, with a progress bar where stderr is a terminal; returns its path.

    The file gets its name when all of it has arrived and its contents are the right ones; a
    failure leaves nothing of it behind. One that is there already is left as it is, not checked.

    Args:
      file: its name, in the folder and on the mirrors.
      folder: folder to put it into; made if it is missing.
      mirrors: URLs of folders, tried in this order.
      sha256: the expected checksum.
      hash_file: computes the checksum of a file; the default does not depend on the packing, so
        that a mirror may have packed the file anew or unpack it on the way.

    Raises:
      ImportError: if pooch is not installed.
      ConnectionError: if no mirror has the right file.
      OSError: if the folder cannot be written.
    """
    pooch = _import_pooch()
    from requests import RequestException

    bar = sys.stderr.isatty()
    download = pooch.HTTPDownloader(bar, CHUNK, timeout=TIMEOUT)
    download = _add_check(download, lambda path: hash_file(path) == sha256)
    failures = []
    for mirror in mirrors:
        client = pooch.create(folder, mirror, registry={file: None}, retry_if_failed=RETRIES)
        try:
            with raise_on_signals():
                path = Path(client.fetch(file, downloader=download))
            # pooch leaves it to its owner alone, but folders of data are shared.
            path.chmod(0o644)
            return path
        except (RequestException, ValueError) as error:
            failures.append(f"{mirror}: {_explain(error)}")
        except OSError as error:
            raise make_write_error(folder, error) from error
    raise ConnectionError(
        f"{file} needs a mirror that serves it, got none ({'; '.join(failures)}): "
        f"try again later, or put the file into {folder} yourself."
    )


def _import_pooch() -> ModuleType:
    with name_extra("Downloads need pooch", "demo"):
        import pooch
    return pooch


def _add_check(
    download: Callable[..., Any], is_right: Callable[[Path], bool]
) -> Callable[..., None]:
    """Adds to a download a check of its contents; raises ``ValueError`` if they are others."""

    def checked(url: str, output_file: str, client: Any) -> None:
        download(url, output_file, client)
        if not is_right(Path(output_file)):
            raise ValueError("not the published contents")

    return checked


def _explain(error: Exception) -> str:
    """Explains a failed attempt in a few words; those of requests run over several lines."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return "damaged file" if type(error) is ValueError else type(error).__name__


def make_write_error(folder: Path, error: OSError) -> OSError:
    """Makes the error that says which folder cannot be written, and why."""
    # pooch says in an error without strerror that it may not write.
    reason = error.strerror or "Permission denied"
    return OSError(
        f"Downloads need a folder that can be written, got '{reason}' for {folder}: "
        "free it, or choose another folder."
    )
