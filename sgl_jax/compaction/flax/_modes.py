"""A module as a function of its arrays: in evaluation mode, and in training mode."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend import random

from sgl_jax.compaction import UnequalError, check_equal, full_precision


__all__ = ["EVALUATION", "TRAINING", "Call", "Modes", "UnlikeError", "split"]

EVALUATION, TRAINING = "evaluation", "training"

_ROUNDINGS = 8
"""Times that sums in another order may differ by what a unit in the last place changes."""

_ANY = 1e30
"""A tolerance for any difference."""

Call = Callable[..., Any]
"""``(module, *inputs) -> outputs``."""


class UnlikeError(Exception):
    """A narrow module gives other outputs than the full one, or none.

    Attributes:
      mode: the mode in which it does.
    """

    def __init__(self, why: str, mode: str) -> None:
        super().__init__(why)
        self.mode = mode


@dataclasses.dataclass(frozen=True)
class Modes:
    """A module as functions of its arrays and inputs.

    Attributes:
      state: its arrays.
      modes: the functions by the name of the mode: evaluation, and training if the module is in
        training mode. In training all random numbers are the same.
      traced: the functions in which dead channels are looked for, in turn: evaluation, and the
        outputs in both modes, without random numbers.
    """

    state: Any
    modes: dict[str, Callable[..., Any]]
    traced: tuple[Callable[..., Any], ...]

    @classmethod
    def of(cls, module: nnx.Module, call: Call) -> "Modes":
        """Takes a module apart, which stays as it is."""
        evaluating, training, alike = (nnx.clone(module) for _ in range(3))
        evaluating.eval()
        _settle(training)
        _settle(alike)
        _, state, _ = split(module)
        evaluate = _function(evaluating, call)
        if nnx.graphdef(evaluating) == nnx.graphdef(training):
            return cls(state, {EVALUATION: evaluate}, (evaluate,))
        training.set_attributes(deterministic=True, raise_if_not_found=False)
        train = _function(training, call)
        _make_draws_alike(alike)

        def both(state, *inputs):
            return evaluate(state, *inputs), train(state, *inputs)

        modes = {EVALUATION: evaluate, TRAINING: _function(alike, call)}
        return cls(state, modes, (evaluate, both))

    def check(self, inputs: Sequence[Any]) -> None:
        """Raises ``UnlikeError`` if the module is in training mode and does not run in it."""
        if TRAINING in self.modes:
            with _named(TRAINING):
                jax.eval_shape(self.modes[TRAINING], self.state, *inputs)

    def compare(
        self, narrow: "Modes", inputs: Sequence[Any], tolerance: float | None
    ) -> tuple[float, float]:
        """Compares the outputs with those of a narrow module, in each mode.

        In training mode a norm of few numbers makes rounding large. Without a tolerance outputs may
        differ there by a few times what a unit in the last place of the arrays changes.

        Returns:
          The largest difference, and the largest output, in evaluation mode.

        Raises:
          UnlikeError: a difference is over the tolerance, or the narrow module does not run.
        """
        figures = {}
        for mode in self.modes:
            with _named(mode), full_precision():
                try:
                    figures[mode] = self._compare(narrow, mode, inputs, tolerance)
                except UnequalError:
                    if mode == EVALUATION or tolerance is not None:
                        raise
                    rounding = self._measure_rounding(mode, inputs)
                    self._compare(narrow, mode, inputs, _ROUNDINGS * rounding)
        return figures[EVALUATION]

    def _compare(
        self, narrow: "Modes", mode: str, inputs: Sequence[Any], tolerance: float | None
    ) -> tuple[float, float]:
        other = narrow.modes[mode]
        return check_equal(self.modes[mode], self.state, other, narrow.state, inputs, tolerance)

    def _measure_rounding(self, mode: str, inputs: Sequence[Any]) -> float:
        """Measures the share of outputs that a unit in the last place of all arrays changes."""
        nudged = dataclasses.replace(self, state=jax.tree.map(_nudge, self.state))
        error, scale = self._compare(nudged, mode, inputs, _ANY)
        return error / scale if scale else 0.0


def _nudge(leaf: Any) -> Any:
    """Adds a unit in the last place to every number."""
    inexact = jnp.issubdtype(leaf.dtype, jnp.inexact)
    return leaf * (1 + jnp.finfo(leaf.dtype).eps) if inexact else leaf


@contextlib.contextmanager
def _named(mode: str) -> Generator[None]:
    """Turns what goes wrong in a mode into an ``UnlikeError``."""
    try:
        yield
    except UnequalError as unequal:
        why = f"its outputs differ by {unequal.error:.2e} where they reach {unequal.scale:.2e}"
        raise UnlikeError(why, mode) from unequal
    except Exception as cause:  # The user's code, on arrays of sizes that it may not expect.
        why = f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
        raise UnlikeError(why, mode) from cause


def split(module: nnx.Module) -> tuple[Any, Any, Any]:
    """Splits a module into its structure, the arrays that may be sliced, and the rest."""
    graphdef, state, rest = nnx.split(module, _is_sliceable, ...)
    return graphdef, state, rest


def _is_sliceable(path: tuple[Any, ...], leaf: Any) -> bool:
    """True if a leaf of a module is an array of numbers: no random key, no Python number."""
    value = leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf
    return isinstance(value, jax.Array | np.ndarray) and not isinstance(leaf, nnx.RngState)


def _function(module: nnx.Module, call: Call) -> Callable[..., Any]:
    graphdef, _, rest = split(module)

    # Copies, since Flax lets a trace change only those variables that were made in it.
    def apply(state, *inputs):
        return call(nnx.merge(graphdef, state, rest, copy=True), *inputs)

    return apply


def _settle(module: nnx.Module) -> None:
    """Puts the layers into evaluation mode whose mode is left to the call."""
    for _, layer in nnx.iter_modules(module):
        for flag in ("deterministic", "use_running_average"):
            if getattr(layer, flag, False) is None:
                setattr(layer, flag, True)


def _make_draws_alike(module: nnx.Module) -> None:
    """Gives a module keys of which all random numbers are the same, whatever their shape.

    A narrow module draws other numbers than the full one; with these, both compute the same.
    """
    for _, node in nnx.iter_graph(module):
        if isinstance(node, nnx.RngKey):
            key = jax.random.key(0, impl=_ALIKE)
            node.set_value(jnp.broadcast_to(key, node.get_value().shape))


_ALIKE = random.define_prng_impl(
    key_shape=(1,),
    seed=lambda seed: jnp.zeros(1, jnp.uint32),
    split=lambda key, shape: jnp.zeros((*shape, 1), jnp.uint32),
    random_bits=lambda key, bit_width, shape: jnp.zeros(shape, f"uint{bit_width}"),
    fold_in=lambda key, data: key,
    name="alike",
    tag="alike",
)
"""A generator whose bits are all zero: of a uniform distribution it draws the least number."""
