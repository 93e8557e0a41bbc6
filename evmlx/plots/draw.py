"""The plots of a run folder: which there are, and the two square ones.

Reads result files, never activations. `plot_planes` draws the scatter plots, `plot_curves`
the figures over layers and batteries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from evmlx.plots.curves import plot_layers
from evmlx.plots.planes import plot_overlay, plot_pca, plot_side_by_side, rated
from evmlx.plots.style import (
    DIVERGING,
    FAINT,
    INK,
    MUTED,
    SEQUENTIAL,
    Look,
    cluster_legend,
    figure,
    looks,
    save,
    styled,
)
from evmlx.plots.texts import plot_implicit, plot_intensity, plot_ranks
from evmlx.report.format import plain
from evmlx.report.metrics import MetricRow, at_layer, metric_rows
from evmlx.report.run_results import RunResults, get
from evmlx.report.verdict_affect import plane_title

if TYPE_CHECKING:
    from evmlx.corpus import Corpus


def write_plots(results: RunResults, corpus: Corpus) -> list[Path]:
    """Draw every plot that the run's result files allow.

    Parameters
    ----------
    results : RunResults
        The run.
    corpus : Corpus
        Its corpus: clusters give colours and markers.

    Returns
    -------
    list of Path
        The files, PNG and SVG, under ``plots/`` of the run folder.
    """
    folder = results.folder / "plots"
    rows = metric_rows(results)
    shown = looks(corpus.emotions, corpus.clusters)
    written: list[Path] = []
    with styled():
        for layer in results.layers:
            cosine = get(results.layer("geometry", layer), "cosine")
            if get(cosine, "matrix") and len(defined_cosines(cosine)[1]) > 1:
                written += plot_cosine(folder, layer, cosine, shown)
            pca = get(results.layer("geometry", layer), "pca")
            if any(get(pca, "coordinates") or ()):  # without components each row is empty
                written += plot_pca(folder, layer, pca, shown)
            written += _circumplex(folder, results, layer, rows, shown)
        if {"geometry", "circumplex", "probe"} & set(results.stages):
            written += plot_layers(folder, results)
        confusion = get(results.layer("probe", results.primary), "confusion")
        if confusion:
            emotions = results.stages["probe"].get("emotions") or corpus.emotions
            written += plot_confusion(folder, results.primary, confusion, emotions, shown)
        scored = results.layer("implicit", results.primary).values()
        if any(get(battery, "centred", "top1") is not None for battery in scored):
            written += plot_implicit(folder, results)
            written += plot_ranks(folder, results, shown)
        if results.layer("intensity", results.primary).get("templates"):
            written += plot_intensity(folder, results, shown)
    return written


def _circumplex(
    folder: Path,
    results: RunResults,
    layer: int,
    rows: Sequence[MetricRow],
    shown: Mapping[str, Look],
) -> list[Path]:
    """Draw the planes on top of each other, or side by side where the run has no fit."""
    plane = results.layer("circumplex", layer)
    norms = get(results.stages.get("circumplex"), "norms")
    fit = get(plane, "procrustes")
    if get(fit, "model"):
        scale = str(get(norms, "source") or "human ratings").split(" (")[0]
        return plot_overlay(folder, layer, fit, shown, scale)
    if any(get(plane, "coordinates") or ()) and rated(norms).any():
        title = plane_title(at_layer(rows, layer))
        return plot_side_by_side(folder, layer, plane, norms, shown, title)
    return []


def similarity_order(matrix: np.ndarray) -> tuple[list[int], dict[str, Any]]:
    """Order rows by average linkage on 1 - cosine: the order, and scipy's dendrogram."""
    distance = np.clip(1 - (matrix + matrix.T) / 2, 0, None)
    np.fill_diagonal(distance, 0)
    tree = dendrogram(linkage(squareform(distance, checks=False), "average"), no_plot=True)
    return list(tree["leaves"]), tree


def defined_cosines(cosine: Mapping[str, Any]) -> tuple[np.ndarray, list[str]]:
    """Cosines and names of the emotions that have any: a zero vector has no place."""
    matrix = np.array(cosine["matrix"], dtype=float)
    there = np.isfinite(matrix).any(axis=1)
    emotions = [e for e, kept in zip(cosine["emotions"], there, strict=True) if kept]
    return matrix[np.ix_(there, there)], emotions


