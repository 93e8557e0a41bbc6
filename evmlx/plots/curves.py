"""Figures over the sampled layers, with bands and controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evmlx.plots.style import COLOURS, FAINT, MUTED, figure, save
from evmlx.report.format import plain
from evmlx.report.metrics_geometry import corrected_p
from evmlx.report.run_results import RunResults, get, number

_PC_STYLES = (("o", "-", 0), ("s", "--", 1), ("^", ":", 2))


def plot_layers(folder: Path, results: RunResults) -> list[Path]:
    """Draw probe, cohesion and how well human norms are read off, over the layers."""
    fig = figure(8, 6.6)
    depth = get(results.run, "model", "layers")
    fig.suptitle("The same figures at every sampled layer", x=0.01, ha="left")
    axes = fig.subplots(2, 2, sharex=True)
    _probe_curve(axes[0, 0], results)
    _cohesion_curve(axes[0, 1], results)
    for one, norm in zip(axes[1], ("valence", "arousal"), strict=True):
        if np.isfinite(_curve(results, "circumplex", "norm_axis", norm, "r")).any():
            _axis_curve(one, results, norm)
        else:
            _norm_curve(one, results, norm)
    crowded = len(results.layers) > 12
    for one in axes.flat:
        one.axvline(results.primary, color=FAINT, lw=6, zorder=0.5)
        one.grid(axis="y", color=FAINT, lw=0.6)
        one.set_axisbelow(True)
        step = -(-len(results.layers) // 12) if crowded else 1
        one.set_xticks(results.layers[::step])
    of = f", of {depth}" if depth else ""
    fig.supxlabel(f"layer (counted from 0{of}; grey: the primary layer)", fontsize=10)
    return save(fig, folder / "layers.png")


def _curve(results: RunResults, stage: str, *path: str) -> np.ndarray:
    return np.array([number(results.layer(stage, layer), *path) for layer in results.layers])


def _band(axes: Any, layers: Any, low: np.ndarray, high: np.ndarray, colour: str) -> None:
    axes.fill_between(layers, low, high, color=colour, alpha=0.18, lw=0)
    axes.vlines(layers, low, high, color=colour, lw=1)


def _probe_curve(axes: Any, results: RunResults) -> None:
    axes.set_title("probe accuracy, folds grouped by topic")
    probe = results.stages.get("probe", {})
    model = _curve(results, "probe", "grouped", "accuracy")
    low = _curve(results, "probe", "grouped", "low")
    high = _curve(results, "probe", "grouped", "high")
    if not np.isfinite(model).any():
        return _absent(axes, "probe")
    _band(axes, results.layers, low, high, COLOURS[0])
    axes.plot(results.layers, model, color=COLOURS[0], marker="o", label="model")
    text = get(probe, "text_control", "tfidf")
    if np.isfinite(number(text, "accuracy")):
        ink = COLOURS[1]
        axes.axhline(number(text, "accuracy"), color=ink, ls="--", label="TF-IDF, same folds")
        axes.axhspan(number(text, "low"), number(text, "high"), color=ink, alpha=0.15, lw=0)
    chance = number(probe, "chance")
    lowest = np.nanmin([*low, *model, number(text, "low")])
    if lowest > 0.3:  # zoomed, or the distance to the control could not be seen
        axes.plot([], [], " ", label=f"(chance {plain(chance)}, below)")
        axes.set_ylim(np.floor(lowest * 20 - 1.5) / 20, 1)
    else:
        axes.axhline(chance, color=MUTED, ls=":", label="chance")
        axes.set_ylim(0, 1)
    axes.set_ylabel("share right")
    axes.legend(loc="best")


def _cohesion_curve(axes: Any, results: RunResults) -> None:
    axes.set_title("cohesion of clusters")
    value = _curve(results, "geometry", "cosine", "diff")
    if not np.isfinite(value).any():
        return _absent(axes, "cohesion")
    low = _curve(results, "geometry", "cosine", "bootstrap", "low")
    high = _curve(results, "geometry", "cosine", "bootstrap", "high")
    null = _curve(results, "geometry", "cosine", "permutation", "null_mean")
    spread = _curve(results, "geometry", "cosine", "permutation", "null_std")
    _band(axes, results.layers, low, high, COLOURS[0])
    axes.plot(results.layers, value, color=COLOURS[0], marker="o", label="model")
    axes.plot(results.layers, null, color=MUTED, ls=":", label="clusters permuted (± 2 SD)")
    axes.fill_between(
        results.layers, null - 2 * spread, null + 2 * spread, color=MUTED, alpha=0.15, lw=0
    )
    drawn = np.concatenate([value, low, high, null - 2 * spread, null + 2 * spread])
    bottom, top = np.nanmin(drawn), np.nanmax(drawn)
    room = (top - bottom or 0.1) * 0.06
    axes.set_ylim(bottom - room, top + 6 * room)  # the legend stands above the curves
    axes.set_ylabel("cosine within − between")
    axes.legend(loc="upper right")


def _axis_curve(axes: Any, results: RunResults, norm: str) -> None:
    axes.set_title(f"{norm} read off unseen emotions")
    path = ("circumplex", "norm_axis", norm)
    value, low, high, null = (
        _curve(results, *path, key) for key in ("r", "low", "high", "null_mean")
    )
    _band(axes, results.layers, low, high, COLOURS[0])
    sure = _curve(results, *path, "p") < 0.05
    look = {"color": COLOURS[0], "marker": "o"}
    axes.plot(results.layers, value, mfc="white", label="model (filled: p < 0.05)", **look)
    axes.plot(np.array(results.layers)[sure], value[sure], ls="", **look)
    axes.plot(results.layers, null, color=MUTED, ls=":", label="ratings permuted, mean")
    axes.axhline(0, color=FAINT, lw=1, zorder=1)
    axes.set_ylim(-1.3, 1.02)  # the legend stands below the curves
    axes.set_yticks([-1, -0.5, 0, 0.5, 1])
    axes.set_ylabel("r, one emotion left out")
    axes.legend(loc="lower right", handlelength=1.6, borderaxespad=0.1)


def _norm_curve(axes: Any, results: RunResults, norm: str) -> None:
    axes.set_title(f"components and human {norm}")
    drawn = False
    for pc, (marker, line, colour) in enumerate(_PC_STYLES, start=1):
        found = [_component(results, layer, pc) for layer in results.layers]
        r = np.abs([number(c, f"{norm}_r") for c in found])
        if not np.isfinite(r).any():
            continue
        drawn = True
        ink = COLOURS[colour]
        look = {"color": ink, "marker": marker}
        axes.plot(results.layers, r, ls=line, mfc="white", label=f"PC{pc}", **look)
        sure = np.array([corrected_p(c, norm) < 0.05 for c in found])
        axes.plot(np.array(results.layers)[sure], r[sure], ls="", **look)
    if not drawn:
        return _absent(axes, norm)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("|r| (filled: corrected p < 0.05)")
    axes.legend(loc="upper right", ncols=3, columnspacing=1, handlelength=1.6)


def _component(results: RunResults, layer: int, pc: int) -> Any:
    components = results.layer("circumplex", layer).get("components") or []
    return next((c for c in components if c.get("pc") == pc), None)


def _absent(axes: Any, what: str) -> None:
    axes.text(0.5, 0.5, f"{what}: not computed", ha="center", transform=axes.transAxes, color=MUTED)
