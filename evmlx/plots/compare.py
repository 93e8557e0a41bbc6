"""Runs beside each other: every headline with its interval and control, one panel a figure."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from evmlx.comparison.compare import Comparison
from evmlx.comparison.tables import label_of
from evmlx.errors import EvmlxError
from evmlx.plots.style import COLOURS, DPI, FAINT, INK, MARKERS, MUTED, figure, styled
from evmlx.report.format import known, plain
from evmlx.report.metrics import MetricRow
from evmlx.store import replacing

# One panel each; the others stand in the table.
PANELS = (
    "probe_accuracy",
    "probe_within_scene",
    "cluster_cohesion",
    "norm_axis_valence_r",
    "norm_axis_arousal_r",
    "implicit_situation_top1",
    "implicit_message_top1",
    "intensity_difference",
)
KINDS = {".png": "png", ".svg": "svg"}
COLUMNS = 2


def plot_comparison(path: Path, comparison: Comparison) -> Path:
    """Draw the headlines of all runs.

    Parameters
    ----------
    path : Path
        Where to; its ending, ``.png`` or ``.svg``, says what.
    comparison : Comparison
        What to draw.

    Raises
    ------
    EvmlxError
        If the ending is another, or no run has a figure to draw.
    """
    if path.suffix.lower() not in KINDS:
        raise EvmlxError(f"--figure {path}: give a name that ends in .png or .svg")
    shown = [metric for metric in PANELS if _any(comparison, metric)]
    if not shown:
        raise EvmlxError("--figure: none of the runs has a headline to draw")
    with styled():
        return save_as(_draw(comparison, shown), path)


def save_as(fig: Figure, path: Path) -> Path:
    """Write a figure as PNG or SVG by its ending; equal figures give equal bytes."""
    kind = KINDS[path.suffix.lower()]
    about = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with mpl.rc_context({"svg.hashsalt": "evmlx"}), replacing(path) as file:
        fig.savefig(file, format=kind, dpi=DPI, metadata=about)
    return path


def _any(comparison: Comparison, metric: str) -> bool:
    return any(
        r.metric == metric and known(r.value) for run in comparison.runs for r in run.headlines
    )


def _draw(comparison: Comparison, shown: list[str]) -> Figure:
    rows = -(-len(shown) // COLUMNS)
    runs = comparison.runs
    fig = figure(9.5, 0.9 + rows * (0.75 + 0.3 * len(runs)))
    axes = fig.subplots(rows, COLUMNS, squeeze=False, sharey=True)
    fig.suptitle("Runs compared, each at its primary layer", x=0.01, ha="left")
    for one, metric in zip(axes.flat, shown, strict=False):
        by_run = [{r.metric: r for r in run.headlines}.get(metric) for run in runs]
        _panel(one, metric, by_run)
    for one in axes.flat[len(shown) :]:
        one.set_visible(False)
    axes[0, 0].set_yticks(range(len(runs)), [run.name for run in runs])
    axes[0, 0].set_ylim(len(runs) - 0.5, -0.5)
    marks: list[Any] = [
        mpl.lines.Line2D([], [], color=COLOURS[0], marker="o", label="value, 95% interval"),
        mpl.lines.Line2D([], [], color=INK, marker="D", mfc="white", ls="", ms=5, label="control"),
    ]
    fig.legend(handles=marks, loc="outside lower center", ncols=2)
    return fig


def _panel(axes: Any, metric: str, rows: list[MetricRow | None]) -> None:
    label, digits = label_of(metric)
    axes.set_title(label)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    found = [row for row in rows if row is not None]
    if metric.endswith("_r") or any((row.low or 0) < 0 for row in found):
        axes.axvline(0, color=MUTED, lw=0.8)
    controls = dict.fromkeys(row.control_name for row in found if row.control_name)
    axes.set_xlabel(f"control: {', '.join(map(str, controls))}" if controls else "")
    for at, row in enumerate(rows):
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        if row is None or not known(row.value):
            axes.text(0.02, at, "not computed", transform=axes.get_yaxis_transform(), va="center",
                      fontsize=9, color=MUTED)  # fmt: skip
            continue
        if known(row.low) and known(row.high):
            axes.hlines(at, row.low, row.high, color=colour, lw=2)
        axes.plot(row.value, at, ls="", marker=marker, color=colour, ms=7)
        if known(row.control):
            axes.plot(row.control, at, ls="", marker="D", color=INK, mfc="white", ms=5, zorder=2.5)
        right = max(v for v in (row.value, row.high or -math.inf, row.control or -math.inf))
        axes.annotate(plain(row.value, digits), (right, at), (5, 0), textcoords="offset points",
                      va="center", fontsize=9)  # fmt: skip
    axes.margins(x=0.14)
