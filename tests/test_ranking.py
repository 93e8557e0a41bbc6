"""Macro AUC, against scikit-learn and a loop over pairs."""

from __future__ import annotations

import numpy as np
import pytest
from aucs import macro_auc
from sklearn.metrics import roc_auc_score

from evmlx.intervals import TopicBootstrap, expanded_interval


def scored(
    rng: np.random.Generator, topics: int, emotions: int, per_cell: int, signal: float
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    labels = np.tile(np.repeat(np.arange(emotions), per_cell), topics)
    scores = rng.normal(size=(len(labels), emotions)) + signal * np.eye(emotions)[labels]
    return (
        np.round(scores, 1),
        labels,
        [f"t{k}" for k in np.arange(len(labels)) * topics // len(labels)],
    )


def test_one_fold_is_scikit_learns_macro_auc() -> None:
    rng = np.random.default_rng(0)
    scores, labels, topics = scored(rng, 5, 4, 3, 0.8)  # rounded: with ties
    bootstrap = TopicBootstrap(topics, 50, rng)
    auc, low, high = macro_auc(scores, labels, np.zeros(60, int), bootstrap)
    each = [roc_auc_score(labels == e, scores[:, e]) for e in range(4)]
    assert auc == pytest.approx(np.mean(each))
    assert low < auc < high


def test_pairs_are_of_one_fold() -> None:
    rng = np.random.default_rng(1)
    scores, labels, topics = scored(rng, 6, 3, 4, 0.8)
    fold_of = np.array([int(topic[1:]) % 3 for topic in topics])
    bootstrap = TopicBootstrap(topics, 20, rng)
    inside = [
        roc_auc_score(labels[fold_of == f] == e, scores[fold_of == f, e])
        for f in range(3)
        for e in range(3)
    ]
    assert macro_auc(scores, labels, fold_of, bootstrap)[0] == pytest.approx(np.mean(inside))
    shifted = scores + 100 * fold_of[:, None]
    assert macro_auc(shifted, labels, fold_of, bootstrap) == macro_auc(
        scores, labels, fold_of, bootstrap
    )


def test_draws_follow_the_slope_of_reweighted_pairs() -> None:
    rng = np.random.default_rng(2)
    scores, labels, topics = scored(rng, 6, 3, 2, 0.5)
    fold_of = np.array([int(topic[1:]) % 2 for topic in topics])
    bootstrap = TopicBootstrap(topics, 300, rng)

    def reweighted(weights: np.ndarray, fold: int) -> float:
        each = []
        for e in range(3):
            won = had = 0.0
            for i in np.flatnonzero((labels == e) & (fold_of == fold)):
                for j in np.flatnonzero((labels != e) & (fold_of == fold)):
                    pair = weights[bootstrap.topic[i]] * weights[bootstrap.topic[j]]
                    better, same = scores[i, e] > scores[j, e], scores[i, e] == scores[j, e]
                    won += pair * (better + same / 2)
                    had += pair
            each.append(won / had)
        return float(np.mean(each))

    auc = np.mean([reweighted(np.ones(6), fold) for fold in range(2)])  # folds of equal size
    slope = np.zeros(6)
    for step in 1e-4 * np.eye(6):
        ahead, behind = (
            [reweighted(1 + sign * step, fold) for fold in range(2)] for sign in (1, -1)
        )
        slope += np.sqrt(3 / 2) * step / 1e-4 * (np.mean(ahead) - np.mean(behind)) / 2e-4
    drawn = expanded_interval(auc + (bootstrap.weights - 1) @ slope, 6)
    assert macro_auc(scores, labels, fold_of, bootstrap) == pytest.approx((auc, *drawn))


def test_left_out_stories_do_not_count() -> None:
    rng = np.random.default_rng(3)
    scores, labels, topics = scored(rng, 4, 3, 2, 0.5)
    fold_of = np.where(np.arange(24) % 5 == 0, -1, 0)
    blanked = np.where(fold_of[:, None] < 0, np.nan, scores)
    kept = fold_of >= 0
    expected = [roc_auc_score(labels[kept] == e, scores[kept, e]) for e in range(3)]
    auc = macro_auc(blanked, labels, fold_of, TopicBootstrap(topics, 10, rng))[0]
    assert auc == pytest.approx(np.mean(expected))


def test_folds_of_one_emotion_each_have_no_pairs() -> None:
    labels = np.repeat([0, 1], 4)
    bootstrap = TopicBootstrap(["a", "b"] * 4, 10, np.random.default_rng(0))
    assert np.isnan(macro_auc(np.ones((8, 2)), labels, labels, bootstrap)).all()


def test_a_fold_of_one_topic_has_a_figure_and_no_interval() -> None:
    rng = np.random.default_rng(4)
    scores, labels, topics = scored(rng, 3, 3, 2, 0.5)
    fold_of = np.array([int(topic[1:]) for topic in topics])
    auc, low, high = macro_auc(scores, labels, fold_of, TopicBootstrap(topics, 20, rng))
    assert 0.5 < auc < 1
    assert np.isnan([low, high]).all()
