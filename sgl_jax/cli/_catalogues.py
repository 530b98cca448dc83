"""Tables of the catalogues: the names to choose from, and the parameters of each."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sgl_jax._util.docstrings import read_first_line
from sgl_jax.runs.option_files import load
from sgl_jax.runs.parts import KINDS, describe_parameters
from sgl_jax.runs.recipes import RECIPES
from sgl_jax.runs.sweeps import PRESETS


__all__ = ["tabulate_catalogues", "tabulate_parameters"]


_FILES = {
    "--recipe": ("recipe", RECIPES),
    "--preset (sweep)": ("sweep", PRESETS),
}
"""Files that come with the package, by the option that names one."""


def tabulate_catalogues() -> Table:
    """Tabulates the entries of all catalogues, with the options that choose them."""
    choosing: dict[int, list[str]] = {}
    for option, kind in KINDS.items():
        choosing.setdefault(id(kind.catalogue), []).append(option)
    rows: list[tuple[str, str]] = []
    for options in choosing.values():
        rows.append((", ".join(map(_spell, options)), ""))
        entries = KINDS[options[0]].catalogue.items()
        rows += [(f"  {name}", read_first_line(entry)) for name, entry in entries]
    for head, (noun, files) in _FILES.items():
        rows.append((head, ""))
        rows += [(f"  {name}", load(noun, files, name)[0]["title"]) for name in files]
    table = _make_table(max(len(name) for name, _ in rows))
    for name, line in rows:
        table.add_row(Text(name, style="" if line else "bold"), Text(line))
    return table


def tabulate_parameters(name: str) -> Group:
    """Tabulates the parameters of an entry.

    Args:
      name: name of an entry of a catalogue.

    Raises:
      ValueError: no catalogue has such an entry.
    """
    parts: list[Text | Table] = []
    for option, parameters in describe_parameters(name).items():
        entry = KINDS[option].catalogue[name]
        parts.append(Text(f"{_spell(option)} {name}: {read_first_line(entry)}", style="bold"))
        table = _make_table()
        table.add_column()
        for parameter, source, says in parameters:
            table.add_row(f"  {parameter}", source, Text(says))
        parts.append(table if parameters else Text("  no parameters"))
    return Group(*parts, Text("Parameters without an option are given by --set NAME=VALUE."))


def _make_table(width: int = 0) -> Table:
    """Makes a table of two columns without lines, the first at least so wide."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, min_width=width)
    table.add_column()
    return table


def _spell(option: str) -> str:
    """Spells an option as it is typed."""
    return f"--{option.replace('_', '-')}"