def plot_cosine(
    folder: Path, layer: int, cosine: Mapping[str, Any], shown: Mapping[str, Look]
) -> list[Path]:
    """Draw the cosines between emotion vectors, ordered by average linkage on 1 - cosine."""
    matrix, emotions = defined_cosines(cosine)
    order, tree = similarity_order(matrix)
    names = [emotions[i] for i in order]
    values = matrix[np.ix_(order, order)]
    np.fill_diagonal(values, np.nan)
    limit = max(0.1, np.ceil(10 * np.nanmax(np.abs(values))) / 10)

    fig = figure(8, 8.6)
    fig.suptitle(f"Cosine between emotion vectors, layer {layer}", x=0.01, ha="left")
    grid = fig.add_gridspec(1, 2, width_ratios=(20, 2.2), wspace=0.01)
    axes, side = fig.add_subplot(grid[0]), fig.add_subplot(grid[1])
    image = _square(axes, values, names, shown, DIVERGING, (-limit, limit))
    _cells(axes, values, lambda v: plain(100 * v, 0), limit * 0.62)
    segments = [
        list(zip(d, (np.array(i) - 5) / 10, strict=True))
        for i, d in zip(tree["icoord"], tree["dcoord"], strict=True)
    ]
    side.add_collection(LineCollection(segments, colors=MUTED, linewidths=1))
    side.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.02 * max(map(max, tree["dcoord"]))))
    side.axis("off")
    bar = fig.colorbar(image, ax=axes, location="bottom", shrink=0.6, aspect=40, pad=0.01)
    bar.set_label("cosine (cells: cosine × 100)")
    bar.outline.set_visible(False)
    cluster_legend(fig, {name: shown[name] for name in shown if name in names})
    return save(fig, folder / f"cosine_layer_{layer}.png")


def plot_confusion(
    folder: Path,
    layer: int,
    confusion: Sequence[Sequence[float]],
    emotions: Sequence[str],
    shown: Mapping[str, Look],
) -> list[Path]:
    """Draw the grouped probe's confusions, emotions of a cluster side by side."""
    order = cluster_order(emotions, shown)
    names = [emotions[i] for i in order]
    values = np.array(confusion, dtype=float)[np.ix_(order, order)]

    fig = figure(8, 8.9)
    fig.suptitle(f"What the probe takes for what, layer {layer}", x=0.01, ha="left")
    axes = fig.add_subplot()
    image = _square(axes, values, names, shown, SEQUENTIAL, (0, 1))
    _cells(axes, values, lambda v: f"{100 * v:.0f}" if v >= 0.005 else "", 0.5)
    edges = [i for i in range(1, len(names)) if shown[names[i]] != shown[names[i - 1]]]
    for edge in edges:
        axes.axhline(edge - 0.5, color=MUTED, lw=0.8)
        axes.axvline(edge - 0.5, color=MUTED, lw=0.8)
    axes.set_xlabel("emotion that the probe answers")
    axes.set_ylabel("emotion that the story tells", labelpad=8)
    bar = fig.colorbar(image, ax=axes, location="bottom", shrink=0.6, aspect=40, pad=0.01)
    bar.set_label("share of an emotion's stories (cells: per cent)")
    bar.outline.set_visible(False)
    cluster_legend(fig, {name: shown[name] for name in names})
    return save(fig, folder / "confusion.png")


def cluster_order(emotions: Sequence[str], shown: Mapping[str, Look]) -> list[int]:
    """Order rows so that emotions of a cluster stand side by side."""
    kinds = list(dict.fromkeys(look.cluster for look in shown.values()))
    return sorted(range(len(emotions)), key=lambda i: kinds.index(shown[emotions[i]].cluster))


def _square(
    axes: Any,
    values: np.ndarray,
    names: Sequence[str],
    shown: Mapping[str, Look],
    colours: str,
    limits: tuple[float, float],
) -> Any:
    """Heatmap with a strip of cluster colours along its left and lower sides."""
    count = len(names)
    axes.set_facecolor(FAINT)
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="equal")
    axes.set_xticks(range(count), names, rotation=90)
    axes.set_yticks(range(count), names)
    axes.tick_params(length=0, pad=14)
    axes.spines[:].set_visible(False)
    for i, name in enumerate(names):
        colour = shown[name].colour
        strips = (((-1.05, i - 0.5), 0.4, 1), ((i - 0.5, count - 0.35), 1, 0.4))
        for corner, width, height in strips:
            axes.add_patch(Rectangle(corner, width, height, color=colour, lw=0, clip_on=False))
    return image


def _cells(axes: Any, values: np.ndarray, say: Any, dark: float) -> None:
    """Print every cell's value, white where its colour is dark."""
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if abs(value) > dark else INK
            cell = axes.text(column, row, say(value), fontsize=8, color=colour, va="center")
            cell.set(ha="center", in_layout=False)  # inside the square: the layout need not ask
