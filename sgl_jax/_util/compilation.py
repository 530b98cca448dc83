"""Options of the compiler, and the choice among them by measurement."""

import statistics
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax

from sgl_jax._util.timing import is_quicker, time_in_turn


__all__ = [
    "DEFAULT",
    "NO_YNNPACK",
    "OPTIONS",
    "YNNPACK_SUMS",
    "Compiled",
    "compile_quickest",
    "option_sets",
]

DEFAULT = "default"
NO_YNNPACK = "no YNNPACK"
YNNPACK_SUMS = "YNNPACK for sums"

OPTIONS: dict[str, dict[str, dict[str, str]]] = {
    "cpu": {
        NO_YNNPACK: {"xla_cpu_experimental_ynn_fusion_type": ""},
        YNNPACK_SUMS: {
            "xla_cpu_experimental_ynn_fusion_type": (
                "LIBRARY_FUSION_TYPE_REDUCE,LIBRARY_FUSION_TYPE_ELTWISE"
            )
        },
    }
}
"""Sets of compiler options by platform and name, beside the default.

Without fusions for YNNPACK convolutions and matrix products go to Eigen: LeNet-5's training step at
batch 128 on two cores took 22 ms instead of 40 with jaxlib 0.10.2, 22 instead of 29 with 0.12.0.
Some networks answer more slowly so. The sums of a BatchNorm, and what is fused with them, are
quicker by YNNPACK: that of ResNet-20 took 929 ms by default, 713 without YNNPACK, and 592 with it
for sums alone (0.10.2, ``benchmarks/results/networks.json``).
"""


class Compiled(NamedTuple):
    """A function compiled with the options that suit it.

    Attributes:
      call: the compiled function.
      options: name of the options, :data:`DEFAULT` or of :data:`OPTIONS`.
      seconds: median seconds of a call.
    """

    call: Callable[..., Any]
    options: str
    seconds: float


@cache
def option_sets() -> dict[str, dict[str, str]]:
    """Returns the sets of options that this device and this jaxlib take, the default first."""
    asked = OPTIONS.get(jax.default_backend(), {})
    return {DEFAULT: {}} | {name: given for name, given in asked.items() if _are_taken(given)}


def _are_taken(options: dict[str, str]) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def compile_quickest(
    function: Callable[..., Any],
    *arguments: Any,
    rounds: int = 15,
    patience: float = 0.5,
    clock: Callable[[], float] | None = None,
) -> Compiled:
    """Compiles a function with each set of options, and returns the quickest.

    The default stays unless another is quicker by more than noise.

    Args:
      function: the function to compile.
      *arguments: arguments of the calls that are timed; none is donated.
      rounds: as for :func:`~sgl_jax._util.timing.time_in_turn`.
      patience: likewise.
      clock: likewise.
    """
    sets = option_sets()
    compiled = {
        name: jax.jit(function, compiler_options=options or None) for name, options in sets.items()
    }
    calls = {name: lambda call=call: call(*arguments) for name, call in compiled.items()}
    taken = time_in_turn(calls, rounds, patience, clock)
    quickest = DEFAULT
    for name in taken:
        if name != quickest and is_quicker(taken[name], taken[quickest]):
            quickest = name
    return Compiled(compiled[quickest], quickest, statistics.median(taken[quickest]))
