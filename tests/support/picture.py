"""The picture of the README: the channels of a network before and after, from its record."""

from collections.abc import Iterator

from support.costs import record


RUN = "lam_2.5_40"
"""The run of ``mnist_channels.json`` that is drawn: seed 0, 40 epochs."""

LAYERS = {"conv1": (20, 10), "conv2": (50, 10), "fc1": (500, 3)}
"""The channels of every layer, and the side of the square that is drawn for each."""

ALIVE, DEAD, INK, PAPER = "#2f6fbb", "#dfe3e8", "#24292f", "#ffffff"
LEFT, WHOLE, RIGHT, GAP = 130, 540, 680, 2
"""The left end, the width and the words at the right of what is drawn; between squares."""


def words(x: int, y: int, text: str, anchor: str = "start") -> str:
    """Writes a line of text."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'


def squares(numbers: range, side: int, top: int, color: str) -> str:
    """Draws squares with these numbers, in rows."""
    row = WHOLE // (side + GAP)
    corners = ((LEFT + k % row * (side + GAP), top + k // row * (side + GAP)) for k in numbers)
    path = "".join(f"M{x} {y}h{side}v{side}h-{side}z" for x, y in corners)
    return f'<path fill="{color}" d="{path}"/>'


def layer(name: str, alive: int, top: int) -> tuple[int, list[str]]:
    """Draws the channels of a layer, those that are left first; where they end, and the parts."""
    count, side = LAYERS[name]
    rows = -(-count // (WHOLE // (side + GAP)))
    parts = [
        words(LEFT - 12, top + 10, name, "end"),
        squares(range(alive), side, top, ALIVE),
        squares(range(alive, count), side, top, DEAD),
        words(RIGHT, top + 10, f"{count} → {alive}"),
    ]
    return top + rows * (side + GAP) + 14, parts


def bar(name: str, share: float, top: int) -> Iterator[str]:
    """Draws a bar: what is left of all."""
    yield words(LEFT - 12, top + 12, name, "end")
    for color, part in ((DEAD, 1.0), (ALIVE, share)):
        width = f"{part * WHOLE:.0f}"
        yield f'<rect x="{LEFT}" y="{top}" width="{width}" height="16" fill="{color}"/>'
    yield words(RIGHT, top + 12, f"{share:.1%} left")


def draw() -> str:
    """Draws the picture as SVG."""
    (run,) = (run for run in record("mnist_channels")["runs"] if run["run"] == RUN)
    last, sizes = run["last"], run["compact"]
    title = f"LeNet-5 on MNIST after {last['epoch']} epochs, {last['error']:.2%} test error"
    parts, top = [words(LEFT, 26, title)], 44
    for name in LAYERS:
        (alive,) = sizes["shapes"][f"0/{name}/bias"]
        top, drawn = layer(name, alive, top)
        parts += drawn
    for name, key in (("FLOPs", "flops"), ("parameters", "parameters")):
        parts += bar(name, sizes["after"][key] / sizes["before"][key], top)
        top += 26
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {top + 6}" '
        f'font-family="sans-serif" font-size="13" fill="{INK}">'
    )
    paper = f'<rect width="780" height="{top + 6}" rx="8" fill="{PAPER}"/>'
    return "\n".join([opening, paper, *parts, "</svg>", ""])
