"""Rank correlations over pairs of emotions, many matrices at once.

A similarity matrix is known by its values above the diagonal; Spearman's correlation of two
matrices is the inner product of their standardised ranks.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

FEWEST_EMOTIONS = 4
"""With three emotions there are three pairs and six permutations: nothing to correlate."""

_PIECE = 1 << 22  # numbers gathered at a time


def pair_ranks(matrices: np.ndarray) -> np.ndarray:
    """Ranks of the pairs above the diagonal, centred and scaled to length 1.

    Parameters
    ----------
    matrices : ndarray, shape (..., emotions, emotions)
        Symmetric.

    Returns
    -------
    ndarray of float64, shape (..., pairs)
        NaN where a matrix is constant or has a NaN; ties share their mean rank.
    """
    upper = np.triu_indices(matrices.shape[-1], 1)
    # cosines that differ by rounding only are ties
    values = np.round(matrices[..., upper[0], upper[1]], 12)
    ranks = rankdata(values, axis=-1, nan_policy="propagate")
    centred = ranks - ranks.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.asarray(centred / np.where(length > 0, length, np.nan))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's correlation of what `pair_ranks` returned, along the last axis."""
    return np.asarray(np.sum(a * b, axis=-1))


def permuted_correlations(a: np.ndarray, b: np.ndarray, permutations: np.ndarray) -> np.ndarray:
    """Correlate `a` with `b` under permutations of the emotions of `b` (Mantel 1967).

    Parameters
    ----------
    a, b : ndarray, shape (pairs,)
        Standardised values of pairs above the diagonal, row by row.
    permutations : ndarray of int, shape (P, emotions)

    Returns
    -------
    ndarray, shape (P,)

    References
    ----------
    Mantel (1967), "The detection of disease clustering and a generalized regression approach",
    Cancer Research 27.
    """
    emotions = permutations.shape[1]
    first, second = np.triu_indices(emotions, 1)
    square = np.zeros((emotions, emotions))
    square[first, second] = square[second, first] = b
    found = np.empty(len(permutations))
    piece = max(1, _PIECE // len(first))
    for start in range(0, len(permutations), piece):
        order = permutations[start : start + piece]
        found[start : start + piece] = square[order[:, first], order[:, second]] @ a
    return found
