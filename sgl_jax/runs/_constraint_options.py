"""Options of constraints: the bits of levels, and targets that a constraint holds by itself."""

from collections.abc import Callable, Iterable
from typing import Any

from sgl_jax.runs._lookup import look_up_factory
from sgl_jax.runs.parts import KINDS, Options, is_constraint, is_regularized, takes


__all__ = ["holds_target", "is_constrained", "read_bits"]

MOST_BITS = 15
"""Bits of a weight, at most: a code with its sign fits into 16."""


def holds_target(options: Options) -> bool:
    """True if a target is a number of weights that a constraint holds: no strength follows it.

    Args:
      options: the values of all options.
    """
    if options["target_sparsity"] is None or not is_regularized(options):
        return False
    return takes(_find_penalty(options), "k")


def is_constrained(options: Options) -> bool:
    """True if single weights are constrained.

    Args:
      options: the values of all options.
    """
    return is_regularized(options) and is_constraint(_find_penalty(options))


def read_bits(given: Iterable[str]) -> dict[str, int]:
    """Reads bits of layers: texts BITS, for all that no pattern names, and PATTERN=BITS.

    Args:
      given: the texts.

    Returns:
      The bits by pattern, that of all others, which is empty, at the end.

    Raises:
      ValueError: a text of another form, bits out of their range, or a pattern given twice.
    """
    split = [text.rpartition("=") for text in given]
    found = {pattern: bits for pattern, _, bits in sorted(split, key=lambda each: not each[0])}
    if len(found) < len(split) or not all(
        bits.isdecimal() and 1 <= int(bits) <= MOST_BITS for bits in found.values()
    ):
        raise ValueError(
            f"A run needs bits as BITS or PATTERN=BITS, from 1 to {MOST_BITS} and each once, got "
            f"bits={' '.join(given)}."
        )
    return {pattern: int(bits) for pattern, bits in found.items()}


def _find_penalty(options: Options) -> Callable[..., Any]:
    kind = KINDS["penalty"]
    return look_up_factory(kind.noun, kind.catalogue, options["penalty"])
