"""Inline plot of the report: the rank of the right emotion in every new text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from evmlx.plots.style import UNKNOWN, Look
from evmlx.plots.texts import TargetRanks, emotions_ranked, target_ranks
from evmlx.report.html_curves import WIDTH, Scale, panel
from evmlx.report.html_svg import colour_class, dots, label, line, svg, tag, tip
from evmlx.report.run_results import RunResults

ROW, NAMES = 26.0, 104.0


def rank_dots(results: RunResults, shown: Mapping[str, Look]) -> str:
    """Draw ranks by the model's vectors, filled, over those by word counts, hollow."""
    batteries, emotions = target_ranks(results)
    last = emotions_ranked(results)
    drawn = "".join(
        panel(one.label.replace("\n", " "), _rows(one, emotions, last, shown)) for one in batteries
    )
    names = dots(
        [
            ("cx", "filled, in the cluster's colour: the model's vectors"),
            ("cx hollow", "hollow: word counts of the stories"),
        ]
    )
    names += tag("li", tag("span", class_="swatch chance") + "chance")
    return tag("div", drawn, class_="panels") + tag("ul", names, class_="legend")


def _rows(one: TargetRanks, emotions: Sequence[str], last: int, shown: Mapping[str, Look]) -> str:
    x = Scale(1, last, NAMES + 10, WIDTH - 12)
    bottom = 8 + ROW * len(emotions)
    middle = x((last + 1) / 2)
    parts = [line(middle, 4, middle, bottom, "chance")]
    for place, emotion in enumerate(emotions):
        y = 8 + ROW * (place + 0.5)
        look = shown.get(emotion, UNKNOWN)
        model, words = one.model.get(emotion, []), one.words.get(emotion, [])
        told = f"{emotion}\nranks by the vectors: {_listed(model)}"
        if words:
            told += f"\nby word counts: {_listed(words)}"
        below = y + ROW / 2
        inner = tag("rect", x=0, y=y - ROW / 2, width=WIDTH, height=ROW, class_="catch")
        inner += line(0, below, x.end + 6, below, "grid")
        inner += _dots(x, y + 6, words, "mark cx hollow")
        inner += _dots(x, y - 5, model, f"mark {colour_class(look)}")
        inner += label(NAMES, y + 4, emotion, anchor="end", class_="name")
        parts.append(tip(inner, told))
    for value in (1, *range(5, last + 1, 5)):
        parts.append(label(x(value), bottom + 14, str(value), anchor="middle", class_="tick"))
    name = f"Rank of the right emotion, {one.label}".replace("\n", " ")
    title = f"rank, 1 (best) to {last}"
    parts.append(label((x.start + x.end) / 2, bottom + 32, title, anchor="middle", class_="tick"))
    return svg(WIDTH, bottom + 38, name, "".join(parts))


def _dots(x: Scale, y: float, ranks: Sequence[int], classes: str) -> str:
    return "".join(
        tag("circle", cx=x(rank), cy=y, r=2.6 * math.sqrt(count), class_=classes)
        for rank, count in sorted(Counter(ranks).items())
    )


def _listed(ranks: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(ranks))) or "none"
