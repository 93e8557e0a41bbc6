"""Emotion vectors: differences of mean pooled residuals, with neutral components taken out.

Knows nothing about models, clusters or what the vectors are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.neutral import VANISHING, neutral_components, project_out
from evmlx.store import Activations, read_npz, write_npz

RAW_FILE = "raw_vectors.npz"
DENOISED_FILE = "denoised_vectors.npz"
NEUTRAL_FILE = "neutral_components.npz"


@dataclass(frozen=True)
class EmotionVectors:
    """Emotion vectors of one run.

    Attributes
    ----------
    emotions : tuple of str
        In the order of the corpus.
    layers : tuple of int
        Ascending.
    raw : ndarray of float32, shape (layers, emotions, hidden)
        Mean of an emotion's stories minus the mean over emotions of those means.
    denoised : ndarray of float32, shape (layers, emotions, hidden)
        `raw` with the neutral components projected out.
    neutral_basis : tuple of ndarray of float32, each (k, hidden)
        Per layer, orthonormal rows; k = 0 where there is no neutral dialogue.
    neutral_variance : tuple of float
        Per layer, the share of the dialogues' variance that the basis holds; NaN where k = 0.
    story_mean : ndarray of float32, shape (layers, hidden)
        Mean over emotions of the emotions' means.
    residual_norm : ndarray of float64, shape (layers,)
        Mean norm of the stories' pooled residuals.
    stories : tuple of int
        Stories of each emotion.
    """

    emotions: tuple[str, ...]
    layers: tuple[int, ...]
    raw: np.ndarray
    denoised: np.ndarray
    neutral_basis: tuple[np.ndarray, ...]
    neutral_variance: tuple[float, ...]
    story_mean: np.ndarray
    residual_norm: np.ndarray
    stories: tuple[int, ...]


def emotion_vectors(
    stories: Activations,
    labels: Sequence[str],
    emotions: Sequence[str],
    dialogues: Activations | None,
) -> EmotionVectors:
    """Compute emotion vectors from pooled residuals.

    With r(s) the pooled residual of a story, m_e the mean of r over the stories of emotion e
    and m the mean of m_e over emotions, the raw vector is v_e = m_e - m. The mean over
    emotions, not over stories, keeps an unbalanced corpus from leaning on its larger emotions.
    The denoised vector is v_e - B'B v_e, with B the neutral components (see
    `evmlx.neutral`).

    Parameters
    ----------
    stories : Activations
        N stories; sums are taken in float64 one emotion and layer at a time.
    labels : sequence of str, length N
        Emotion of each story.
    emotions : sequence of str
        Emotions to compute, in the order wanted.
    dialogues : Activations or None
        Neutral dialogues at the same layers; None or empty leaves the vectors unprojected.

    Returns
    -------
    EmotionVectors

    Raises
    ------
    EvmlxError
        If an emotion has no story, or a pooled residual is not finite.

    References
    ----------
    Sofroniew et al. (2026), "Emotion Concepts and their Function in a Large Language Model",
    Transformer Circuits.
    """
    rows = _rows_by_emotion(labels, emotions)
    width = stories.pooled.shape[2]
    raw = np.empty((len(stories.layers), len(emotions), width), np.float32)
    denoised = np.empty_like(raw)
    story_mean = np.empty((len(stories.layers), width), np.float32)
    residual_norm = np.empty(len(stories.layers))
    bases: list[np.ndarray] = []
    variances: list[float] = []
    for at, layer in enumerate(stories.layers):
        means, residual_norm[at] = _emotion_means(stories, at, rows)
        centre = means.mean(axis=0)
        neutral = _neutral_residuals(dialogues, layer, width)
        basis, variance = neutral_components(neutral)
        raw[at] = means - centre
        denoised[at] = project_out(means - centre, basis)
        story_mean[at] = centre
        bases.append(basis)
        variances.append(variance)
    return EmotionVectors(
        emotions=tuple(emotions),
        layers=tuple(stories.layers),
        raw=raw,
        denoised=denoised,
        neutral_basis=tuple(bases),
        neutral_variance=tuple(variances),
        story_mean=story_mean,
        residual_norm=residual_norm,
        stories=tuple(len(found) for found in rows),
    )


def vanishing(vectors: EmotionVectors) -> np.ndarray:
    """Which denoised vectors are zero but for rounding, and so have no direction.

    Returns
    -------
    ndarray of bool, shape (layers, emotions)
    """
    lengths = np.linalg.norm(vectors.denoised.astype(np.float64), axis=2)
    scale = np.nan_to_num(vectors.residual_norm)[:, None]
    return np.asarray(lengths <= VANISHING * scale)


def save_vectors(folder: Path, vectors: EmotionVectors) -> None:
    """Write `raw_vectors.npz`, `denoised_vectors.npz` and `neutral_components.npz`.

    Vectors are stored under ``layer_<l>__<emotion>``, the keys of emotion-vector-bench.
    """
    for name, values in ((RAW_FILE, vectors.raw), (DENOISED_FILE, vectors.denoised)):
        write_npz(
            folder / name,
            {
                f"layer_{layer}__{emotion}": values[at, row]
                for at, layer in enumerate(vectors.layers)
                for row, emotion in enumerate(vectors.emotions)
            },
        )
    neutral = {"stories": np.array(vectors.stories, np.int64)}
    for at, layer in enumerate(vectors.layers):
        neutral[f"layer_{layer}__basis"] = vectors.neutral_basis[at]
        neutral[f"layer_{layer}__variance"] = np.array(vectors.neutral_variance[at])
        neutral[f"layer_{layer}__story_mean"] = vectors.story_mean[at]
        neutral[f"layer_{layer}__residual_norm"] = np.array(vectors.residual_norm[at])
    write_npz(folder / NEUTRAL_FILE, neutral)


def load_vectors(folder: Path) -> EmotionVectors:
    """Read what `save_vectors` wrote; equal to the last bit.

    Raises
    ------
    EvmlxError
        If a file is missing or damaged, or the three do not belong together.
    """
    emotions, layers, raw = read_vector_file(folder / RAW_FILE)
    denoised_emotions, denoised_layers, denoised = read_vector_file(folder / DENOISED_FILE)
    neutral = read_npz(folder / NEUTRAL_FILE)
    together = (emotions, layers, raw.shape) == (denoised_emotions, denoised_layers, denoised.shape)
    if not together or any(f"layer_{layer}__basis" not in neutral for layer in layers):
        raise EvmlxError(
            f"{folder}: {RAW_FILE}, {DENOISED_FILE} and {NEUTRAL_FILE} differ in layers or "
            "emotions: delete the three and run the vectors stage again"
        )
    return EmotionVectors(
        emotions=emotions,
        layers=layers,
        raw=raw,
        denoised=denoised,
        neutral_basis=tuple(neutral[f"layer_{layer}__basis"] for layer in layers),
        neutral_variance=tuple(float(neutral[f"layer_{layer}__variance"]) for layer in layers),
        story_mean=np.stack([neutral[f"layer_{layer}__story_mean"] for layer in layers]),
        residual_norm=np.array([neutral[f"layer_{layer}__residual_norm"] for layer in layers]),
        stories=tuple(int(count) for count in neutral["stories"]),
    )


def read_vector_file(path: Path) -> tuple[tuple[str, ...], tuple[int, ...], np.ndarray]:
    """Read vectors stored under ``layer_<l>__<emotion>``, ours or emotion-vector-bench's.

    Returns
    -------
    emotions : tuple of str
        In the order of the file.
    layers : tuple of int
        Ascending as numbers.
    vectors : ndarray, shape (layers, emotions, hidden)

    Raises
    ------
    EvmlxError
        If the file is missing or damaged, or a layer lacks an emotion that another has.
    """
    arrays = read_npz(path)
    keys = [key.split("__", 1) for key in arrays]
    emotions = tuple(dict.fromkeys(key[-1] for key in keys))
    try:
        layers = tuple(sorted({int(key[0].removeprefix("layer_")) for key in keys}))
        vectors = [[arrays[f"layer_{layer}__{e}"] for e in emotions] for layer in layers]
        return emotions, layers, np.array(vectors)
    except (KeyError, ValueError) as error:
        raise EvmlxError(
            f"{path}: not one vector layer_<l>__<emotion> for each layer and emotion ({error}): "
            "delete it and run the vectors stage again"
        ) from error


def _rows_by_emotion(labels: Sequence[str], emotions: Sequence[str]) -> list[np.ndarray]:
    given = np.asarray(labels)
    rows = [np.flatnonzero(given == emotion) for emotion in emotions]
    for emotion, found in zip(emotions, rows, strict=True):
        if found.size == 0:
            raise EvmlxError(
                f"emotion {emotion!r} has no story: add stories for it or take it out of "
                "emotions.json"
            )
    return rows


def _emotion_means(
    stories: Activations, at: int, rows: Sequence[np.ndarray]
) -> tuple[np.ndarray, float]:
    """Mean residual of each emotion at one layer, and the mean norm over all their stories."""
    means = np.empty((len(rows), stories.pooled.shape[2]))
    norms = 0.0
    for e, found in enumerate(rows):
        residuals = stories.pooled[found, at].astype(np.float64)
        lengths = np.linalg.norm(residuals, axis=1)
        if not np.isfinite(lengths).all():
            text = stories.ids[int(found[np.argmin(np.isfinite(lengths))])]
            raise EvmlxError(
                f"the pooled residual of {text} at layer {stories.layers[at]} is not finite: "
                "extract again with another dtype"
            )
        means[e] = residuals.mean(axis=0)
        norms += float(lengths.sum())
    return means, norms / sum(len(found) for found in rows)


def _neutral_residuals(dialogues: Activations | None, layer: int, width: int) -> np.ndarray:
    if dialogues is None or len(dialogues.ids) == 0:
        return np.zeros((0, width))
    return np.asarray(dialogues.pooled[:, dialogues.layers.index(layer)])
