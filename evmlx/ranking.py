"""Area under the ROC curve, one emotion against the rest, with an interval over topics.

Knows nothing about what gave the scores.
"""

from __future__ import annotations

import numpy as np

from evmlx.intervals import TopicBootstrap


def macro_auc_draws(
    scores: np.ndarray, labels: np.ndarray, fold_of: np.ndarray, bootstrap: TopicBootstrap
) -> tuple[float, np.ndarray]:
    """Mean over emotions of the AUC of out-of-fold scores.

    An emotion's AUC is the share of pairs (a story of it, a story of another emotion) in which
    the first has the higher score for it; ties count half. Pairs are of one fold, because scores
    of two classifiers are not on one scale.

    In a fold of m topics with AUC A, let topic t be part of a_t of the pairs won and of b_t of
    the pairs had, where pairs within t count twice. To first order it moves A by
    h_t = (a_t - A b_t) / pairs, and a draw with weights w by sum_t w_t h_t sqrt(m / (m - 1)). The
    root makes up for A having been computed from the same few topics. Counting pairs with the
    product of their stories' weights instead makes intervals too wide: within so small a fold
    the topics' contributions are not separate, and a topic drawn twice counts fourfold in pairs
    with itself.

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
    auc : float
        NaN where no fold has stories both of an emotion and of others.
    draws : ndarray, shape (draws,)
        Bootstrap draws of it, so that two classifiers of the same stories can be paired; NaN
        also where a fold has one topic only.

    References
    ----------
    Hanley and McNeil (1982), "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143. The first-order terms are those of DeLong, DeLong
    and Clarke-Pearson (1988), Biometrics 44, summed over clusters as by Obuchowski (1997),
    Biometrics 53.
    """
    topics = bootstrap.weights.shape[1]
    aucs, moves = [], np.zeros(topics)
    for emotion in range(scores.shape[1]):
        folds = [
            _fold_pairs(scores[:, emotion], labels == emotion, fold_of == fold, bootstrap.topic)
            for fold in np.unique(fold_of[fold_of >= 0])
        ]
        pairs = sum(had.sum() for _, had in folds)  # each counted twice, from either side
        if pairs == 0:
            continue
        aucs.append(sum(won.sum() for won, _ in folds) / pairs)
        for won, had in folds:
            if had.sum() > 0:
                units = (had > 0).sum()
                few = np.sqrt(units / (units - 1)) if units > 1 else np.nan
                apart = won - won.sum() / had.sum() * had
                moves += few * apart / (pairs / 2)
    if not aucs:
        return float("nan"), np.full(len(bootstrap.weights), np.nan)
    auc = float(np.mean(aucs))
    return auc, auc + bootstrap.weights @ (moves / len(aucs))


def auc_interval(draws: np.ndarray, bootstrap: TopicBootstrap) -> tuple[float, float]:
    """95% interval over topics of an AUC, from its draws; NaN where a draw is."""
    low, high = bootstrap.of_draws(draws)
    return max(low, 0.0), min(high, 1.0)


def _fold_pairs(
    scores: np.ndarray, own: np.ndarray, inside: np.ndarray, topic: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs won and had that each topic is part of, in one fold; those within it count twice."""
    topics = int(topic.max()) + 1
    first, second = np.flatnonzero(inside & own), np.flatnonzero(inside & ~own)
    wins = (scores[first][:, None] > scores[second]) + 0.5 * (
        scores[first][:, None] == scores[second]
    )
    won, had = np.zeros((2, topics))
    for rows, axis, others in ((first, 1, second), (second, 0, first)):
        won += np.bincount(topic[rows], weights=wins.sum(axis=axis), minlength=topics)
        had += np.bincount(topic[rows], minlength=topics) * float(len(others))
    return won, had
