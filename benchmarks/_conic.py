"""A loop of conic solves, as cvxpy and Clarabel do them, where they are installed."""

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import conic


__all__ = ["HAVE", "time_program"]

HAVE = importlib.util.find_spec("cvxpy") is not None


def time_program(net: Any, sets: Any, *, robust: bool) -> tuple[float, float]:
    """Solves the program of all pairs, for ellipsoids or their centres.

    Returns:
      Its value in W, and the seconds of modelling and solving.
    """
    mask = np.ones(np.shape(net.pcomp), bool)
    began = time.perf_counter()
    if robust:
        value, _ = conic.solve(conic.relaxed_program(net, sets, mask))
    else:
        value, _ = conic.solve(conic.perfect_program(net, sets.center, mask))
    return value, time.perf_counter() - began
