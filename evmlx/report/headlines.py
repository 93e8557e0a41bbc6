"""The headline figures of a run as lines for a terminal, and the marks that tables put on them."""

from __future__ import annotations

from pathlib import Path

from evmlx.report.format import at_floor, interval, known, p_number, p_phrase, plain
from evmlx.report.metrics import LABELS, MetricRow, at_layer, metric_rows
from evmlx.report.run_results import read_results


def headline_lines(folder: Path) -> list[str]:
    """Return one line a headline at the primary layer, each beside its interval and control.

    Parameters
    ----------
    folder : Path
        Run folder whose report is written.
    """
    results = read_results(folder)
    here = at_layer(metric_rows(results), results.primary)
    width = max(len(label) for label, _, _ in LABELS.values())
    title = f"layer {results.primary} of {results.run['model']['layers']}"
    return [title, *(_line(here[name], width) for name in LABELS if name in here)]


def _line(row: MetricRow, width: int) -> str:
    label, digits, _ = LABELS[row.metric]
    if not known(row.value):
        return f"{label:<{width}}  not computed: {row.reason}"
    parts = [f"{label:<{width}}  {plain(row.value, digits):>6}"]
    if known(row.low) and known(row.high):
        parts.append(interval(row.low, row.high, digits))
    if known(row.control):
        parts.append(f"{row.control_name} {plain(row.control, digits)}")
    if known(row.words):
        parts.append(f"word counts {plain(row.words, digits)}")
    if known(row.p):
        parts.append(p_phrase(row.p))
    return "  ".join(parts)


def outside(row: MetricRow) -> bool:
    """Whether a figure lies outside its own interval."""
    if not (known(row.value) and known(row.low) and known(row.high)):
        return False
    return not row.low <= row.value <= row.high


def marked_interval(row: MetricRow, digits: int) -> str:
    """Interval of a figure, with a mark where it leaves the figure out."""
    return interval(row.low, row.high, digits) + (" ‡" if outside(row) else "")


def marked_p(row: MetricRow) -> str:
    """Probability, with a mark where it is the smallest that the draws allow."""
    return p_number(row.p) + (" †" if at_floor(row.p, row.draws) else "")
