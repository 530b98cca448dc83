"""Runs the command line as ``python -m sgl_jax``."""

import sys

from sgl_jax.cli import main


sys.exit(main())
