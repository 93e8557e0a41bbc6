"""Inline curves and bars: figures over the layers, ranks on new texts, feelings that grow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from evmlx.plots.style import Look
from evmlx.plots.texts import BATTERIES, WAYS, emotions_ranked, grown, scored, short
from evmlx.report.format import interval, known, plain, signed
from evmlx.report.html_svg import colour_class, key, label, line, path, svg, tag, ticks, tip
from evmlx.report.metrics import MetricRow, at_layer
from evmlx.report.run_results import RunResults, get, number

WIDTH, HEIGHT = 340.0, 230.0
BARS_WIDTH = 420.0
LETTER = 7.0  # mean width of a digit of a value beside its bar
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 34.0
SMALL, SMALL_LEFT, SMALL_FLOOR = 262.0, 56.0, 130.0


@dataclass(frozen=True)
class Scale:
    """Maps values to places along one side of a plot."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Place of a value."""
        span = (self.high - self.low) or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


def layer_curves(results: RunResults, rows: Sequence[MetricRow]) -> str:
    """Draw the main figures over the sampled layers, each with its band and its control."""
    wanted = [
        ("probe_accuracy", "Probe accuracy, unseen topics"),
        ("probe_within_scene", "Probe accuracy within scenes"),
        ("cluster_cohesion", "Cohesion of clusters"),
        ("norm_axis_valence_r", "Valence read off unseen emotions, r"),
        ("norm_axis_arousal_r", "Arousal read off unseen emotions, r"),
        ("implicit_situation_top1", "Situations, right emotion first"),
        ("implicit_message_top1", "Messages, right emotion first"),
    ]
    if not any(row.metric.startswith("norm_axis") for row in rows):
        wanted[3:5] = [
            (f"pc{pc}_{norm}_r", f"PC{pc} with human {norm}, r")
            for pc in (1, 2)
            for norm in ("valence", "arousal")
        ]
    panels = []
    for metric, title in wanted:
        found = [at_layer(rows, layer).get(metric) for layer in results.layers]
        given = [row for row in found if row is not None and row.value is not None]
        if given:
            panels.append(panel(title, _curve(title, given, results)))
    names = (("curve-key", "figure"), ("band-key", "its 95% interval"), ("dashed", "its control"),
             ("primary-key", f"layer {results.primary}, that of the figures above"))  # fmt: skip
    return tag("div", "".join(panels), class_="panels") + key(names)


def panel(title: str, drawn: str) -> str:
    """One of several plots side by side, under a title."""
    return tag("div", tag("p", escape(title), class_="panel-title") + drawn, class_="panel")


def _frame(x: Scale, y: Scale, x_ticks: Sequence[float], digits: int) -> str:
    parts = []
    for value in ticks(y.low, y.high, 4):
        parts.append(line(x.start, y(value), x.end, y(value), "zero" if value == 0 else "grid"))
        parts.append(
            label(x.start - 6, y(value) + 4, plain(value, digits), anchor="end", class_="tick")
        )
    for value in x_ticks:
        parts.append(label(x(value), y.start + 16, f"{value:g}", anchor="middle", class_="tick"))
    return "".join(parts)


