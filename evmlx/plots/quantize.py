"""Figures over the bits of a weight: one panel each, one line a group size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evmlx.plots.compare import save_as
from evmlx.plots.style import COLOURS, FAINT, MARKERS, MUTED, figure, styled
from evmlx.quantization.fidelity import RANK_METRICS
from evmlx.quantization.page import FIGURE
from evmlx.quantization.results import Precision, QuantizationCheck

Bounds = tuple[float, float, float]
NAN = float("nan")


def plot_quantization(folder: Path, check: QuantizationCheck) -> list[Path]:
    """Draw ``quantization.png`` and ``.svg``.

    Parameters
    ----------
    folder : Path
        Where to.
    check : QuantizationCheck
        What to draw.
    """
    with styled():
        drawn = _draw(check)
        return [save_as(drawn, folder / f"{FIGURE}{kind}") for kind in (".png", ".svg")]


def _draw(check: QuantizationCheck) -> Any:
    fig = figure(9.5, 5.8)
    fig.suptitle(f"{check.model} at fewer bits, against its weights as shipped", x=0.01, ha="left")
    axes = fig.subplots(2, 3)
    asked = check.interchangeable
    _panel(axes[0, 0], check, "smallest cosine of a vector", _smallest)
    _allowed(axes[0, 0], asked.cosine, 1)
    _panel(axes[0, 1], check, "RSA of cosine matrices", _rsa)
    _allowed(axes[0, 1], asked.rsa, 1)
    ceiling = next((p.comparison.rsa for p in check.precisions if p.comparison.rsa), None)
    if ceiling is not None and np.isfinite(ceiling.reliability[0]):
        axes[0, 1].axhline(ceiling.reliability[0], color=MUTED, ls=":", lw=1.4)
    _panel(axes[0, 2], check, "residual error, less the mean", _error)
    axes[0, 2].set_ylim(bottom=0)
    _panel(axes[1, 0], check, "change of probe accuracy", _change("probe_accuracy"))
    _allowed(axes[1, 0], -asked.probe, asked.probe)
    for one, metric, name in zip(
        axes[1, 1:], RANK_METRICS, ("situations", "messages"), strict=True
    ):
        _panel(one, check, f"change of mean rank, {name}", _change(metric))
        _allowed(one, -asked.rank, asked.rank)
    for one in axes[1]:
        one.axhline(0, color=MUTED, lw=0.8)
        one.set_xlabel("bits of a weight")
    handles, _ = axes[0, 0].get_legend_handles_labels()
    handles += [
        Patch(color=FAINT, alpha=0.6, label="interchangeable"),
        Line2D([], [], color=MUTED, ls=":", lw=1.4, label="reliability of the reference"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return fig


def _panel(
    axes: Any, check: QuantizationCheck, title: str, read: Callable[[Precision], Bounds]
) -> None:
    axes.set_title(title)
    axes.grid(axis="y", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    bits = sorted({p.bits for p in check.precisions}, reverse=True)
    groups = sorted({p.group for p in check.precisions})
    for number, group in enumerate(groups):
        mine = [p for p in check.precisions if p.group == group]
        # beside each other, so that intervals can be told apart
        shift = 0.16 * (number - (len(groups) - 1) / 2)
        places = np.array([bits.index(p.bits) + shift for p in mine])
        value, low, high = np.array([read(p) for p in mine]).T
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.vlines(places, low, high, color=colour, lw=1.6)
        line = "-" if number == 0 else "--"
        axes.plot(places, value, color=colour, marker=marker, ls=line, label=f"groups of {group}")
    axes.set_xticks(range(len(bits)), [str(b) for b in bits])
    axes.set_xlim(-0.5, len(bits) - 0.5)


def _allowed(axes: Any, low: float, high: float) -> None:
    axes.axhspan(low, high, color=FAINT, alpha=0.6, lw=0, zorder=0)


def _smallest(one: Precision) -> Bounds:
    return one.vectors.smallest, one.vectors.smallest_low, one.vectors.smallest_high


def _rsa(one: Precision) -> Bounds:
    found = one.comparison.rsa
    return (found.r, found.low, found.high) if found else (NAN, NAN, NAN)


def _error(one: Precision) -> Bounds:
    # no interval: the line is the median, the stroke reaches to the 95th percentile of stories
    found = one.residuals
    return found.centred_median, found.centred_median, found.centred_p95


def _change(metric: str) -> Callable[[Precision], Bounds]:
    def read(one: Precision) -> Bounds:
        found = next(d for d in one.comparison.differences if d.metric == metric)
        return found.difference, found.low, found.high

    return read
