"""Figures on new texts: ranks of feelings not named, scores of feelings that grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from evmlx.plots.style import COLOURS, FAINT, GREY, INK, UNKNOWN, Look, figure, save
from evmlx.report.format import plain, signed
from evmlx.report.metrics_texts import headline_score
from evmlx.report.run_results import RunResults, get, number

BATTERIES = {  # key: axis label
    "situation": "situations",
    "message": "messages,\nmean over tokens",
    "message_last": "messages,\nlast token",
}
WAYS = (  # way of scoring, what the legend calls it, colour, hatch
    ("z_scored", "z-scored", COLOURS[0], ""),
    ("centred", "centred", COLOURS[3], ""),
    ("published", "as published (not centred)", "#eaf2f8", "////"),
)


def plot_implicit(folder: Path, results: RunResults) -> list[Path]:
    """Draw how often the right emotion is found in new texts, and at which rank."""
    found = results.layer("implicit", results.primary)
    batteries = [b for b in BATTERIES if get(found, b, "centred", "top1") is not None]
    emotions = emotions_ranked(results)
    fig = figure(8, 1.9 + 0.9 * len(batteries))
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
    handles, names = axes[0].get_legend_handles_labels()
    handles.append(axes[0].lines[-1])
    fig.legend(handles, [*names, "chance"], loc="outside lower center", ncols=4)
    return save(fig, folder / "implicit.png")


def scored(way: str, found: Any) -> Any:
    """Figures of a battery scored in a way; centred on its own mean where that is its headline."""
    return headline_score(found)[1] if way == "centred" else get(found, way)


def _bars(axes: Any, found: Any, batteries: list[str], key: str) -> None:
    places = np.arange(len(batteries))
    axes.tick_params(axis="y", length=0)
    ways = [w for w in WAYS if any(scored(w[0], get(found, b)) is not None for b in batteries)]
    height = 0.8 / len(ways)
    for at_way, (way, label, colour, hatch) in enumerate(ways):
        scores = [scored(way, get(found, b)) for b in batteries]
        value = np.array([number(s, key) for s in scores])
        edge = COLOURS[0] if hatch else "white"
        at = places + height * (at_way - (len(ways) - 1) / 2)
        axes.barh(at, value, 0.95 * height, color=colour, hatch=hatch, edgecolor=edge, label=label)
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
                    fontsize=8.5,
                    zorder=5,
                    bbox={"fc": "white", "lw": 0, "pad": 1},
                )


def emotions_ranked(results: RunResults) -> int:
    """How many emotions a new text is ranked among."""
    found = results.layer("implicit", results.primary).values()
    chances = [number(battery, "centred", "chance_top1") for battery in found]
    return next(round(1 / chance) for chance in chances if chance > 0)


@dataclass(frozen=True)
class TargetRanks:
    """Ranks of the right emotion in one battery, a text each, 1 the best.

    Attributes
    ----------
    label : str
        Name of the battery, perhaps on two lines.
    model, words : mapping of str to list of int
        By emotion: scored by the model's vectors, and by word counts of the stories.
    """

    label: str
    model: Mapping[str, list[int]]
    words: Mapping[str, list[int]]


def target_ranks(results: RunResults) -> tuple[list[TargetRanks], list[str]]:
    """Ranks at the primary layer, and the emotions from the best found to the worst.

    Returns
    -------
    ranks : list of TargetRanks
        Of every battery that has ranks, in the headline's way of scoring.
    emotions : list of str
        By mean rank over the batteries; empty where no battery has ranks.
    """
    found = results.layer("implicit", results.primary)
    batteries: list[TargetRanks] = []
    for battery, label in BATTERIES.items():
        told = [t for t in get(found, battery, "scenarios") or () if get(t, "rank") is not None]
        if not told:
            continue
        control = get(results.stages["implicit"], "text_control", battery.removesuffix("_last"))
        word_rank = dict(zip(get(control, "ids") or (), get(control, "rank") or (), strict=False))
        model: dict[str, list[int]] = {}
        words: dict[str, list[int]] = {}
        for text in told:
            model.setdefault(str(text["target"]), []).append(int(text["rank"]))
            if word_rank.get(text["id"]) is not None:
                words.setdefault(str(text["target"]), []).append(int(word_rank[text["id"]]))
        batteries.append(TargetRanks(label, model, words))
    pooled: dict[str, list[int]] = {}
    for one in batteries:
        for emotion, ranks in one.model.items():
            pooled.setdefault(emotion, []).extend(ranks)
    return batteries, sorted(pooled, key=lambda e: (float(np.mean(pooled[e])), e))


def plot_ranks(folder: Path, results: RunResults, shown: Mapping[str, Look]) -> list[Path]:
    """Draw the rank of the right emotion in every new text, if any, beside that by word counts."""
    batteries, emotions = target_ranks(results)
    if not emotions:
        return []
    last = emotions_ranked(results)
    fig = figure(8, 1.7 + 0.27 * len(emotions))
    fig.suptitle(
        f"Rank of the right emotion, text by text, layer {results.primary}", x=0.01, ha="left"
    )
    panels = fig.subplots(1, len(batteries), sharey=True, squeeze=False)[0]
    for axes, one in zip(panels, batteries, strict=True):
        for place in range(len(emotions)):
            axes.axhline(place, color=FAINT, lw=0.7, zorder=1)
        axes.axvline((last + 1) / 2, color=INK, ls="--", lw=1, zorder=1)
        _dots(axes, one.words, emotions, 0.2, None)
        _dots(axes, one.model, emotions, -0.14, shown)
        axes.set_title(one.label)
        axes.set_xlim(0, last + 1)
        axes.set_xticks([1, *range(5, last + 1, 5)])
        axes.set_xlabel(f"rank, 1 (best) to {last}")
    panels[0].set_yticks(range(len(emotions)), emotions)
    panels[0].set_ylim(len(emotions) - 0.4, -0.6)
    filled = Line2D([], [], ls="", marker="o", ms=6, color=INK, label="the model's vectors")
    hollow = Line2D([], [], ls="", marker="o", ms=6, mfc="none", color=GREY, label="word counts")
    chance = Line2D([], [], ls="--", lw=1, color=INK, label="chance")
    fig.legend(handles=[filled, hollow, chance], loc="outside lower center", ncols=3)
    return save(fig, folder / "ranks.png")


def _dots(
    axes: Any,
    ranks: Mapping[str, list[int]],
    emotions: Sequence[str],
    shift: float,
    shown: Mapping[str, Look] | None,
) -> None:
    """One dot a rank, its area the number of texts; hollow without colours."""
    for place, emotion in enumerate(emotions):
        style: dict[str, Any] = {"color": "none", "edgecolor": GREY, "linewidth": 1, "zorder": 2}
        if shown is not None:
            colour = shown.get(emotion, UNKNOWN).colour
            style = {"color": colour, "edgecolor": "white", "linewidth": 0.5, "zorder": 3}
        counted = Counter(ranks.get(emotion, ()))
        sizes = [20.0 * n for n in counted.values()]
        axes.scatter(list(counted), [place + shift] * len(counted), s=sizes, clip_on=False, **style)


def plot_intensity(folder: Path, results: RunResults, shown: Mapping[str, Look]) -> list[Path]:
    """Draw, per text, the target's score over the numbers, and that of the control text."""
    found = results.layer("intensity", results.primary)
    templates = found["templates"]
    columns = min(5, len(templates))
    lines = -(-len(templates) // columns)
    fig = figure(8, 1.6 + 1.75 * lines)
    mean, null = number(found, "mean_difference"), number(found, "null_mean")
    fig.suptitle(
        f"Feelings that grow, layer {results.primary}: mean rho beyond the control's "
        f"{signed(mean)}\n(random directions {signed(null)}; over each panel rho, and that of "
        "the control)",
        x=0.01,
        ha="left",
    )
    axes = fig.subplots(lines, columns, sharey=True, squeeze=False)
    for one, template in zip(axes.flat, templates, strict=False):
        _grown(one, template, shown)
    for empty in axes.flat[len(templates) :]:
        empty.axis("off")
    handles, names = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=2)
    fig.supylabel("cosine with the target's vector, less its mean", fontsize=10)
    return save(fig, folder / "intensity.png")


