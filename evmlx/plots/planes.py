"""Scatter plots of the emotions: the principal plane, and how it lies on the human one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from evmlx.plots.style import (
    FAINT,
    MUTED,
    Look,
    cluster_legend,
    figure,
    place_labels,
    save,
    scatter,
    size_of,
)
from evmlx.report.format import p_phrase, plain, signed
from evmlx.report.metrics_geometry import corrected_p
from evmlx.report.run_results import get, number


def plot_pca(
    folder: Path, layer: int, pca: Mapping[str, Any], shown: Mapping[str, Look]
) -> list[Path]:
    """Draw the emotions on the first two components of their unit vectors."""
    names = list(pca["emotions"])
    points = _first_two(pca["coordinates"])
    fig = figure(8, 6.4)
    fig.suptitle(f"Principal plane of the emotion vectors, layer {layer}", x=0.01, ha="left")
    axes = fig.add_subplot()
    _plane(axes, points, names, shown)
    shares = pca.get("explained_variance") or []
    axes.set_aspect("equal", adjustable="datalim")  # distances mean the same both ways
    axes.set_xlabel(_component(1, shares))
    axes.set_ylabel(_component(2, shares))
    cluster_legend(fig, {n: shown[n] for n in shown if n in names})
    place_labels(axes, points, names, shown)
    return save(fig, folder / f"pca_layer_{layer}.png")


def plot_overlay(
    folder: Path,
    layer: int,
    fit: Mapping[str, Any],
    shown: Mapping[str, Look],
    scale: str,
) -> list[Path]:
    """Draw the model's plane, fitted to the human one by Procrustes, on top of it.

    Parameters
    ----------
    folder : Path
        Where plots go.
    layer : int
        Sampled layer.
    fit : mapping
        ``procrustes`` of a layer of ``arousal_results.json``.
    shown : mapping of str to Look
        Colours and markers.
    scale : str
        Where the human ratings come from.

    Returns
    -------
    list of Path
        The files.
    """
    names = list(fit["emotions"])
    model, human = np.array(fit["model"], float), np.array(fit["human"], float)
    fig = figure(8, 6.9)
    r2, p = number(fit, "r2"), p_phrase(number(fit, "p"))
    null = number(fit, "null_mean")
    fig.suptitle(
        f"The model's plane on human valence and arousal, layer {layer}: R² = {plain(r2)}, {p}"
        f"\n(words permuted: {plain(null)})",
        x=0.01,
        ha="left",
    )
    axes = fig.add_subplot()
    axes.set_aspect("equal", adjustable="datalim")
    for place, one, name in zip(model, human, names, strict=True):
        look = shown[name]
        axes.plot(*zip(place, one, strict=True), color=look.colour, lw=0.8, alpha=0.55, zorder=1.5)
        axes.plot(
            *one, ls="", marker=look.marker, ms=size_of(look.marker) - 1, mfc="white",
            mec=look.colour, mew=1.1, zorder=2,
        )  # fmt: skip
    for place, name, spread in zip(model, names, fit.get("covariance") or [], strict=False):
        _ellipse(axes, place, spread, shown[name].colour)
    _plane(axes, model, names, shown)
    axes.set_xlabel(f"valence, standardised ({scale})")
    axes.set_ylabel("arousal, standardised")
    cluster_legend(fig, {n: shown[n] for n in shown if n in names})
    key = [
        Line2D([], [], color=MUTED, marker="o", ls="", ms=7, label="model"),
        Line2D([], [], color=MUTED, marker="o", ls="", ms=6, mfc="white", label="human ratings"),
        Ellipse((0, 0), 1, 1, fc=MUTED, alpha=0.25, label="95%, topics drawn anew"),
    ]
    axes.legend(handles=key, loc="best", fontsize=8.5)
    place_labels(axes, model, names, shown, human)
    return save(fig, folder / f"circumplex_layer_{layer}.png")


def ellipse(covariance: Any, share: float = 0.95) -> tuple[float, float, float]:
    """Full width, full height and angle in degrees of the ellipse that holds a share.

    Parameters
    ----------
    covariance : array-like, shape (2, 2)
        Of a plane's normal distribution.
    share : float
        Of its mass; the squared radius is the chi-squared quantile with two degrees of freedom,
        -2 log(1 - share).
    """
    variances, axes = np.linalg.eigh(np.asarray(covariance, float))
    radii = np.sqrt(-2 * np.log(1 - share) * np.clip(variances, 0, None))
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    return float(2 * radii[1]), float(2 * radii[0]), float(angle)


def _ellipse(axes: Any, place: np.ndarray, covariance: Any, colour: str) -> None:
    if covariance is None or not np.isfinite(np.array(covariance, float)).all():
        return
    width, height, angle = ellipse(covariance)
    patch = Ellipse(tuple(place), width, height, angle=angle, fc=colour, alpha=0.13, lw=0)
    axes.add_patch(patch)


def plot_side_by_side(
    folder: Path,
    layer: int,
    plane: Mapping[str, Any],
    norms: Mapping[str, Any],
    shown: Mapping[str, Look],
    title: str,
) -> list[Path]:
    """Draw the model's plane and the human valence-arousal plane side by side.

    For runs whose results have no fit of the two planes.

    Parameters
    ----------
    folder : Path
        Where plots go.
    layer : int
        Sampled layer.
    plane : mapping
        A layer of ``arousal_results.json``: components and coordinates.
    norms : mapping
        Its ``norms``: words (emotions), valence, arousal, source.
    shown : mapping of str to Look
        Colours and markers.
    title : str
        What is seen.

    Returns
    -------
    list of Path
        The files.
    """
    names = list(norms["words"])
    model = _first_two(plane["coordinates"])
    human = np.array(
        [[number(v), number(a)] for v, a in zip(norms["valence"], norms["arousal"], strict=True)]
    )
    known = rated(norms)
    fig = figure(8, 6.2)
    fig.suptitle(f"{title} (layer {layer})", x=0.01, ha="left")
    left, right = fig.subplots(1, 2)
    left.set_title("model")
    right.set_title(str(norms.get("source") or "human ratings").split(" (")[0])
    _plane(left, model, names, shown)
    _plane(right, human[known], [n for n, k in zip(names, known, strict=True) if k], shown, 5.0)
    left.set_xlabel(_correlated(plane, 1))
    left.set_ylabel(_correlated(plane, 2))
    right.set_xlabel("valence, mean rating")
    right.set_ylabel("arousal, mean rating")
    cluster_legend(fig, {n: shown[n] for n in shown if n in names})
    place_labels(left, model, names, shown)
    place_labels(right, human[known], [n for n, k in zip(names, known, strict=True) if k], shown)
    return save(fig, folder / f"circumplex_layer_{layer}.png")


def rated(norms: Mapping[str, Any]) -> np.ndarray:
    """Which emotions have both valence and arousal: bool, shape (emotions,)."""
    both = [[number(v) for v in norms.get(scale) or ()] for scale in ("valence", "arousal")]
    return np.asarray(np.isfinite(np.array(both)).all(axis=0))


def _first_two(coordinates: Sequence[Sequence[float]]) -> np.ndarray:
    """Coordinates on PC1 and PC2, (emotions, 2); 0 on a component that does not exist."""
    given = np.array(coordinates, dtype=float).reshape(len(coordinates), -1)[:, :2]
    return np.pad(given, ((0, 0), (0, 2 - given.shape[1])))


def _plane(
    axes: Any, points: np.ndarray, names: Sequence[str], shown: Mapping[str, Look], cross: float = 0
) -> None:
    axes.axhline(cross, color=FAINT, lw=1, zorder=1)
    axes.axvline(cross, color=FAINT, lw=1, zorder=1)
    scatter(axes, points, names, shown)
    axes.margins(0.12, 0.08)
    axes.tick_params(length=3, color=MUTED)
    axes.locator_params(axis="x", nbins=5)


def _component(pc: int, shares: Sequence[float]) -> str:
    share = f" ({100 * shares[pc - 1]:.0f}% of variance)" if len(shares) >= pc else ""
    return f"PC{pc}{share}"


def _correlated(plane: Mapping[str, Any], pc: int) -> str:
    """Axis title of a component with its correlations, one norm a line."""
    found: Mapping[str, Any] = next(
        (c for c in plane.get("components") or [] if c.get("pc") == pc), {}
    )
    lines = [_component(pc, [0.0] * (pc - 1) + [number(found, "explained_variance")])]
    for norm in ("valence", "arousal"):
        if get(found, f"{norm}_r") is not None:
            r, p = number(found, f"{norm}_r"), corrected_p(found, norm)
            lines.append(f"{norm} r = {signed(r)}, {p_phrase(p)}")
    return "\n".join(lines)
