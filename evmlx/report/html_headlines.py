"""The tables of headline figures with each figure's interval and control drawn beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from evmlx.report.format import ABSENT, MINUS, known, plain
from evmlx.report.headlines import marked_interval, marked_p
from evmlx.report.html_svg import label, line, tag, ticks
from evmlx.report.html_text import sortable_table, to_html
from evmlx.report.metrics import LABELS, MetricRow

WIDTH = 150.0
HEAD = ("figure", "value", "95% interval", "beside its control", "control", "p", "n")


def headline_section(lines: Sequence[str], here: Mapping[str, MetricRow]) -> str:
    """Section of headline figures, its Markdown tables drawn as the page's own.

    Parameters
    ----------
    lines : sequence of str
        The section's Markdown; a row of a table starts with the label of a metric.
    here : mapping of str to MetricRow
        Rows of one layer.

    Returns
    -------
    str
        HTML; what the marks mean stands over the first table.
    """
    html: list[str] = []
    for tabled, group in groupby(lines, key=lambda each: each.startswith("|")):
        block = list(group)
        if not tabled:
            html.append(to_html(block, lambda *_: ""))
            continue
        named = {each.split("|")[1].strip() for each in block}
        rows = [row for row in here.values() if LABELS[row.metric][0] in named]
        if not any("<table" in part for part in html):
            html.append(_key())
        html.append(sortable_table(HEAD, [_cells(row) for row in rows], "Figures", cards=True))
    return "\n".join(html)


def _key() -> str:
    figure = line(4, 8, 46, 8, "whisker-line") + tag("circle", cx=26, cy=8, r=4, class_="mark c0")
    figure, control = (
        tag("svg", drawn, viewBox="0 0 50 16", class_="forest", aria_hidden="true")
        for drawn in (figure, line(25, 2, 25, 14, "control-line"))
    )
    return (
        f'<p class="key">{figure} figure and its interval, {control} its control. Each row has a '
        "scale of its own, its numbers below; a thin line marks zero.</p>"
    )


def _cells(row: MetricRow) -> list[str]:
    name, digits, unit = LABELS[row.metric]
    if row.value is None:
        return [escape(name), f"not computed: {escape(str(row.reason))}", "", "", "", "", ""]
    control = ABSENT
    if row.control is not None:
        control = f"{plain(row.control, digits)} <small>{escape(str(row.control_name))}</small>"
    if known(row.words):
        control += f"<small>word counts {plain(row.words, digits)}</small>"
    if row.ceiling is not None:
        control += f"<small>ceiling {plain(row.ceiling, digits)}</small>"
    count = ABSENT if row.n is None else f"{row.n:,} {unit}"
    figure = f"<strong>{plain(row.value, digits)}</strong>"
    bounds = marked_interval(row, digits)
    return [escape(name), figure, bounds, _forest(row), control, marked_p(row), count]


def _forest(row: MetricRow) -> str:
    """Interval, figure and control on one line; an image of what the row says in words."""
    ends = [v for v in (row.value, row.low, row.high, row.control) if known(v)]
    if len(set(ends)) < 2:
        return ""  # nothing beside which the figure could stand
    low, high = min(ends), max(ends)

    def at(value: float) -> float:
        return 16 + (value - low) / (high - low) * (WIDTH - 32)

    room = 10 / (WIDTH - 32) * (high - low)
    drawn = line(4, 18, WIDTH - 4, 18, "scale")
    for value in ticks(low - room, high + room, 3):
        x = at(value)
        drawn += line(x, 2 if value == 0 else 18, x, 21, "scale")
        drawn += label(x, 31, f"{value:g}".replace("-", MINUS), anchor="middle")
    if known(row.low) and known(row.high):
        drawn += line(at(row.low), 9, at(row.high), 9, "whisker-line")
    if known(row.control):
        drawn += line(at(row.control), 2, at(row.control), 16, "control-line")
    if known(row.value):
        drawn += tag("circle", cx=at(row.value), cy=9, r=4, class_="mark c0")
    return tag("svg", drawn, viewBox=f"0 0 {WIDTH:g} 34", class_="forest wide", aria_hidden="true")
