"""Area under the ROC curve, one emotion against the rest, with an interval over topics.

Knows nothing about what gave the scores.
"""

from __future__ import annotations

import numpy as np

from evmlx.intervals import TopicBootstrap


def macro_auc(
    scores: np.ndarray, labels: np.ndarray, fold_of: np.ndarray, bootstrap: TopicBootstrap
) -> tuple[float, float, float]:
    """Mean over emotions of the AUC of out-of-fold scores.

    An emotion's AUC is the share of pairs (a story of it, a story of another emotion) in which
    the first has the higher score for it; ties count half. Pairs are of one fold, because scores
    of two classifiers are not on one scale. Under weights w of the topics a pair counts with the
    product of its stories' weights, so that draws are quadratic forms w'Aw / w'Bw in the pairs
    won and had between topics.

    Parameters
    ----------
    scores : ndarray, shape (N, emotions)
        NaN where a story is left out.
    labels : ndarray of int, shape (N,)
    fold_of : ndarray of int, shape (N,)
        -1 where a story is left out.
    bootstrap : TopicBootstrap
        Of the same N stories.

    Returns
    -------
    auc, low, high : float
        NaN where no fold has stories both of an emotion and of others; the bounds also where a
        draw of topics has none.

    References
    ----------
    Hanley and McNeil (1982), "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143.
    """
    topics = bootstrap.weights.shape[1]
    emotions = scores.shape[1]
    won, had = np.zeros((2, emotions, topics, topics))
    for fold in np.unique(fold_of[fold_of >= 0]):
        inside = np.flatnonzero(fold_of == fold)
        for emotion in np.unique(labels[inside]):
            own = inside[labels[inside] == emotion]
            rest = inside[labels[inside] != emotion]
            member = np.eye(topics)[bootstrap.topic[own]]
            other = np.eye(topics)[bootstrap.topic[rest]]
            first, second = scores[own, emotion][:, None], scores[rest, emotion]
            wins = (first > second) + 0.5 * (first == second)
            won[emotion] += member.T @ wins @ other
            had[emotion] += np.outer(member.sum(axis=0), other.sum(axis=0))
    present = had.sum(axis=(1, 2)) > 0
    if not present.any():
        return float("nan"), float("nan"), float("nan")
    won, had = won[present], had[present]
    auc = float((won.sum(axis=(1, 2)) / had.sum(axis=(1, 2))).mean())
    drawn = _forms(bootstrap.weights, had)
    draws = _forms(bootstrap.weights, won) / np.where(drawn > 0, drawn, np.nan)
    return auc, *bootstrap.of_draws(draws.mean(axis=1))


def _forms(weights: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """W'Mw for each row of weights (draws, topics) and matrix (emotions, topics, topics)."""
    return np.stack([((weights @ m) * weights).sum(axis=1) for m in matrices], axis=1)
