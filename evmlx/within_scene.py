"""Which telling of a scene is this? Features less their mean over the scene's tellings.

A scene's tellings share topic, person, place and event; the difference from their mean has none
of it. Labels do not enter the mean: only scenes told once for every emotion are used, whose mean
favours none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.sparse import csr_array

from evmlx.folds import Fit
from evmlx.textcontrol import text_logistic, tfidf_rows

JITTER = 1e-10
"""Added to the diagonal of inner products, which centring leaves singular."""


def whole_scenes(
    labels: np.ndarray, scenes: Sequence[str | None] | None, emotions: int
) -> tuple[np.ndarray, str | None]:
    """Number the scenes that are told exactly once for every emotion.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        Emotion of each story.
    scenes : sequence of str or None, length N, or None
        Scene of each story.
    emotions : int
        Number of emotions.

    Returns
    -------
    scene_of : ndarray of int, shape (N,)
        -1 for stories of no such scene.
    reason : str or None
        Why there are none.
    """
    scene_of = np.full(len(labels), -1)
    if scenes is None or all(scene is None for scene in scenes):
        return scene_of, "the corpus declares no scenes: tellings cannot be compared"
    rows_of: dict[str, list[int]] = {}
    for row, scene in enumerate(scenes):
        if scene is not None:
            rows_of.setdefault(scene, []).append(row)
    number = 0
    for rows in rows_of.values():
        if len(rows) == emotions and len(set(labels[rows])) == emotions:
            scene_of[rows] = number
            number += 1
    if number == 0:
        return scene_of, "no scene is told exactly once for every emotion"
    return scene_of, None


def scene_centred(values: np.ndarray, scene_of: np.ndarray) -> np.ndarray:
    """Subtract each scene's mean over its tellings.

    Parameters
    ----------
    values : ndarray, shape (N, columns)
    scene_of : ndarray of int, shape (N,)
        From `whole_scenes`; rows of -1 are left as they are.

    Returns
    -------
    ndarray, shape (N, columns), of the dtype of `values`
    """
    centred = values.copy()
    kept = np.flatnonzero(scene_of >= 0)
    tellings = kept[np.argsort(scene_of[kept], kind="stable")]
    tellings = tellings.reshape(int(scene_of.max()) + 1, -1)  # whole scenes are of one size
    for rows in tellings:
        centred[rows] -= values[rows].mean(axis=0, dtype=np.float64).astype(values.dtype)
    return centred


def scene_centred_tfidf(counts: csr_array, labels: np.ndarray, scene_of: np.ndarray) -> Fit:
    """TF-IDF logistic regression on rows less their scene's mean.

    Vocabulary and weights come from the training stories. Centred rows have no zeros left, so
    they are replaced by coordinates with the same inner products, which is the same to a
    classifier with a quadratic penalty: rows of the Cholesky factor of the training stories'
    inner products.

    Parameters
    ----------
    counts : csr_array, shape (N, terms)
        From `evmlx.textcontrol.term_counts`.
    labels, scene_of : ndarray of int, shape (N,)

    Returns
    -------
    callable
        For `evmlx.folds.scores_out_of_fold`.
    """

    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        """Train on some rows, score others."""
        weights = tfidf_rows(counts, training)
        inner = scene_centred(_inner_products(weights), scene_of)
        inner = scene_centred(np.ascontiguousarray(inner.T), scene_of)
        known = inner[np.ix_(training, training)]
        known[np.diag_indices_from(known)] += JITTER
        factor = cholesky(known, lower=True, overwrite_a=True)
        others = solve_triangular(factor, inner[np.ix_(training, test)], lower=True).T
        known, others = factor.astype(np.float32), others.astype(np.float32)
        return text_logistic(known, labels[training], others, int(labels.max()) + 1)

    return fit


def _inner_products(rows: csr_array) -> np.ndarray:
    """Inner products of all rows; terms of many texts are multiplied as a dense matrix."""
    often = np.bincount(rows.indices, minlength=rows.shape[1]) > 50
    dense, rare = rows[:, np.flatnonzero(often)].toarray(), rows[:, np.flatnonzero(~often)]
    return np.asarray(dense @ dense.T + (rare @ rare.T).toarray())
