"""Features less their scene's mean."""

from __future__ import annotations

import numpy as np
import pytest
from planted import planted
from sklearn.linear_model import LogisticRegression

from evmlx.folds import out_of_fold, scores_out_of_fold, standardised_logistic
from evmlx.textcontrol import TFIDF_C, term_counts, tfidf_pipeline
from evmlx.within_scene import scene_centred, scene_centred_tfidf, whole_scenes


def test_centring_takes_out_whatever_a_scene_shares_and_leaves_emotions_whole() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(5, 8))
    given = planted(directions, rng, topics=4, per_cell=3, noise=0)
    labels = np.array([given.emotions.index(label) for label in given.labels])
    scene_of, _ = whole_scenes(labels, given.scenes, 5)
    centred = scene_centred(given.stories.pooled[:, 0], scene_of)
    assert centred == pytest.approx((directions - directions.mean(axis=0))[labels], abs=1e-4)


def test_stories_of_no_whole_scene_are_left_as_they_are() -> None:
    values = np.arange(10.0).reshape(5, 2)
    centred = scene_centred(values, np.array([0, -1, 0, 1, 1]))
    assert centred.tolist() == [[-2, -2], [2, 3], [2, 2], [-1, -1], [1, 1]]
    assert values[0].tolist() == [0, 1]


def test_large_topics_hide_emotions_from_few_stories_and_not_from_centred_ones() -> None:
    rng = np.random.default_rng(1)
    width, strength = 40, 1.2
    given = planted(strength * rng.normal(size=(4, width)), rng, topics=10, per_cell=2)
    labels = np.array([given.emotions.index(label) for label in given.labels])
    topic = np.array([int(name[5:]) for name in given.topic_ids])
    residuals = given.stories.pooled[:, 0] + (15 * rng.normal(size=(10, width)))[topic]
    residuals = residuals.astype(np.float32)
    scene_of, _ = whole_scenes(labels, given.scenes, 4)

    def accuracy(rows: np.ndarray) -> float:
        predicted, _ = out_of_fold(topic % 5, standardised_logistic(rows, labels), parallel=True)
        return float((predicted == labels).mean())

    assert accuracy(residuals) < 0.6
    assert accuracy(scene_centred(residuals, scene_of)) > 0.9


def test_tfidf_within_scenes_is_the_pipeline_on_centred_rows() -> None:
    rng = np.random.default_rng(2)
    labels = np.tile(np.arange(4), 30)
    scenes = [f"s{k}" for k in np.arange(120) // 4]
    words = np.array([f"word{k}" for k in range(40)])
    own = [rng.choice(words, 8) for _ in range(30)]  # what the tellings of a scene share
    texts = [
        " ".join([*own[k // 4], *rng.choice(words[label * 4 : label * 4 + 9], 4)])
        for k, label in enumerate(labels)
    ]
    scene_of, _ = whole_scenes(labels, scenes, 4)
    fold_of = np.arange(120) // 12 % 5
    fit = scene_centred_tfidf(term_counts(texts), labels, scene_of)
    scores, unconverged = scores_out_of_fold(fold_of, fit, parallel=True)
    assert unconverged == 0
    for fold in range(5):
        training, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        vectorizer = tfidf_pipeline()[0].fit([texts[row] for row in training])
        rows = vectorizer.transform(texts).toarray()
        rows -= np.stack([rows[scene_of == scene].mean(axis=0) for scene in scene_of])
        model = LogisticRegression(C=TFIDF_C, tol=1e-6, max_iter=5000)
        expected = model.fit(rows[training], labels[training]).predict_log_proba(rows[test])
        assert scores[test] == pytest.approx(expected, abs=0.02)
        assert 0.3 < (expected.argmax(axis=1) == labels[test]).mean()
