"""Scatter plots of the emotions: the principal plane, and beside it the human one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.metrics import corrected_p
from evmlx.plot_style import (
    FAINT,
    MUTED,
    Look,
    cluster_legend,
    figure,
    place_labels,
    save,
    scatter,
)
from evmlx.report_format import p_phrase, signed
from evmlx.run_results import get, number


def plot_pca(folder: Path, layer: int, pca: Mapping[str, Any], shown: Mapping[str, Look]) -> Path:
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


def plot_circumplex(
    folder: Path,
    layer: int,
    plane: Mapping[str, Any],
    norms: Mapping[str, Any],
    shown: Mapping[str, Look],
    title: str,
) -> Path:
    """Draw the model's plane and the human valence-arousal plane side by side.

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
    Path
        The PNG.
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
