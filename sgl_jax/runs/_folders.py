"""Folders of runs, recipes and sweeps: the treatment of one that is there, and shared errors."""

import contextlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Literal, TypeAlias


__all__ = ["Mode", "explain_damage", "find", "make_write_error"]

Mode: TypeAlias = Literal["new", "resume", "overwrite"]
"""Treatment of a run that may be there already."""


def find(noun: str, marker: Path, mode: Mode) -> bool:
    """True if a folder has something to go on with; refuses one that is not as the mode wants.

    Args:
      noun: what the folder is for: ``"run"``.
      marker: path of the file in it that tells such a folder from others.
      mode: treatment of what is there.

    Raises:
      FileExistsError: the folder holds something else, or is there where a new one is wanted.
    """
    folder, there = marker.parent, marker.exists()
    taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken and not there:
        raise FileExistsError(
            f"A {noun} needs a folder of its own, got {folder}, which holds something else: "
            "choose another --name."
        )
    if there and mode == "new":
        raise FileExistsError(
            f"A new {noun} needs a new folder, got {folder}, which has a {noun}: add --resume to "
            "go on with it, --overwrite to delete it, or another --name."
        )
    return there and mode == "resume"


@contextlib.contextmanager
def explain_damage(noun: str, marker: Path, command: str) -> Generator[None, None, None]:
    """Explains in a sentence what its block cannot read of the file that tells a folder.

    Args:
      noun: what the folder is for.
      marker: path of the file.
      command: the command that writes it.

    Raises:
      FileNotFoundError: the file is missing.
      ValueError: the file cannot be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"A {noun} folder needs its {marker.name}, got none in {marker.parent}: check its name."
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"A {noun} folder needs a {marker.name} as `{command}` writes it, got {error} in "
            f"{marker}: use the version that wrote it, or --overwrite."
        ) from error


def make_write_error(path: Path, error: OSError) -> OSError:
    """Makes the error for a run folder, or a folder of several, that cannot be written.

    Args:
      path: path of the folder.
      error: the error of the system.
    """
    return OSError(
        f"A run needs a folder that can be written, got '{error.strerror}' for {path}: free some "
        "space or choose another --runs folder; an interrupted run goes on with --resume."
    )
