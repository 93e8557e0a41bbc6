"""Inline heatmaps: cosines between emotions, and what the probe takes for what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evmlx.plots.draw import cluster_order, defined_cosines, similarity_order
from evmlx.plots.style import Look
from evmlx.report.format import percent, plain
from evmlx.report.html_svg import colour_class, label, legend, line, path, svg, tag

CELL, NAMES, STRIP, TREE = 22.0, 92.0, 6.0, 52.0
DARK = 0.62  # share of the deepest colour from which figures are white


def heatmap(cosine: Mapping[str, Any], shown: Mapping[str, Look], layer: int) -> str:
    """Draw the cosines of a layer, ordered by similarity, with the tree beside them."""
    matrix, emotions = defined_cosines(cosine)
    order, tree = similarity_order(matrix)
    names = [emotions[i] for i in order]
    values = matrix[np.ix_(order, order)]
    np.fill_diagonal(values, np.nan)
    limit = max(0.1, np.ceil(10 * np.nanmax(np.abs(values))) / 10)
    cells = _cells(
        values,
        names,
        lambda v: (plain(100 * v, 0), "pos" if v > 0 else "neg", abs(v) / limit),
        lambda row, column, v: f"{row} and {column}\ncosine {plain(v, 3)}",
    )
    size = CELL * len(names)
    width = NAMES + STRIP + size + TREE
    reach = max(map(max, tree["dcoord"]))
    x0 = NAMES + STRIP + size + 4
    branches = "".join(
        path(
            [
                (x0 + d / reach * (TREE - 8), (i - 5) / 10 * CELL + CELL / 2)
                for i, d in zip(along, out, strict=True)
            ],
            "branch",
        )
        for along, out in zip(tree["icoord"], tree["dcoord"], strict=True)
    )
    name = f"Cosine between every two emotion vectors, layer {layer}"
    drawn = cells + branches + _edges(names, shown)
    height = size + STRIP + NAMES
    return svg(width, height, name, drawn, len(names), kind="matrix") + legend(
        [shown[n] for n in shown if n in names]
    )


def confusions(
    matrix: Sequence[Sequence[float]],
    emotions: Sequence[str],
    shown: Mapping[str, Look],
    layer: int,
) -> str:
    """Draw the grouped probe's confusions, emotions of a cluster side by side."""
    order = cluster_order(emotions, shown)
    names = [emotions[i] for i in order]
    values = np.array(matrix, float)[np.ix_(order, order)]
    cells = _cells(
        values,
        names,
        lambda v: (plain(100 * v, 0) if v >= 0.005 else "", "seq", v),
        lambda row, column, v: f"stories of {row}\nthe probe answers {column}: {percent(v)}",
    )
    size = CELL * len(names)
    parts = []
    for i in range(1, len(names)):
        if shown[names[i]] != shown[names[i - 1]]:
            at = i * CELL
            parts.append(line(NAMES + STRIP, at, NAMES + STRIP + size, at, "part"))
            parts.append(line(NAMES + STRIP + at, 0, NAMES + STRIP + at, size, "part"))
    name = f"What the probe takes for what, rows the stories' emotion, layer {layer}"
    drawn = cells + "".join(parts) + _edges(names, shown)
    return svg(
        NAMES + STRIP + size + 8, size + STRIP + NAMES, name, drawn, len(names), kind="matrix"
    ) + legend([shown[n] for n in shown if n in names])


def _cells(
    values: np.ndarray,
    names: Sequence[str],
    look: Callable[[float], tuple[str, str, float]],
    say: Callable[[str, str, float], str],
) -> str:
    parts = []
    for (row, column), value in np.ndenumerate(values):
        x, y = NAMES + STRIP + column * CELL, row * CELL
        square = {"x": x + 0.5, "y": y + 0.5, "width": CELL - 1, "height": CELL - 1}
        if not np.isfinite(value):
            same = f"{names[row]}" + ("\nwith itself" if row == column else "\nnot known")
            parts.append(
                tag("g", tag("rect", **square, class_="none"), class_="tip", data_tip=same)
            )
            continue
        text, colour, depth = look(float(value))
        inner = tag("rect", **square, class_=colour, fill_opacity=float(min(1.0, depth)))
        if text:
            class_ = "cell on" if depth > DARK else "cell"
            inner += label(x + CELL / 2, y + CELL / 2 + 3, text, class_=class_)
        said = say(names[row], names[column], float(value))
        parts.append(tag("g", inner, class_="tip", data_tip=said))
    return "".join(parts)


def _edges(names: Sequence[str], shown: Mapping[str, Look]) -> str:
    """Names and strips of cluster colours along the left and lower sides."""
    parts = []
    size = CELL * len(names)
    for i, name in enumerate(names):
        colour = f"strip {colour_class(shown[name])}"
        y, x = i * CELL, NAMES + STRIP + i * CELL
        strip = {"width": STRIP - 1.5, "height": CELL, "class_": colour}
        parts.append(tag("rect", x=NAMES, y=y, **strip))
        strip = {"width": CELL, "height": STRIP - 1.5, "class_": colour}
        parts.append(tag("rect", x=x, y=size + 1.5, **strip))
        parts.append(label(NAMES - 5, y + CELL / 2 + 4, name, anchor="end", class_="name"))
        at = f"translate({x + CELL / 2 + 4:g} {size + STRIP + 5:g}) rotate(-90)"
        parts.append(label(0, 0, name, anchor="end", class_="name", transform=at))
    return "".join(parts)
