"""Where the names of points go so that no name covers another; numbers only, no drawing."""

from __future__ import annotations

import numpy as np


def arrange(
    anchors: np.ndarray,
    sizes: np.ndarray,
    frame: tuple[float, ...],
    pixel: float,
    others: np.ndarray | None = None,
) -> np.ndarray:
    """Find a box for every label: nearest to its point first, given where the others are.

    Every label tries positions around its point and takes the cheapest; labels are revisited
    until none moves (coordinate descent).

    Parameters
    ----------
    anchors : ndarray, shape (n, 2)
        The points.
    sizes : ndarray, shape (n, 2)
        Widths and heights of the labels.
    frame : tuple of float
        x0, y0, x1, y1 that labels should stay within.
    pixel : float
        Size of a point (1/72 inch) in the unit of the others.
    others : ndarray, shape (k, 2), or None
        Further points that no label should cover.

    Returns
    -------
    ndarray, shape (n, 4)
        x0, y0, x1, y1 of each label.
    """
    boxes, lines, price = _candidates(anchors, sizes, pixel)
    marker = 5 * pixel
    dots = np.hstack([anchors - marker, anchors + marker])
    outside = np.maximum(0, np.array(frame[:2]) - boxes[..., :2]).sum(-1)
    outside += np.maximum(0, boxes[..., 2:] - np.array(frame[2:])).sum(-1)
    covered = dots
    if others is not None and len(others):
        covered = np.vstack([dots, np.hstack([others - marker, others + marker])])
    fixed = price + outside * 100 + 6 * _overlap(boxes[:, :, None], covered).sum(-1) / pixel
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
