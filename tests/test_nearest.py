"""Nearest emotion vectors, against scikit-learn and the vectors that a run reports."""

from __future__ import annotations

import numpy as np
from planted import activations, planted
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestCentroid

from evmlx.folds import out_of_fold, scores_out_of_fold
from evmlx.nearest import nearest_vector, nearest_words
from evmlx.neutral import project_out
from evmlx.textcontrol import term_counts
from evmlx.vectors import emotion_vectors


def test_scores_are_cosines_with_the_vectors_of_the_training_stories() -> None:
    rng = np.random.default_rng(0)
    given = planted(2 * rng.normal(size=(4, 30)), rng, topics=6, per_cell=2)
    labels = np.array([given.emotions.index(label) for label in given.labels])
    fold_of = np.array([int(topic[5:]) % 3 for topic in given.topic_ids])
    residuals = given.stories.pooled[:, 0]
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    basis = vectors.neutral_basis[0]
    assert len(basis) > 0
    fit = nearest_vector(residuals, labels, basis)
    scores, unconverged = scores_out_of_fold(fold_of, fit, parallel=True)
    assert unconverged == 0
    for fold in range(3):
        known = np.flatnonzero(fold_of != fold)
        trained = emotion_vectors(
            activations(given.stories.pooled[known], (3,), "story"),
            [given.labels[row] for row in known],
            given.emotions,
            given.dialogues,
        )
        test = residuals[fold_of == fold] - trained.story_mean[0].astype(float)
        expected = cosine_similarity(project_out(test, basis), trained.denoised[0])
        assert np.allclose(scores[fold_of == fold], expected, atol=1e-5)


def test_unit_length_data_give_scikit_learns_nearest_centroid() -> None:
    # with means of equal length about the origin, the largest cosine is the least distance
    rng = np.random.default_rng(1)
    centres = np.linalg.qr(rng.normal(size=(12, 12)))[0][:4]
    centres = np.vstack([centres, -centres])
    noise = 0.25 * rng.normal(size=(6, 12))
    noise = np.vstack([noise, -noise])  # every emotion has its centre for a mean, exactly
    labels = np.repeat(np.arange(8), 12)
    known = (centres[:, None] + noise).reshape(-1, 12)
    test = centres[labels] + 0.4 * rng.normal(size=(96, 12))
    rows = np.vstack([known, test]).astype(np.float32)
    fold_of = np.repeat([0, 1], 96)
    predicted, _ = out_of_fold(
        fold_of, nearest_vector(rows, np.tile(labels, 2), None), parallel=False
    )
    expected = NearestCentroid().fit(known, labels).predict(test)
    assert 0.3 < (expected == labels).mean() < 1
    assert (predicted[96:] == expected).mean() > 0.98


def test_neutral_components_are_taken_out_of_both_sides() -> None:
    rng = np.random.default_rng(2)
    labels = np.tile([0, 1], 40)
    rows = np.zeros((80, 3), np.float32)
    rows[:, 1] = np.where(labels == 0, 1, -1)
    rows += 0.1 * rng.normal(size=rows.shape)
    rows[:, 0] = 50 * rng.normal(size=80)  # large, and says nothing
    fold_of = np.arange(80) // 2 % 4
    basis = np.array([[1.0, 0, 0]])
    denoised = out_of_fold(fold_of, nearest_vector(rows, labels, basis), parallel=False)[0]
    raw = out_of_fold(fold_of, nearest_vector(rows, labels, None), parallel=False)[0]
    assert (denoised == labels).all()
    assert (raw == labels).mean() < 0.75


def test_equal_residuals_have_no_direction_and_no_warning() -> None:
    rows = np.ones((8, 3), np.float32)
    fit = nearest_vector(rows, np.tile([0, 1], 4), None)
    assert (scores_out_of_fold(np.arange(8) // 4, fit, parallel=False)[0] == 0).all()


def test_words_are_scored_by_cosines_with_the_means_of_the_training_texts() -> None:
    rng = np.random.default_rng(5)
    words = np.array(["sea", "road", "rain", "lamp", "door", "bread", "bell", "stone"])
    labels = np.repeat(np.arange(3), 12)
    texts = [" ".join(rng.choice(words[label : label + 6], 7)) for label in labels]
    fold_of = np.arange(36) % 3
    scores, _ = scores_out_of_fold(
        fold_of, nearest_words(term_counts(texts), labels), parallel=False
    )
    for fold in range(3):
        known = np.flatnonzero(fold_of != fold)
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        rows = vectorizer.fit_transform([texts[row] for row in known]).toarray()
        means = np.stack([rows[labels[known] == e].mean(axis=0) for e in range(3)])
        centre = means.mean(axis=0)
        test = vectorizer.transform([texts[row] for row in np.flatnonzero(fold_of == fold)])
        expected = cosine_similarity(test.toarray() - centre, means - centre)
        assert np.allclose(scores[fold_of == fold], expected)
