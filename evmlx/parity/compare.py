"""Whether two engines, or two finished runs, measured the same: residuals and emotion vectors.

Knows nothing about engines: compares arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.extract import load_activations
from evmlx.pipeline import field
from evmlx.stimuli import KINDS
from evmlx.store import Activations, read_json
from evmlx.vectors import emotion_vectors


@dataclass(frozen=True)
class Bounds:
    """What counts as agreement.

    Attributes
    ----------
    median, worst : float
        Largest relative error of a pooled residual, in the median and in the worst text.
    cosine : float
        Smallest cosine between the two vectors of an emotion.
    """

    median: float
    worst: float
    cosine: float


FULL = Bounds(1e-4, 1e-3, 0.9999)
HALF = Bounds(1e-2, 1e-1, 0.99)  # bfloat16 keeps 8 bits: 0.4% in each of many operations


@dataclass(frozen=True)
class LayerParity:
    """How far two measurements are apart at one layer.

    Attributes
    ----------
    layer : int
        Block, counted from 0.
    median, worst : float
        Relative error ||a - b|| / ||b|| of pooled residuals over texts.
    worst_text : str
        Id of the text that is furthest apart.
    cosine : float or None
        Smallest cosine between the two vectors of an emotion; None without emotion vectors.
    passed : bool
        Whether all of it is within the bounds.
    """

    layer: int
    median: float
    worst: float
    worst_text: str
    cosine: float | None
    passed: bool


@dataclass(frozen=True)
class Parity:
    """Comparison of two measurements.

    Attributes
    ----------
    a, b : str
        What was compared; b is the reference that errors are relative to.
    texts : int
        Texts compared.
    bounds : Bounds
        Of this comparison.
    layers : tuple of LayerParity
        Ascending.
    causes : tuple of str
        One line per known cause that a difference matches.
    passed : bool
        Whether every layer passed.
    first_apart : int or None
        First layer that did not pass.
    """

    a: str
    b: str
    texts: int
    bounds: Bounds
    layers: tuple[LayerParity, ...]
    causes: tuple[str, ...]
    passed: bool
    first_apart: int | None


def relative_errors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Relative error ||a - b|| / ||b|| over the last axis, in float64.

    Where both are zero the error is 0; where only b is, it is infinite.
    """
    wide = b.astype(np.float64)
    difference = np.linalg.norm(a.astype(np.float64) - wide, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = difference / np.linalg.norm(wide, axis=-1)
    return np.where(difference == 0, 0.0, ratio)


def compare(
    a: Sequence[Activations],
    b: Sequence[Activations],
    names: tuple[str, str],
    bounds: Bounds,
) -> Parity:
    """Compare two measurements of the same texts at the same layers.

    Parameters
    ----------
    a, b : sequence of Activations
        Kind by kind, the stories first; ids and layers agree.
    names : (str, str)
        What a and b are called.
    bounds : Bounds
        Of agreement.

    Raises
    ------
    EvmlxError
        If texts or layers differ.
    """
    for one, other in zip(a, b, strict=True):
        if one.ids != other.ids or one.layers != other.layers:
            raise EvmlxError(f"{names[0]} and {names[1]} do not hold the same texts and layers")
    errors = np.concatenate(
        [relative_errors(x.pooled, y.pooled) for x, y in zip(a, b, strict=True)]
    )
    ids = [text for part in a for text in part.ids]
    cosines = _vector_cosines(a[0], b[0])
    layers = [
        layer_parity(
            layer, errors[:, at], ids, bounds, None if cosines is None else float(cosines[at])
        )
        for at, layer in enumerate(a[0].layers)
    ]
    return concluded(names, len(ids), bounds, layers)


def layer_parity(
    layer: int, errors: np.ndarray, ids: Sequence[str], bounds: Bounds, cosine: float | None
) -> LayerParity:
    """Sum up the relative errors of the texts at one layer, and judge them.

    Parameters
    ----------
    layer : int
    errors : ndarray, shape (texts,)
    ids : sequence of str
        Of the texts.
    bounds : Bounds
    cosine : float or None
        Smallest cosine between the two vectors of an emotion.
    """
    furthest = int(errors.argmax())
    median, worst = float(np.median(errors)), float(errors[furthest])
    passed = median <= bounds.median and worst <= bounds.worst
    passed = passed and (cosine is None or cosine >= bounds.cosine)
    return LayerParity(layer, median, worst, ids[furthest], cosine, passed)


def concluded(
    names: tuple[str, str], texts: int, bounds: Bounds, layers: Sequence[LayerParity]
) -> Parity:
    """Put the layers' verdicts together, without causes yet."""
    apart = [entry.layer for entry in layers if not entry.passed]
    return Parity(
        a=names[0],
        b=names[1],
        texts=texts,
        bounds=bounds,
        layers=tuple(layers),
        causes=(),
        passed=not apart,
        first_apart=apart[0] if apart else None,
    )


def _vector_cosines(a: Activations, b: Activations) -> np.ndarray | None:
    """(layers,): smallest cosine over emotions; None with fewer than two emotions."""
    labels = [story.partition("/")[0] for story in a.ids]
    emotions = sorted(set(labels))
    if len(emotions) < 2:
        return None
    one, other = (emotion_vectors(x, labels, emotions, None).raw.astype(float) for x in (a, b))
    products = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosines: np.ndarray = ((one * other).sum(axis=-1) / products).min(axis=-1)
    return cosines


# Fields of run.json that must agree for two runs to be runs of the same thing.
SAME = ("model.revision", "corpus.digest")


def compare_runs(a: Path, b: Path) -> Parity:
    """Compare two finished run folders, without an engine.

    Parameters
    ----------
    a, b : Path
        Run folders; b is the reference.

    Raises
    ------
    EvmlxError
        If they are runs of different models or corpora, share no layer, or a file is missing.
    """
    records = [read_json(folder / "run.json") for folder in (a, b)]
    for name in SAME:
        values = [field(record, name) for record in records]
        if values[0] != values[1]:
            raise EvmlxError(
                f"{a} and {b} differ in {name} ({values[0]} and {values[1]}): parity is for "
                "runs of the same model on the same corpus"
            )
    if field(records[0], "stimuli") != field(records[1], "stimuli"):
        raise EvmlxError(
            f"{a} and {b} saw different token ids ({_tokens(a, b)}): known causes are special "
            "tokens that one tokenizer adds, and another chat template"
        )
    ours, theirs = _activations(a), _activations(b)
    kinds = [kind for kind in KINDS if kind in ours and kind in theirs]
    shared = sorted(set(ours[kinds[0]].layers) & set(theirs[kinds[0]].layers)) if kinds else []
    if not shared:
        raise EvmlxError(f"{a} and {b} have no layer in common")
    half = any(field(record, "dtype") != "float32" for record in records)
    return compare(
        [_at(ours[kind], shared) for kind in kinds],
        [_at(theirs[kind], shared) for kind in kinds],
        (str(a), str(b)),
        HALF if half else FULL,
    )


def _tokens(a: Path, b: Path) -> str:
    stories = [load_activations(folder / "activations.npz", "stories") for folder in (a, b)]
    if stories[0] is None or stories[1] is None or stories[0].ids != stories[1].ids:
        return "and different texts"
    more = stories[0].tokens.astype(int) - stories[1].tokens
    if more.min() == more.max() != 0:
        return (
            f"{abs(more[0])} {'more' if more[0] > 0 else 'fewer'} in every story of the first, as "
            "special tokens at the beginning or end would be"
        )
    return f"{more.min()} to {more.max()} tokens more in a story of the first"


def _activations(folder: Path) -> dict[str, Activations]:
    found = {kind: load_activations(folder / "activations.npz", kind) for kind in KINDS}
    return {kind: value for kind, value in found.items() if value is not None}


def _at(activations: Activations, layers: Sequence[int]) -> Activations:
    places = [activations.layers.index(layer) for layer in layers]
    return Activations(
        activations.ids, activations.tokens, tuple(layers), activations.pooled[:, places]
    )


def lines(parity: Parity) -> list[str]:
    """Put a comparison into lines for a reader."""
    bounds = parity.bounds
    shown = [
        f"{parity.a} against {parity.b}, {parity.texts} texts",
        "layer  median error  worst error  vectors' cosine",
    ]
    for entry in parity.layers:
        cosine = "-" if entry.cosine is None else f"{entry.cosine:.7f}"
        mark = "" if entry.passed else f"  apart ({entry.worst_text})"
        shown.append(
            f"{entry.layer:5d}  {entry.median:12.1e}  {entry.worst:11.1e}  {cosine:>15}{mark}"
        )
    shown.extend(f"known cause: {cause}" for cause in parity.causes)
    verdict = "pass" if parity.passed else f"fail, first at layer {parity.first_apart}"
    shown.append(
        f"{verdict} (bounds: median {bounds.median:g}, worst {bounds.worst:g}, "
        f"cosine {bounds.cosine:g})"
    )
    return shown
