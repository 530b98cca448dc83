"""A table of the primitives that compaction understands, and of the rules that each has."""

from collections.abc import Mapping

from sgl_jax.compaction.rules._primitive import Family, Primitive


__all__ = ["table"]


def table(families: Mapping[str, Family]) -> str:
    """Writes a table in Markdown: a row for all primitives of a family with the same rules.

    Args:
      families: the primitives by name, by family.
    """
    heads = ("file", "primitives", *Primitive._fields)
    rows = [heads, ("---",) * len(heads)]
    for family, primitives in families.items():
        by_marks: dict[tuple[str, ...], list[str]] = {}
        for name, rules in primitives.items():
            by_marks.setdefault(_marks(rules), []).append(name)
        for marks, names in sorted(by_marks.items(), reverse=True):
            cells = " ".join(f"`{name}`" for name in sorted(names))
            rows.append((f"`{family}`", cells, *marks))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _marks(rules: Primitive) -> tuple[str, ...]:
    return tuple("-" if rule is None else "yes" for rule in rules)
