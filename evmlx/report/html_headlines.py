"""The table of headline figures with each figure's interval and control drawn beside it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from evmlx.report.format import ABSENT, at_floor, interval, known, p_number, plain
from evmlx.report.html_svg import line, tag
from evmlx.report.html_text import sortable_table
from evmlx.report.metrics import LABELS, MetricRow

WIDTH = 150.0


def headline_table(here: Mapping[str, MetricRow]) -> str:
    """Sortable table of the rows of one layer."""
    head = ["figure", "value", "95% interval", "beside its control", "control", "p", "n"]
    body = [_cells(row) for row in here.values()]
    key = (
        '<p class="key">'
        + tag(
            "span",
            tag(
                "svg",
                line(4, 8, 46, 8, "whisker-line")
                + tag("circle", cx=26, cy=8, r=4, class_="mark c0"),
                viewBox="0 0 50 16",
                class_="forest",
                aria_hidden="true",
            ),
        )
        + " figure and its interval, "
        + tag(
            "svg",
            line(25, 2, 25, 14, "control-line"),
            viewBox="0 0 50 16",
            class_="forest",
            aria_hidden="true",
        )
        + " its control. Each row has a scale of its own.</p>"
    )
    return key + sortable_table(head, body, "Headline figures")


def _cells(row: MetricRow) -> list[str]:
    name, digits, unit = LABELS[row.metric]
    if row.value is None:
        return [escape(name), f"not computed: {escape(str(row.reason))}", "", "", "", "", ""]
    control = ABSENT
    if row.control is not None:
        control = f"{plain(row.control, digits)} <small>{escape(str(row.control_name))}</small>"
    if row.ceiling is not None:
        control += f"<small>ceiling {plain(row.ceiling, digits)}</small>"
    p = p_number(row.p) + (" †" if at_floor(row.p, row.draws) else "")
    bounds = interval(row.low, row.high, digits)
    if known(row.low) and known(row.high) and not row.low <= row.value <= row.high:
        bounds += " ‡"
    count = ABSENT if row.n is None else f"{row.n:,} {unit}"
    figure = f"<strong>{plain(row.value, digits)}</strong>"
    return [escape(name), figure, bounds, _forest(row), control, p, count]


def _forest(row: MetricRow) -> str:
    """Interval, figure and control on one line; an image of what the row says in words."""
    ends = [v for v in (row.value, row.low, row.high, row.control) if known(v)]
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return 8 + (value - low) / span * (WIDTH - 16)

    drawn = ""
    if known(row.low) and known(row.high):
        drawn += line(at(row.low), 9, at(row.high), 9, "whisker-line")
    if known(row.control):
        drawn += line(at(row.control), 2, at(row.control), 16, "control-line")
    if known(row.value):
        drawn += tag("circle", cx=at(row.value), cy=9, r=4, class_="mark c0")
    return tag("svg", drawn, viewBox=f"0 0 {WIDTH:g} 18", class_="forest wide", aria_hidden="true")
