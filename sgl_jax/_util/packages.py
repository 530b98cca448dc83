"""Packages of extras, which may be missing."""

import contextlib
from collections.abc import Generator


__all__ = ["name_extra"]


@contextlib.contextmanager
def name_extra(needs: str, extra: str) -> Generator[None, None, None]:
    """Says in the error of an import in its block how to install what is missing.

    Args:
      needs: what needs which package, ``"Downloads need pooch"``; ``{}`` stands for the name of the
        module that is missing.
      extra: the extra of this package that has it.

    Raises:
      ImportError: a package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{needs.format(error.name)}, which is not installed: "
            f"run `pip install 'sgl-jax[{extra}]'`."
        ) from error
