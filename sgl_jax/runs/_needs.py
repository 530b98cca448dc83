"""Needs of options: what has to be chosen beside an option for it to have an effect."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sgl_jax.runs._constraint_options import holds_target
from sgl_jax.runs._settings import find_parameters
from sgl_jax.runs.parts import (
    KINDS,
    OF_AN_ITERATE,
    Options,
    Parts,
    find_parts,
    is_constraint,
    is_regularized,
    takes,
)


__all__ = ["find_shapes", "find_unused", "refuse_unused"]

FEW = 6
"""Names of entries that a message lists at most."""


class Need(NamedTuple):
    """A condition for an option to have an effect.

    Attributes:
      words: the condition in words: ``"an algorithm with a base optimizer"``.
      about: the options that it depends on, for messages.
      is_met: true if the option has an effect.
    """

    words: str
    about: tuple[str, ...]
    is_met: Callable[[Options, Parts], bool]


def find_unused(options: Options) -> dict[str, Need]:
    """Finds the options without an effect, with what they would need.

    Args:
      options: the values of all options.

    Raises:
      ValueError: an unknown name, or a setting that does not fit.
    """
    parts = find_parts(options)
    needs = {name: need for name in options if (need := _find_need(name)) is not None}
    return {name: need for name, need in needs.items() if not need.is_met(options, parts)}


def refuse_unused(options: Options, given: Collection[str]) -> None:
    """Refuses options that were given and have no effect.

    Args:
      options: the values of all options.
      given: names of the options that were given.

    Raises:
      ValueError: one of them has no effect; or as :func:`find_unused`.
    """
    for name, need in find_unused(options).items():
        if name in given:
            about = [*need.about, *(each for each, off in _APART.items() if options[each] != off)]
            got = ", ".join(f"{each}={options[each]!r}" for each in about if each != name)
            raise ValueError(
                f"{name}={options[name]!r} needs {need.words}, got {got}: leave {name} out."
            )


def _find_need(option: str) -> Need | None:
    """Finds the need of an option: one of :data:`NEEDS`, or a part that takes it as parameter."""
    if option in NEEDS:
        return NEEDS[option]
    takers = [
        (part, parameter)
        for part, kind in KINDS.items()
        for parameter, source in kind.options.items()
        if source == option
    ]
    return _need_taker(takers) if takers else None


def _need_taker(takers: list[tuple[str, str]]) -> Need:
    """Makes the need of a part that takes an option, from pairs of part and parameter."""
    names = sorted(
        name
        for part, parameter in takers
        for name, make in KINDS[part].catalogue.items()
        if takes(make, parameter)
    )
    nouns = " or ".join(KINDS[part].noun for part, _ in takers)
    article = "an" if nouns[0] in "aeo" else "a"
    listed = f" ({', '.join(names)})" if 0 < len(names) <= FEW else ""
    return Need(
        f"{article} {nouns} that takes it{listed}",
        tuple(part for part, _ in takers),
        lambda options, parts: any(
            part in parts and takes(parts[part], parameter) for part, parameter in takers
        ),
    )


def _is_taken(option: str, options: Options, parts: Parts) -> bool:
    """True if a part takes an option as parameter."""
    need = _find_need(option)
    return need is not None and need.is_met(options, parts)


def _is_any_taken(*names: str) -> Callable[[Options, Parts], bool]:
    """Makes the condition that a part takes one of these options."""
    return lambda options, parts: any(_is_taken(name, options, parts) for name in names)


def _has_regularizer(options: Options, parts: Parts) -> bool:
    """True if a run has a regularizer."""
    del parts
    return is_regularized(options)


def _has_strength(options: Options, parts: Parts) -> bool:
    """True if a run has a regularizer with a strength."""
    return is_regularized(options) and _is_any_taken("lam", "group_lam")(options, parts)


def _grows(options: Options, parts: Parts) -> bool:
    """True if the coupling grows at the milestones."""
    return _is_taken("beta", options, parts) and options["beta_growth"] != 1


def _has_one_shape(options: Options, parts: Parts) -> bool:
    """True if the penalty of single weights has one shape parameter, which no target sets."""
    return (
        not holds_target(options) and "penalty" in parts and len(find_shapes(parts["penalty"])) == 1
    )


def find_shapes(penalty: Callable[..., Any]) -> list[str]:
    """Finds the shape parameters of a penalty: its numbers but for the strength."""
    found = find_parameters(penalty, KINDS["penalty"].options)
    return [name for name, parameter in found.items() if float in parameter.kinds]


_APART = {"dense": False, "reparametrization": "none"}
"""Options without which a run has a regularizer, with their values then."""

NEEDS: dict[str, Need] = {
    "reparametrization": Need(
        "a run that is not dense", (), lambda options, parts: "reparametrization" in parts
    ),
    "finish": Need("a regularizer", (), _has_regularizer),
    "shrink_at": Need("a regularizer", (), _has_regularizer),
    "penalty": Need("a regularizer", (), _has_regularizer),
    "shape": Need("a penalty with one shape parameter", ("penalty",), _has_one_shape),
    "group_penalty": Need(
        "a regularizer, and group_lam beside a constraint",
        ("penalty", "group_lam"),
        lambda options, parts: "group_penalty" in parts,
    ),
    "group_weight": Need(
        "groups='channels' for flops, and a penalty on them",
        ("groups", "group_penalty"),
        lambda options, parts: (
            (options["groups"] == "channels" or options["group_weight"] != "flops")
            and _is_taken("group_lam", options, parts)
        ),
    ),
    "undivided": Need("a strength", ("penalty",), _is_any_taken("lam", "group_lam", "beta")),
    "lam_warmup": Need("a penalty with a strength", ("penalty",), _has_strength),
    **{
        name: Need(
            "groups='channels' or 'scales', and a penalty on them",
            ("groups", "group_penalty"),
            lambda options, parts: (
                options["groups"] in ("channels", "scales") and "group_penalty" in parts
            ),
        )
        for name in ("target_flops", "target_params")
    },
    "target_sparsity": Need(
        "a penalty with a strength, or top_k",
        ("penalty",),
        lambda options, parts: holds_target(options) or _has_strength(options, parts),
    ),
    "bits": Need(
        "a penalty with levels (levels)",
        ("penalty",),
        lambda options, parts: "penalty" in parts and takes(parts["penalty"], "count"),
    ),
    "constrain": Need(
        "a constraint, and no penalty of groups",
        ("penalty", "group_lam"),
        lambda options, parts: (
            "penalty" in parts and is_constraint(parts["penalty"]) and "group_penalty" not in parts
        ),
    ),
    "hold_zeros": Need(
        f"a regularizer, and another algorithm than {', '.join(OF_AN_ITERATE)}",
        ("algorithm",),
        lambda options, parts: (
            is_regularized(options) and options["algorithm"] not in OF_AN_ITERATE
        ),
    ),
    "beta_growth": Need(
        "a coupling beta that grows at milestones",
        ("algorithm", "milestones"),
        lambda options, parts: _is_taken("beta", options, parts) and bool(options["milestones"]),
    ),
    "beta_growth_on": Need(
        "beta_growth, and an algorithm with a coupling of dense kernels (splitting)",
        ("algorithm", "beta_growth"),
        lambda options, parts: _grows(options, parts) and takes(parts["algorithm"], "dense_beta"),
    ),
    "optimizer": Need(
        "an algorithm with a base optimizer",
        ("algorithm",),
        lambda options, parts: "optimizer" in parts,
    ),
    "milestones": Need(
        "schedule='staircase' or beta_growth",
        ("schedule", "beta_growth"),
        lambda options, parts: takes(parts["schedule"], "milestones") or _grows(options, parts),
    ),
    "decay": Need(
        "a schedule that takes it (staircase), and milestones",
        ("schedule", "milestones"),
        lambda options, parts: takes(parts["schedule"], "decay") and bool(options["milestones"]),
    ),
}
"""Options that need more than a part with a parameter for them."""
