"""Inline scatter plots of the emotions: on human ratings, and on the principal plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evmlx.plots.labels import arrange
from evmlx.plots.planes import ellipse
from evmlx.plots.style import Look
from evmlx.report.format import percent, plain, signed
from evmlx.report.html_svg import (
    between,
    colour_class,
    dots,
    label,
    legend,
    line,
    marker,
    svg,
    tag,
    ticks,
    tip,
)
from evmlx.report.run_results import get, number

OVERLAY, PLANE = (640.0, 640.0), (560.0, 500.0)  # the first holds two markers an emotion
LEFT, RIGHT, TOP, BOTTOM = 54.0, 12.0, 12.0, 46.0
LETTER = 6.6  # mean width of a letter at the 13 pixels of the labels


class Plane:
    """Axes with equal units both ways, that hold all of some points.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        What has to fit in.
    size : tuple of float
        Width and height of the drawing.
    """

    def __init__(self, points: np.ndarray, size: tuple[float, float]) -> None:
        self.size = size
        self.frame = (LEFT, TOP, size[0] - RIGHT, size[1] - BOTTOM)
        room = np.array([size[0] - LEFT - RIGHT, size[1] - TOP - BOTTOM])
        low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
        span = np.maximum(high - low, 1e-9) * 1.16
        self.unit = float((room / span).min())
        middle = (low + high) / 2
        half = room / 2 / self.unit
        self.low, self.high = middle - half, middle + half

    def at(self, points: np.ndarray) -> np.ndarray:
        """Places of points in the drawing, (n, 2)."""
        x = LEFT + (points[..., 0] - self.low[0]) * self.unit
        y = TOP + (self.high[1] - points[..., 1]) * self.unit
        return np.stack([x, y], axis=-1)

    def axes(self, x_title: str, y_title: str) -> str:
        """Frame, ticks and titles."""
        right, floor = self.frame[2:]
        parts = []
        for at, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            for value in ticks(float(low), float(high), 7):
                x, y = self.at(np.array([value, value]))
                name = plain(value, 2).rstrip("0").rstrip(".") or "0"
                class_ = "zero" if value == 0 else "grid"
                if at == 0:
                    parts.append(line(x, TOP, x, floor, class_))
                    parts.append(label(x, floor + 16, name, anchor="middle", class_="tick"))
                else:
                    parts.append(line(LEFT, y, right, y, class_))
                    parts.append(label(LEFT - 6, y + 4, name, anchor="end", class_="tick"))
        centre = (TOP + floor) / 2
        parts.append(label((LEFT + right) / 2, floor + 38, x_title, anchor="middle", class_="axis"))
        turned = f"rotate(-90 14 {centre:g})"
        parts.append(label(14, centre, y_title, anchor="middle", class_="axis", transform=turned))
        return "".join(parts)


def overlay(fit: Mapping[str, Any], shown: Mapping[str, Look], layer: int) -> str:
    """Draw the model's plane on the human one, from ``procrustes`` of a layer."""
    names = list(fit["emotions"])
    model, human = np.array(fit["model"], float), np.array(fit["human"], float)
    plane = Plane(np.vstack([model, human]), OVERLAY)
    places, targets = plane.at(model), plane.at(human)
    spreads = list(fit.get("covariance") or [])
    spreads += [None] * (len(names) - len(spreads))
    under, points = [], []
    for i, name in enumerate(names):
        look = shown[name]
        under.append(_ellipse(plane, places[i], spreads[i], look))
        points.append(
            tip(
                between(places[i], targets[i], f"stem {colour_class(look)}")
                + marker(look, targets[i], 5, hollow=True)
                + marker(look, places[i], 7),
                f"{name} ({look.cluster})\nmodel: valence {signed(model[i, 0])}, arousal "
                f"{signed(model[i, 1])}\nhuman: valence {signed(human[i, 0])}, arousal "
                f"{signed(human[i, 1])}\ndistance {plain(float(np.hypot(*(model[i] - human[i]))))}",
            )
        )
    name = (
        f"Emotions of the model fitted to human valence and arousal, layer {layer}: "
        f"R squared {plain(number(fit, 'r2'))}, by chance {plain(number(fit, 'null_mean'))}"
    )
    drawn = "".join(
        [
            plane.axes("valence, standardised", "arousal, standardised"),
            *under,
            *points,
            _names(plane, places, names, targets),
        ]
    )
    clusters = legend([shown[n] for n in shown if n in names])
    return svg(*OVERLAY, name, drawn, kind="overlay") + _whose() + clusters


