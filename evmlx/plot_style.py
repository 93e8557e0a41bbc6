"""How every plot of evmlx looks: fonts, cluster colours and markers, labels, PNG bytes.

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

from evmlx.store import replacing

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), ordered so that neighbours differ
# in lightness as well; the marker carries the cluster where colour does not.
COLOURS = ("#0072B2", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#009E73", "#E69F00", "#8C7A00")
MARKERS = ("o", "s", "^", "D", "X", "*", "v", "P")
UNCLUSTERED = "no cluster"
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
}
DPI = 150


@dataclass(frozen=True)
class Look:
    """Colour and marker of an emotion, decided by its cluster alone."""

    cluster: str
    colour: str
    marker: str


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
    return {e: members.get(e, Look(UNCLUSTERED, "#8a8a8a", "o")) for e in emotions}


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


def save(fig: Figure, path: Path) -> Path:
    """Write a figure as PNG; equal figures give equal bytes (no date, no version)."""
    with replacing(path) as file:
        fig.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return path


def cluster_legend(fig: Figure, shown: Mapping[str, Look], columns: int = 3) -> None:
    """Legend of clusters under the axes, in the order of the corpus."""
    kinds = dict.fromkeys(shown.values())
    handles = [
        Line2D([], [], color=k.colour, marker=k.marker, ls="", ms=_size(k.marker), label=k.cluster)
        for k in kinds
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=columns, handletextpad=0.2)


def scatter(axes: Any, points: np.ndarray, names: Sequence[str], shown: Mapping[str, Look]) -> None:
    """Draw one marker per emotion; `points` is (emotions, 2) in data units."""
    for (x, y), name in zip(points, names, strict=True):
        look = shown[name]
        axes.plot(
            x, y, ls="", marker=look.marker, color=look.colour, ms=_size(look.marker), mew=0.6,
            mec="white", zorder=3,
        )  # fmt: skip


def _size(marker: str) -> float:
    return {"*": 12.0, "D": 7.0, "X": 9.0, "^": 8.5, "v": 8.5}.get(marker, 8.0)


def place_labels(
    axes: Any, points: np.ndarray, names: Sequence[str], shown: Mapping[str, Look]
) -> None:
    """Write each emotion's name beside its marker so that no name covers another.

    Every label tries positions around its marker, nearest first, and takes the cheapest given
    where the others are; labels are revisited until none moves. A label that had to go far
    gets a thin line back. Call it last: it fixes the layout and the axes' limits.

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
    boxes = _arrange(anchors, sizes, (frame.x0, frame.y0, frame.x1, frame.y1), pixel)
    back = axes.transData.inverted()
    for text, box, anchor, name in zip(texts, boxes, anchors, names, strict=True):
        centre = (box[:2] + box[2:]) / 2
        text.set(ha="center", va="center")
        text.set_position(back.transform(centre))
        near = np.clip(anchor, box[:2], box[2:])
        if np.hypot(*(near - anchor)) > 9 * pixel:
            ends = back.transform(np.array([anchor, near]))
            axes.plot(*ends.T, color=shown[name].colour, lw=0.7, zorder=2)


def _arrange(
    anchors: np.ndarray, sizes: np.ndarray, frame: tuple[float, ...], pixel: float
) -> np.ndarray:
    """Boxes (n, 4) of labels as x0, y0, x1, y1 in pixels, found by coordinate descent."""
    boxes, lines, price = _candidates(anchors, sizes, pixel)
    marker = 5 * pixel
    dots = np.hstack([anchors - marker, anchors + marker])
    outside = np.maximum(0, np.array(frame[:2]) - boxes[..., :2]).sum(-1)
    outside += np.maximum(0, boxes[..., 2:] - np.array(frame[2:])).sum(-1)
    fixed = price + outside * 100 + 6 * _overlap(boxes[:, :, None], dots).sum(-1) / pixel
    rows = np.arange(len(anchors))
    for i in rows:
        fixed[i] += 40 * pixel * _inside(lines[i], dots[rows != i])
    chosen = fixed.argmin(1)
    for _ in range(30):
        before = chosen.copy()
        for i in rows:
            other = rows != i
            taken, drawn = boxes[rows, chosen][other], lines[rows, chosen][other]
            crowding = 12 * _overlap(boxes[i][:, None], taken).sum(-1) / pixel
            crossing = _inside(lines[i], taken)
            crossing += _inside(drawn.reshape(1, -1, 2), boxes[i][:, None])
            chosen[i] = (fixed[i] + crowding + 25 * pixel * crossing).argmin()
        if np.array_equal(before, chosen):
            break
    return np.asarray(boxes[rows, chosen])


def _candidates(
    anchors: np.ndarray, sizes: np.ndarray, pixel: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each of n labels could stand: sixteen directions at eight distances.

    Returns
    -------
    tuple of ndarray
        Boxes (n, candidates, 4), points along the way back to the marker
        (n, candidates, 10, 2), and the price of the distance (n, candidates), in pixels.
    """
    angles = np.arange(16) * np.pi / 8
    reach = np.array([7.0, 11.0, 16.0, 24.0, 34.0, 46.0, 60.0, 80.0])
    way = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    # the box's near edge, not its middle, is `reach` away from the marker
    step = (reach[:, None, None] * pixel * way).reshape(-1, 2)
    lean = np.tile(way, (len(reach), 1))
    centres = anchors[:, None] + step + sizes[:, None] / 2 * lean / np.abs(lean).max(-1)[:, None]
    boxes = np.concatenate([centres - sizes[:, None] / 2, centres + sizes[:, None] / 2], axis=-1)
    near = np.clip(anchors[:, None], boxes[..., :2], boxes[..., 2:])
    along = np.linspace(0, 1, 10)[:, None]
    lines = anchors[:, None, None] + along * (near - anchors[:, None])[:, :, None]
    gap = np.linalg.norm(near - anchors[:, None], axis=-1)
    beside = np.tile(1 - np.abs(way[:, 0]), len(reach)) * 2 * pixel
    return boxes, lines, gap + beside


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How many (point, box) pairs (of (c, k, 2) and (m, 4) or (c, 1, 4)) lie one in the other."""
    p, b = points[:, :, None], boxes[None, None] if boxes.ndim == 2 else boxes[:, None]
    return np.asarray(((p >= b[..., :2]) & (p <= b[..., 2:])).all(-1).sum((1, 2)))


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Area shared by boxes that broadcast against each other."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.asarray(np.clip(sides, 0, None).prod(-1))
