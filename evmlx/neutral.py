"""Neutral components: the main directions of texts without affect, and their removal.

Knows nothing about emotions.
"""

from __future__ import annotations

import numpy as np

NEUTRAL_VARIANCE = 0.5
"""Share of the neutral dialogues' variance that the neutral components reach."""

VANISHING = 1e-6
"""Share of the mean residual norm below which a difference is float32 rounding, no direction."""


def neutral_components(
    residuals: np.ndarray, share: float = NEUTRAL_VARIANCE
) -> tuple[np.ndarray, float]:
    """Principal components of neutral texts: the fewest that reach a share of the variance.

    Parameters
    ----------
    residuals : ndarray, shape (texts, hidden)
        Pooled residuals of neutral texts; fewer than two leave nothing to take components of.
    share : float
        Share of the variance to reach.

    Returns
    -------
    basis : ndarray of float32, shape (k, hidden)
        Orthonormal rows, largest variance first.
    variance : float
        Share that the k components hold; NaN where k = 0.
    """
    none = np.zeros((0, residuals.shape[1]), np.float32)
    if len(residuals) < 2:
        return none, float("nan")
    centred = residuals - residuals.mean(axis=0, dtype=np.float64)
    # from the Gram matrix: far fewer texts than columns
    variances, left = np.linalg.eigh(centred @ centred.T)
    variances, left = np.clip(variances[::-1], 0, None), left[:, ::-1]
    # identical texts differ by rounding only, which has directions but no meaning
    if variances.sum() <= (VANISHING * np.linalg.norm(residuals)) ** 2:
        return none, float("nan")
    reached = np.cumsum(variances) / variances.sum()
    k = int(np.argmax(reached >= share - 1e-12)) + 1
    directions = left[:, :k].T @ centred
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions.astype(np.float32), float(reached[k - 1])


def project_out(residuals: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Remove the span of orthonormal rows.

    Parameters
    ----------
    residuals : ndarray, shape (..., hidden)
        What to project.
    basis : ndarray, shape (k, hidden)
        Orthonormal rows; k = 0 changes nothing.

    Returns
    -------
    ndarray of float64, shape (..., hidden)
        x - B'B x.
    """
    x = np.asarray(residuals, np.float64)
    b = np.asarray(basis, np.float64)
    return x - (x @ b.T) @ b
