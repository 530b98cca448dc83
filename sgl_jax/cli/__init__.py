"""The command line, ``sgl-jax``: its commands, progress, tables and figures."""

from sgl_jax.cli._main import main as main


__all__ = ["main"]