def _whose() -> str:
    """Say what filled and hollow markers are."""
    items = dots(
        [
            ("cx", "filled, with its name: the model"),
            ("cx hollow", "hollow: human ratings"),
        ]
    )
    items += tag("li", tag("span", class_="swatch stem-key") + "the same emotion")
    items += tag("li", tag("span", class_="swatch spread-key") + "95% of the topics drawn anew")
    return tag("ul", items, class_="legend")


def principal_plane(
    coordinates: Sequence[Sequence[float]],
    names: Sequence[str],
    shares: Sequence[float],
    shown: Mapping[str, Look],
    layer: int,
    norms: Mapping[str, Any] | None = None,
) -> str:
    """Draw the first two principal components of the emotion vectors.

    Parameters
    ----------
    coordinates : sequence, (emotions, components)
        On the components.
    names : sequence of str
        Emotions.
    shares : sequence of float
        Explained variance of the components; empty where it is not known.
    shown : mapping of str to Look
        Colours and markers.
    layer : int
        Sampled layer.
    norms : mapping or None
        Human ratings, to be told beside the places.
    """
    given = np.array(coordinates, float).reshape(len(names), -1)[:, :2]
    points = np.pad(given, ((0, 0), (0, 2 - given.shape[1])))
    here = Plane(points, PLANE)
    places = here.at(points)
    rated = {w: at for at, w in enumerate(get(norms, "words") or ())}
    marks = []
    for i, name in enumerate(names):
        told = f"{name} ({shown[name].cluster})\nPC1 {signed(points[i, 0])}, PC2 "
        told += signed(points[i, 1])
        if norms is not None and name in rated:
            v, a = (number(norms[scale][rated[name]]) for scale in ("valence", "arousal"))
            told += f"\nhuman: valence {plain(v)}, arousal {plain(a)}"
        marks.append(tip(marker(shown[name], places[i], 7), told))
    titles = [
        f"PC{pc}" + (f" ({percent(shares[pc - 1])} of variance)" if len(shares) >= pc else "")
        for pc in (1, 2)
    ]
    name = f"Emotions on the first two principal components, layer {layer}"
    drawn = here.axes(titles[0], titles[1]) + "".join(marks) + _names(here, places, names)
    return svg(*PLANE, name, drawn, kind="plane") + legend([shown[n] for n in shown if n in names])


def _ellipse(plane: Plane, place: np.ndarray, covariance: Any, look: Look) -> str:
    if covariance is None or not np.isfinite(np.array(covariance, float)).all():
        return ""
    width, height, angle = ellipse(covariance)
    return tag(
        "ellipse",
        cx=float(place[0]),
        cy=float(place[1]),
        rx=width / 2 * plane.unit,
        ry=height / 2 * plane.unit,
        transform=f"rotate({-angle:.1f} {place[0]:.1f} {place[1]:.1f})",
        class_=f"spread {colour_class(look)}",
    )


def _names(
    plane: Plane, places: np.ndarray, names: Sequence[str], others: np.ndarray | None = None
) -> str:
    """Names beside their markers, with a thin line from one that another marker is as near to."""
    sizes = np.array([(LETTER * len(name) + 4, 15.0) for name in names])
    pixel = 1.7 if others is None else 1.4  # closer to the marker where there is less room
    boxes = arrange(places, sizes, plane.frame, pixel, others)
    every = places if others is None else np.vstack([places, others])
    parts = []
    for i, (box, name) in enumerate(zip(boxes, names, strict=True)):
        away = np.linalg.norm(np.clip(every, box[:2], box[2:]) - every, axis=1)
        if away[i] > 14 or np.delete(away, i).min(initial=np.inf) < away[i] + 3:
            near = np.clip(places[i], box[:2], box[2:])
            parts.append(between(places[i], near, "leader"))
        centre = (box[:2] + box[2:]) / 2
        parts.append(label(centre[0], centre[1] + 4.5, name, anchor="middle", class_="name"))
    return tag("g", "".join(parts), class_="names")