def grown(template: Mapping[str, Any]) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Numbers of a text so that feeling grows, and its and its control's score less their means.

    Only the change with the number counts, so that texts of any level can be drawn alike.
    """
    values = [number(v) for v in get(template, "values") or ()]
    scores, control = (
        np.array([number(v) for v in get(template, key) or ()])
        for key in ("scores", "control_scores")
    )
    if get(template, "direction") == "down":
        values, scores, control = values[::-1], scores[::-1], control[::-1]
    return values, scores - scores.mean(), control - control.mean()


def _grown(axes: Any, template: Mapping[str, Any], shown: Mapping[str, Look]) -> None:
    """One text: its scores over the numbers, which rise or fall so that feeling grows."""
    target = str(get(template, "target"))
    values, scores, control = grown(template)
    colour = shown[target].colour if target in shown else INK
    places = np.arange(len(values))
    axes.axhline(0, color=FAINT, lw=1, zorder=1)
    axes.plot(places, control, color=GREY, marker="o", mfc="white", ms=4, lw=1, ls="--",
              label="same numbers, no feeling")  # fmt: skip
    axes.plot(places, scores, color=colour, marker="o", ms=4, lw=1.4, label="target emotion")
    rho, without = signed(number(template, "rho")), signed(number(template, "control_rho"))
    axes.set_title(f"{target}\n{rho} ({without})", fontsize=9)
    ticks = [0, len(values) // 2, len(values) - 1] if len(values) > 2 else range(len(values))
    axes.set_xticks(list(ticks), [short(values[i]) for i in ticks], fontsize=8)
    axes.tick_params(axis="y", labelsize=8)


def short(value: float) -> str:
    """Number as an axis has room for it: 2000000 as 2M."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1000 if letter == 'k' else size):g}{letter}"
    return f"{value:g}"
