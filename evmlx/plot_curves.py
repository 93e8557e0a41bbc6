"""Figures over layers, and over the batteries of texts that name no emotion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evmlx.metrics import corrected_p
from evmlx.plot_style import COLOURS, FAINT, INK, MUTED, figure, save
from evmlx.report_format import plain
from evmlx.run_results import RunResults, get, number

BATTERIES = {  # key: axis label
    "situation": "situations",
    "message": "messages,\nmean over tokens",
    "message_last": "messages,\nlast token",
}
_PC_STYLES = (("o", "-", 0), ("s", "--", 1), ("^", ":", 2))


def plot_layers(folder: Path, results: RunResults) -> Path:
    """Draw probe, cohesion and the components' correlations with norms over the layers."""
    fig = figure(8, 6.6)
    depth = get(results.run, "model", "layers")
    fig.suptitle("The same figures at every sampled layer", x=0.01, ha="left")
    axes = fig.subplots(2, 2, sharex=True)
    _probe_curve(axes[0, 0], results)
    _cohesion_curve(axes[0, 1], results)
    _norm_curve(axes[1, 0], results, "valence")
    _norm_curve(axes[1, 1], results, "arousal")
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


def plot_implicit(folder: Path, results: RunResults) -> Path:
    """Draw how often the right emotion is found in new texts, and at which rank."""
    found = results.layer("implicit", results.primary)
    batteries = [b for b in BATTERIES if get(found, b, "centred", "top1") is not None]
    emotions = round(1 / number(found, batteries[0], "centred", "chance_top1"))
    fig = figure(8, 1.9 + 0.65 * len(batteries))
    fig.suptitle(
        f"Emotion found in texts that do not name it, layer {results.primary}", x=0.01, ha="left"
    )
    axes = fig.subplots(1, 3, sharey=True)
    panels = (
        ("top1", "right one first", "share of texts", 1 / emotions),
        ("top3", "right one in first three", "share of texts", 3 / emotions),
        ("mean_rank", "mean rank of the right one", f"rank, 1 (best) to {emotions}",
         (emotions + 1) / 2),
    )  # fmt: skip
    for one, (key, title, label, chance) in zip(axes, panels, strict=True):
        _bars(one, found, batteries, key)
        one.axvline(chance, color=INK, ls="--", lw=1)
        one.set_title(title)
        one.set_xlabel(label)
        one.set_xlim(0, 1 if key != "mean_rank" else emotions + 1)
    axes[0].set_yticks(range(len(batteries)), [BATTERIES[b] for b in batteries])
    axes[0].invert_yaxis()
    handles, _ = axes[0].get_legend_handles_labels()
    handles.append(axes[0].lines[-1])
    names = ["centred", "as published (not centred)", "chance"]
    fig.legend(handles, names, loc="outside lower center", ncols=3)
    return save(fig, folder / "implicit.png")


def _bars(axes: Any, found: Any, batteries: list[str], key: str) -> None:
    places = np.arange(len(batteries))
    axes.tick_params(axis="y", length=0)
    for offset, protocol, colour, hatch in (
        (-0.2, "centred", COLOURS[0], ""),
        (0.2, "published", "#cfe3f1", "////"),
    ):
        scores = [get(found, b, protocol) for b in batteries]
        value = np.array([number(s, key) for s in scores])
        edge = COLOURS[0] if hatch else "white"
        at = places + offset
        axes.barh(at, value, 0.38, color=colour, hatch=hatch, edgecolor=edge, label=protocol)
        low = np.array([number(s, f"{key}_low") for s in scores])
        high = np.array([number(s, f"{key}_high") for s in scores])
        axes.hlines(at, low, high, color=INK, lw=1.2)
        digits = 1 if key == "mean_rank" else 2
        for y, v, end in zip(at, value, np.fmax(value, high), strict=True):
            if np.isfinite(v):
                axes.annotate(
                    plain(v, digits),
                    (end, y),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=9,
                    zorder=5,
                    bbox={"fc": "white", "lw": 0, "pad": 1},
                )
