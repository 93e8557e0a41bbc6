"""How every plot of evmlx looks: fonts, cluster colours and markers, labels, bytes of files.

Knows nothing about what is plotted. Nothing here touches pyplot, so no figure outlives the
function that drew it and no window system is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evmlx.plots.labels import arrange
from evmlx.store import replacing

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), ordered so that neighbours differ
# in lightness as well; the marker carries the cluster where colour does not.
COLOURS = ("#0072B2", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#009E73", "#E69F00", "#8C7A00")
MARKERS = ("o", "s", "^", "D", "X", "*", "v", "P")
UNCLUSTERED = "no cluster"
GREY = "#8a8a8a"
INK, MUTED, FAINT = "#222222", "#6b6b6b", "#d9d9d9"
DIVERGING, SEQUENTIAL = "RdBu_r", "Blues"

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib: the same bytes on every machine
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": INK,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.8,
    "svg.hashsalt": "evmlx",
    "svg.fonttype": "path",  # letters as shapes: the same picture whatever fonts there are
}
DPI = 150


@dataclass(frozen=True)
class Look:
    """Colour and marker of an emotion, decided by its cluster alone."""

    cluster: str
    colour: str
    marker: str


UNKNOWN = Look(UNCLUSTERED, GREY, "o")


def looks(emotions: Sequence[str], clusters: Mapping[str, Sequence[str]]) -> dict[str, Look]:
    """Colour and marker of every emotion, the same in every plot of a corpus.

    Parameters
    ----------
    emotions : sequence of str
        Emotions that are plotted.
    clusters : mapping of str to sequence of str
        The corpus's clusters, in its order, which is what fixes the colours.

    Returns
    -------
    dict of str to Look
        Emotions in no cluster are grey.
    """
    pairs = itertools.cycle(zip(COLOURS, MARKERS, strict=True))
    members: dict[str, Look] = {}
    for (name, emotions_of), (colour, marker) in zip(clusters.items(), pairs, strict=False):
        members |= dict.fromkeys(emotions_of, Look(name, colour, marker))
    return {e: members.get(e, UNKNOWN) for e in emotions}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style sheet, whatever the user's own matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def figure(width: float, height: float) -> Figure:
    """Empty figure of the given size in inches, drawn by Agg."""
    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(fig)
    return fig


def save(fig: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG and, beside it, as SVG; equal figures give equal bytes.

    Neither has a date or a version in it, and the ids of an SVG come from a fixed salt.
    """
    written = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        written.append(path.with_suffix(f".{kind}"))
        with replacing(written[-1]) as file:
            fig.savefig(file, format=kind, dpi=DPI, metadata=metadata)
        fig.set_layout_engine("none")  # laid out already: not again, and the same in both
    return written


def cluster_legend(fig: Figure, shown: Mapping[str, Look], columns: int = 3) -> None:
    """Legend of clusters under the axes, in the order of the corpus."""
    kinds = dict.fromkeys(shown.values())
    handles = [
        Line2D(
            [], [], color=k.colour, marker=k.marker, ls="", ms=size_of(k.marker), label=k.cluster
        )
        for k in kinds
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=columns, handletextpad=0.2)


def scatter(axes: Any, points: np.ndarray, names: Sequence[str], shown: Mapping[str, Look]) -> None:
    """Draw one marker per emotion; `points` is (emotions, 2) in data units."""
    for (x, y), name in zip(points, names, strict=True):
        look = shown[name]
        axes.plot(
            x, y, ls="", marker=look.marker, color=look.colour, ms=size_of(look.marker), mew=0.6,
            mec="white", zorder=3,
        )  # fmt: skip


def size_of(marker: str) -> float:
    """Size in points at which a marker looks as large as the others."""
    return {"*": 12.0, "D": 7.0, "X": 9.0, "^": 8.5, "v": 8.5}.get(marker, 8.0)


def place_labels(
    axes: Any,
    points: np.ndarray,
    names: Sequence[str],
    shown: Mapping[str, Look],
    others: np.ndarray | None = None,
) -> None:
    """Write each emotion's name beside its marker so that no name covers another.

    `evmlx.plots.labels` finds the places. A label that had to go far gets a thin line back. Call
    it last: it fixes the layout and the axes' limits.

    Parameters
    ----------
    axes : matplotlib Axes
        Where the markers are.
    points : ndarray, shape (emotions, 2)
        Marker positions in data units.
    names : sequence of str
        One label a point.
    shown : mapping of str to Look
        Colours of the leader lines.
    others : ndarray, shape (k, 2), or None
        Further markers that no name should cover, in data units.
    """
    fig = axes.figure
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())
    renderer = fig.canvas.get_renderer()
    pixel = fig.dpi / 72.0
    texts = [axes.text(0, 0, name, fontsize=9, zorder=4) for name in names]
    sizes = np.array([(b.width, b.height) for b in (t.get_window_extent(renderer) for t in texts)])
    anchors = axes.transData.transform(points)
    frame = axes.get_window_extent(renderer)
    beside = None if others is None else axes.transData.transform(others)
    boxes = arrange(anchors, sizes, (frame.x0, frame.y0, frame.x1, frame.y1), pixel, beside)
    back = axes.transData.inverted()
    for text, box, anchor, name in zip(texts, boxes, anchors, names, strict=True):
        centre = (box[:2] + box[2:]) / 2
        text.set(ha="center", va="center")
        text.set_position(back.transform(centre))
        near = np.clip(anchor, box[:2], box[2:])
        if np.hypot(*(near - anchor)) > 9 * pixel:
            ends = back.transform(np.array([anchor, near]))
            axes.plot(*ends.T, color=shown[name].colour, lw=0.7, zorder=2)
