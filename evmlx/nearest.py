"""Nearest emotion vector: a classifier of stories that fits nothing but means.

The vectors are those of `evmlx.vectors`, computed from the training stories alone; beside them
stand the same means of word counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evmlx.folds import Fit, spread
from evmlx.neutral import project_out
from evmlx.text_scores import cosines
from evmlx.textcontrol import tfidf_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def nearest_vector(residuals: np.ndarray, labels: np.ndarray, basis: np.ndarray | None) -> Fit:
    """Take the emotion whose vector has the largest cosine with the story.

    With m_e the mean of the training stories of e, m the mean of m_e over emotions and P the
    projection that takes neutral components out, an emotion's score for a story r is the cosine
    of P (r - m) with P (m_e - m).

    Parameters
    ----------
    residuals : ndarray of float32, shape (N, hidden)
        Pooled residuals at one layer.
    labels : ndarray of int, shape (N,)
        Emotion of each story.
    basis : ndarray, shape (k, hidden), or None
        Neutral components, which come from other texts; None leaves them in.

    Returns
    -------
    callable
        For `evmlx.folds.scores_out_of_fold`; its scores are cosines, 0 for a vector or a story
        without direction.
    """
    count = int(labels.max(initial=-1)) + 1
    neutral = np.zeros((0, residuals.shape[1])) if basis is None else basis

    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        """Average some rows, compare others."""
        classes = np.unique(labels[training])
        means = np.stack(
            [
                residuals[training[labels[training] == e]].mean(axis=0, dtype=np.float64)
                for e in classes
            ]
        )
        centre = means.mean(axis=0)
        vectors = project_out(means - centre, neutral)
        stories = project_out(residuals[test] - centre, neutral)
        return spread(cosines(stories, vectors), classes, count), True

    return fit


def nearest_words(counts: csr_array, labels: np.ndarray) -> Fit:
    """Do with word counts what `nearest_vector` does with residuals.

    An emotion's score for a story x is the cosine of x - m with m_e - m, all of them TF-IDF rows
    whose terms and weights are those of the training stories.

    Parameters
    ----------
    counts : csr_array, shape (N, terms)
        From `evmlx.textcontrol.term_counts`.
    labels : ndarray of int, shape (N,)
        Emotion of each story.

    Returns
    -------
    callable
        For `evmlx.folds.scores_out_of_fold`.
    """
    count = int(labels.max(initial=-1)) + 1

    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        """Average the rows of some texts, compare others."""
        rows = tfidf_rows(counts, training)
        classes = np.unique(labels[training])
        means = np.stack([_mean(rows[training[labels[training] == e]]) for e in classes])
        centre = means.mean(axis=0)
        vectors = means - centre
        # (x - m) v without making x dense, which has as many columns as there are terms
        told = rows[test]
        products = told @ vectors.T - centre @ vectors.T
        squares = np.asarray(told.multiply(told).sum(axis=1)).ravel()
        lengths = np.sqrt(np.maximum(squares - 2 * (told @ centre) + centre @ centre, 0))
        product = np.outer(lengths, np.linalg.norm(vectors, axis=1))
        scores = np.asarray(products / np.where(product > 0, product, 1.0))
        return spread(scores, classes, count), True

    return fit


def _mean(rows: csr_array) -> np.ndarray:
    return np.asarray(rows.mean(axis=0)).ravel()
