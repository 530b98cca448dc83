"""Refusals of arguments of another kind: each names the argument, and the fix."""

import inspect
from collections.abc import Sequence
from typing import Any

import jax

from sgl_jax.groups import GroupingLike
from sgl_jax.penalties import Penalty


__all__ = ["describe", "require_grouping", "require_numbers", "require_penalty"]


def require_penalty(owner: str, penalty: Any) -> None:
    """Refuses what is no penalty, such as the class of one."""
    if not isinstance(penalty, Penalty):
        raise ValueError(f"{owner} needs a penalty, got {describe(penalty, 'L1(lam=0.1)')}.")


def require_grouping(owner: str, grouping: Any) -> None:
    """Refuses what is no grouping, such as a function that makes one."""
    if isinstance(grouping, type) or not isinstance(grouping, GroupingLike):
        raise ValueError(f"{owner} needs a grouping, got {describe(grouping, 'by_filter()')}.")


def require_numbers(owner: str, penalties: Sequence[Penalty]) -> None:
    """Refuses strengths that are schedules."""
    if any(callable(leaf) for penalty in penalties for leaf in jax.tree.leaves(penalty)):
        raise ValueError(
            f"{owner} needs numbers as strengths, got a schedule; give the value that it leads to."
        )


def describe(thing: Any, example: str) -> str:
    """Describes a thing of another kind than needed, and says what to write in its place."""
    if inspect.isclass(thing) or inspect.isroutine(thing):
        kind = "class" if inspect.isclass(thing) else "function"
        return f"the {kind} {thing.__name__}: call it, {thing.__name__}(...)"
    if isinstance(thing, Penalty):
        return f"the penalty {thing!r}: wrap it, Regularizer({thing!r})"
    known = repr(thing) if isinstance(thing, str | float | int) else f"a {type(thing).__name__}"
    return f"{known}: write {example}"