def _curve(title: str, rows: Sequence[MetricRow], results: RunResults) -> str:
    ends = [v for r in rows for v in (r.value, r.low, r.high, r.control) if known(v)]
    low, high = min(ends), max(ends)
    room = 0.08 * ((high - low) or 0.1)
    layers = results.layers
    x = Scale(layers[0], layers[-1], LEFT + 14, WIDTH - RIGHT - 14)
    y = Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)
    step = -(-len(layers) // 8)
    frame = Scale(layers[0], layers[-1], LEFT, WIDTH - RIGHT)
    parts = [
        tag("rect", x=x(results.primary) - 6, y=TOP, width=12, height=HEIGHT - TOP - BOTTOM,
            class_="primary"),
        _frame(frame, y, [], 2),
        *(
            label(x(v), y.start + 16, f"{v:g}", anchor="middle", class_="tick")
            for v in layers[::step]
        ),
        label(WIDTH / 2, HEIGHT - 2, "layer", anchor="middle", class_="tick"),
    ]  # fmt: skip
    banded = [(x(r.layer), y(r.low), y(r.high)) for r in rows if known(r.low) and known(r.high)]
    if banded:
        lower = [(at, a) for at, a, _ in banded]
        upper = [(at, b) for at, _, b in banded]
        parts.append(path(lower + upper[::-1], "band c0", close=True))
    control = [(x(r.layer), y(r.control)) for r in rows if known(r.control)]
    if control:
        parts.append(path(control, "control"))
    parts.append(path([(x(r.layer), y(r.value)) for r in rows if known(r.value)], "curve c0"))
    for r in rows:
        if not known(r.value):
            continue
        told = f"layer {r.layer}: {plain(r.value, 3)} {interval(r.low, r.high, 3)}"
        if known(r.control):
            told += f"\n{r.control_name} {plain(r.control, 3)}"
        dot = tag("circle", cx=x(r.layer), cy=y(r.value), r=5, class_="mark c0")
        parts.append(tip(line(x(r.layer), TOP, x(r.layer), y.start, "reach") + dot, told))
    return svg(WIDTH, HEIGHT, f"{title}, over the layers", "".join(parts))


def rank_bars(results: RunResults) -> str:
    """Draw how often the right emotion comes first, and its mean rank, per battery."""
    found = results.layer("implicit", results.primary)
    batteries = [b for b in BATTERIES if get(found, b, "centred", "top1") is not None]
    emotions = emotions_ranked(results)
    panels = (
        ("top1", "right one first, share of texts", 1.0, 1 / emotions, 2),
        ("top3", "right one in first three, share of texts", 1.0, 3 / emotions, 2),
        ("mean_rank", f"mean rank of the right one, of {emotions}", emotions + 1.0,
         (emotions + 1) / 2, 1),
    )  # fmt: skip
    drawn = "".join(
        panel(title, _bars(found, batteries, name, title, top, chance, digits))
        for name, title, top, chance, digits in panels
    )
    ways = [(f"way{at}", name) for at, (_, name, _, _) in enumerate(WAYS)]
    names = [*ways, ("whisker-key", "95% interval"), ("chance", "chance")]
    return tag("div", drawn, class_="panels bars-panels") + key(names)


def _bars(
    found: Any,
    batteries: Sequence[str],
    figure: str,
    title: str,
    top: float,
    chance: float,
    digits: int,
) -> str:
    x = Scale(0, top, 126, BARS_WIDTH - 34)
    bar, parts, y = 17.0, [], 8.0
    for battery in batteries:
        lines = BATTERIES[battery].split("\n")
        ways = [(at, w) for at, w in enumerate(WAYS) if scored(w[0], get(found, battery))]
        middle = y + bar * len(ways) / 2 - 7 * (len(lines) - 1) + 4
        for i, text in enumerate(lines):
            parts.append(label(120, middle + 14 * i, text, anchor="end", class_="tick"))
        for at, (way, name, _, _) in ways:
            score = scored(way, get(found, battery))
            value = number(score, figure)
            if math.isfinite(value):
                low, high = number(score, f"{figure}_low"), number(score, f"{figure}_high")
                told = f"{' '.join(lines)}, {name}\n{plain(value, digits)} "
                told += interval(low, high, digits)
                parts.append(tip(_bar(x, y, bar, at, (value, low, high), chance, digits), told))
            y += bar
        y += 12
    parts.append(line(x(0), 4, x(0), y - 8, "zero"))
    for value in ticks(0, top, 4):
        parts.append(label(x(value), y + 6, f"{value:g}", anchor="middle", class_="tick"))
    parts.insert(0, line(x(chance), 4, x(chance), y - 8, "chance"))
    return svg(BARS_WIDTH, y + 12, title, "".join(parts))


def _bar(
    x: Scale,
    y: float,
    height: float,
    way: int,
    figures: tuple[float, float, float],
    chance: float,
    digits: int,
) -> str:
    """One bar with its interval and its value, which keeps off the line of chance."""
    value, low, high = figures
    inner = tag("rect", x=x(0), y=y, width=x(value) - x(0), height=height - 2, class_=f"way{way}")
    end = value
    if math.isfinite(low) and math.isfinite(high):
        middle = y + height / 2 - 1
        inner += line(x(max(low, 0)), middle, x(min(high, x.high)), middle, "whisker")
        end = max(value, min(high, x.high))
    text, start = plain(value, digits), x(end) + 4
    if start - 4 < x(chance) < start + LETTER * len(text):
        start = x(chance) + 5
    return inner + label(start, y + height - 5, text, class_="cell-name")


def intensity_panels(found: Mapping[str, Any], shown: Mapping[str, Look]) -> str:
    """Draw, per text, the target's score over the numbers, and that of the control text."""
    templates = found["templates"]
    every = [float(v) for one in templates for series in grown(one)[1:] for v in series]
    ends = [v for v in every if math.isfinite(v)] or [0.0]
    room = 0.08 * ((max(ends) - min(ends)) or 0.1)
    y = Scale(min(0, *ends) - room, max(0, *ends) + room, SMALL_FLOOR, 8)
    panels = []
    for one in templates:
        target = str(get(one, "target"))
        rho, without = signed(number(one, "rho")), signed(number(one, "control_rho"))
        title = f"{target}: rho {rho}, control {without}"
        panels.append(panel(title, _grown(one, target, y, shown)))
    names = (
        ("solid", "target emotion, in its cluster's colour"),
        ("dashed", "same numbers, no feeling"),
    )
    return tag("div", "".join(panels), class_="panels small") + key(names)


def _grown(one: Mapping[str, Any], target: str, y: Scale, shown: Mapping[str, Look]) -> str:
    values, scores, control = grown(one)
    x = Scale(0, max(1, len(values) - 1), SMALL_LEFT + 12, SMALL - 22)
    colour = colour_class(shown[target]) if target in shown else "cx"
    parts = [_frame(Scale(0, 1, SMALL_LEFT, SMALL - 10), y, [], 2), *_small_axes()]
    for series, class_ in ((control, "control"), (scores, f"curve {colour}")):
        drawn = [(x(i), y(v)) for i, v in enumerate(series) if math.isfinite(v)]
        if drawn:
            parts.append(path(drawn, class_))
    for i, value in enumerate(values):
        if i < len(scores) and math.isfinite(scores[i]):
            told = f"{value:g}: score {signed(scores[i], 3)} beside its mean"
            if i < len(control):
                told += f"\ncontrol {signed(control[i], 3)}"
            dot = tag("circle", cx=x(i), cy=y(scores[i]), r=4, class_=f"mark {colour}")
            parts.append(tip(line(x(i), 8, x(i), SMALL_FLOOR, "reach") + dot, told))
        if i in (0, len(values) // 2, len(values) - 1):
            parts.append(
                label(x(i), SMALL_FLOOR + 16, short(value), anchor="middle", class_="tick")
            )
    return svg(
        SMALL, SMALL_FLOOR + 40, f"{target}, score over the numbers of a text", "".join(parts)
    )


def _small_axes() -> tuple[str, str]:
    middle = (8 + SMALL_FLOOR) / 2
    across = (SMALL_LEFT + SMALL - 10) / 2
    return (
        label(across, SMALL_FLOOR + 34, "the number in the text", anchor="middle", class_="tick"),
        label(12, middle, "cosine", anchor="middle", class_="tick",
              transform=f"rotate(-90 12 {middle:g})"),
    )  # fmt: skip
