"""Scores of single texts: cosines of their residuals, centred, with the emotion vectors.

Knows nothing about what the texts are meant to say.
"""

from __future__ import annotations

import numpy as np

from evmlx.neutral import VANISHING, project_out
from evmlx.vectors import EmotionVectors, vanishing


def directions(vectors: EmotionVectors) -> np.ndarray:
    """Denoised vectors, with those that are zero but for rounding set to zero.

    Returns
    -------
    ndarray of float32, shape (layers, emotions, hidden)
    """
    return np.where(vanishing(vectors)[:, :, None], 0.0, vectors.denoised)


def cosines(residuals: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Cosine of each text with each vector.

    Parameters
    ----------
    residuals : ndarray of float64, shape (texts, hidden)
        Pooled residuals.
    vectors : ndarray, shape (emotions, hidden)
        Emotion vectors.

    Returns
    -------
    ndarray of float64, shape (texts, emotions)
        0 where either is zero.
    """
    ahead = np.asarray(vectors, np.float64)
    lengths = np.outer(np.linalg.norm(residuals, axis=1), np.linalg.norm(ahead, axis=1))
    return np.asarray((residuals @ ahead.T) / np.where(lengths > 0, lengths, 1.0))


def centred(residuals: np.ndarray, centre: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Residuals less a centre, with neutral components projected out.

    Parameters
    ----------
    residuals : ndarray, shape (texts, hidden)
        Pooled residuals.
    centre : ndarray, shape (hidden,)
        What the texts share, such as the stories' mean.
    basis : ndarray, shape (k, hidden)
        Neutral components, orthonormal rows.

    Returns
    -------
    ndarray of float64, shape (texts, hidden)
    """
    return project_out(np.asarray(residuals, np.float64) - centre, basis)


def alike(residuals: np.ndarray) -> bool:
    """Whether two or more residuals, shape (texts, hidden), differ by float32 rounding only."""
    if len(residuals) < 2:
        return False
    given = np.asarray(residuals, np.float64)
    apart = np.linalg.norm(given - given.mean(axis=0), axis=1).max()
    return bool(apart <= VANISHING * np.linalg.norm(given, axis=1).mean())
