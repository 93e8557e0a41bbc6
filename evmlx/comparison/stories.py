"""The grouped probe again, story by story, so that two runs can be paired.

Knows nothing about emotion vectors.
"""

from __future__ import annotations

import numpy as np

from evmlx.comparison.read import Stories
from evmlx.folds import grouped_folds, missing_in_training, out_of_fold, standardised_logistic
from evmlx.probe import FOLDS


def probe_folds(
    stories: Stories, emotions: tuple[str, ...], seed: int
) -> tuple[np.ndarray | None, str | None]:
    """Deal topics to folds: the same for every run on a corpus.

    Returns
    -------
    fold_of : ndarray of int, shape (N,), or None
    reason : str or None
        Why there are none.
    """
    topics = len(set(stories.topic_ids))
    if len(emotions) < 2:
        return None, "fewer than two emotions: there is nothing to tell apart"
    if topics < FOLDS:
        return None, f"too few topics ({topics}) for {FOLDS} folds"
    fold_of = grouped_folds(stories.topic_ids, FOLDS, np.random.default_rng([seed, 0]))
    untrained = missing_in_training(_labels(stories, emotions), fold_of)
    if untrained is not None:
        return None, f"all topics of {emotions[untrained[1]]!r} are held out together"
    return fold_of, None


def right_out_of_fold(
    stories: Stories, emotions: tuple[str, ...], fold_of: np.ndarray
) -> np.ndarray:
    """Which stories the grouped probe gets right when their topic is held out.

    The probe of `evmlx.probe`: multinomial logistic regression, C = 1, standardised inside the
    fold.

    Returns
    -------
    ndarray of bool, shape (N,)
    """
    labels = _labels(stories, emotions)
    fit = standardised_logistic(stories.pooled, labels)
    predicted, _ = out_of_fold(fold_of, fit, parallel=True)
    return np.asarray(predicted == labels)


def _labels(stories: Stories, emotions: tuple[str, ...]) -> np.ndarray:
    row = {emotion: at for at, emotion in enumerate(emotions)}
    return np.array([row[emotion] for emotion in stories.emotions], np.int64)
