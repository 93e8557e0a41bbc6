"""Shapes of the report's inline plots: they take their colours from the page's style sheet.

A thing with a value carries it in ``data-tip``, which the page's script shows under the pointer
and reads out as the arrow keys move through the plot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from evmlx.plots.style import COLOURS, Look


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """Element with attributes; an underscore in a name stands for a hyphen, one at its end not."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}></{name}>"


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"
    return str(value)


def label(x: float, y: float, text: str, **attributes: object) -> str:
    """Text at a place; ``anchor`` is start, middle or end."""
    anchor = attributes.pop("anchor", None)
    return tag("text", escape(text), x=x, y=y, text_anchor=anchor, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Straight line of a class."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def between(start: Sequence[float], end: Sequence[float], class_: str) -> str:
    """Straight line from one place to another."""
    return line(start[0], start[1], end[0], end[1], class_)


def path(points: Sequence[tuple[float, float]], class_: str, close: bool = False) -> str:
    """Line through points, a surface where it is closed."""
    d = "M" + "L".join(f"{_written(float(x))} {_written(float(y))}" for x, y in points)
    return tag("path", d=d + ("Z" if close else ""), class_=class_)


def svg(
    width: float, height: float, name: str, content: str, columns: int = 0, kind: str = ""
) -> str:
    """Plot with a name that is read out; ``columns`` > 0 where arrow keys move in a grid.

    ``kind`` is a further class, by which the style sheet gives the plot its width.
    """
    return tag(
        "svg",
        content,
        viewBox=f"0 0 {width:g} {height:g}",
        role="group",
        aria_label=f"{name}. Arrow keys move through the values.",
        tabindex="0",
        class_=f"chart {kind}".strip(),
        data_columns=columns or None,
    )


def tip(content: str, text: str, class_: str = "tip") -> str:
    """Group that has a value to tell."""
    return tag("g", content, class_=class_, data_tip=text)


def colour_class(look: Look) -> str:
    """Class of a cluster's colour."""
    return f"c{COLOURS.index(look.colour)}" if look.colour in COLOURS else "cx"


def marker(look: Look, place: Sequence[float], size: float, hollow: bool = False) -> str:
    """Marker of a cluster, as in the plots; ``size`` is half its width."""
    classes = f"mark {colour_class(look)}{' hollow' if hollow else ''}"
    x, y = place
    if look.marker == "o":
        return tag("circle", cx=x, cy=y, r=size * 0.95, class_=classes)
    corners = _corners(look.marker)
    return path([(x + size * dx, y + size * dy) for dx, dy in corners], classes, close=True)


def _corners(kind: str) -> list[tuple[float, float]]:
    square = [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]
    plus = [(-1, -0.38), (-0.38, -0.38), (-0.38, -1), (0.38, -1), (0.38, -0.38), (1, -0.38)]
    plus += [(-x, -y) for x, y in plus]
    turn = math.sqrt(0.5)
    star = [
        (
            (1.25 if i % 2 == 0 else 0.5) * math.sin(math.pi * i / 5),
            -(1.25 if i % 2 == 0 else 0.5) * math.cos(math.pi * i / 5),
        )
        for i in range(10)
    ]
    return {
        "s": square,
        "^": [(0, -1.05), (1.05, 0.9), (-1.05, 0.9)],
        "v": [(0, 1.05), (1.05, -0.9), (-1.05, -0.9)],
        "D": [(0, -1.1), (1.1, 0), (0, 1.1), (-1.1, 0)],
        "X": [(1.1 * turn * (x - y), 1.1 * turn * (x + y)) for x, y in plus],
        "P": plus,
        "*": star,
    }.get(kind, square)


def legend(shown: Sequence[Look]) -> str:
    """Clusters with their markers, as HTML under a plot."""
    items = "".join(
        tag("li", tag("svg", marker(k, (8, 8), 6), viewBox="0 0 16 16", aria_hidden="true")
            + escape(k.cluster))
        for k in dict.fromkeys(shown)
    )  # fmt: skip
    return tag("ul", items, class_="legend clusters")


def key(items: Sequence[tuple[str, str]]) -> str:
    """Legend of lines and surfaces: pairs of a swatch's classes and what it stands for."""
    listed = (tag("li", tag("span", class_=f"swatch {k}") + escape(name)) for k, name in items)
    return tag("ul", "".join(listed), class_="legend")


def dots(items: Sequence[tuple[str, str]]) -> str:
    """Entries of a legend: pairs of a dot's classes and what it stands for."""
    return "".join(
        tag(
            "li",
            tag(
                "svg",
                tag("circle", cx=8, cy=8, r=5, class_=f"mark {classes}"),
                viewBox="0 0 16 16",
                aria_hidden="true",
            )
            + escape(name),
        )
        for classes, name in items
    )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within a range, about as many as asked for."""
    span = high - low
    if not span > 0:
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * s for s in (1, 2, 2.5, 5, 10) if power * s >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
