"""What the text alone gives away, against counts by hand and scikit-learn's own loop."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evmlx.folds import scores_out_of_fold
from evmlx.style import function_word_features, style_features, style_rows
from evmlx.textcontrol import (
    term_counts,
    text_accuracies,
    tfidf_logistic,
    tfidf_pipeline,
    tfidf_rows,
)

WORDS = [
    "stone",
    "river",
    "lamp",
    "table",
    "orchard",
    "cart",
    "window",
    "ladder",
    "the",
    "of",
    "and",
]


def random_texts(rng: np.random.Generator, count: int) -> list[str]:
    return [" ".join(rng.choice(WORDS, 12)) + "." for _ in range(count)]


def test_planted_leaks_show_in_their_own_features() -> None:
    rng = np.random.default_rng(3)
    labels = ["a", "b"] * 60
    topics = [f"t{k // 12}" for k in range(120)]
    plain = random_texts(rng, 120)

    def measured(texts: list[str]) -> dict[str, float]:
        results = text_accuracies(texts, labels, topics, np.random.default_rng(0))
        assert all(result.accuracy is not None for result in results)
        return {result.features: result.accuracy or 0.0 for result in results}

    assert all(abs(value - 0.5) < 0.25 for value in measured(plain).values())
    # (which leak, what finds it, what cannot)
    marked = [t + "!" if label == "a" else t for t, label in zip(plain, labels, strict=True)]
    assert measured(marked)["style"] > 0.95
    assert measured(marked)["TF-IDF"] == measured(plain)["TF-IDF"]
    worded = [
        t.replace("stone", "grief") if label == "a" else t + " stone stone."
        for t, label in zip(plain, labels, strict=True)
    ]
    assert measured(worded)["TF-IDF"] > 0.95
    shifted = [
        f"{'because' if x == 'a' else 'although'} {t}" for t, x in zip(plain, labels, strict=True)
    ]
    assert measured(shifted)["function words"] > 0.95


def test_accuracies_are_those_of_scikit_learns_own_cross_validation() -> None:
    rng = np.random.default_rng(5)
    texts = random_texts(rng, 90)
    labels = rng.choice(["a", "b", "c"], 90).tolist()
    topics = [f"t{k % 9}" for k in range(90)]
    folds = GroupKFold(5)
    results = text_accuracies(texts, labels, topics, np.random.default_rng(0))
    standardised = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-6, max_iter=2000))
    variants = {
        "style": (standardised, style_features(texts)),
        "function words": (standardised, function_word_features(texts)),
        "all style": (standardised, style_rows(texts)),
        "TF-IDF": (tfidf_pipeline(), np.array(texts, dtype=object)),
    }
    for result in results:
        pipeline, features = variants[result.features]
        predicted = cross_val_predict(pipeline, features, labels, groups=topics, cv=folds)
        assert result.accuracy == pytest.approx(np.mean(predicted == np.array(labels)))
        assert result.chance == max(labels.count(x) for x in "abc") / 90
        assert result.low is not None and result.high is not None
        assert result.low <= np.mean(predicted == np.array(labels)) <= result.high


@pytest.mark.parametrize(
    ("topics", "reason"),
    [(["t"] * 8, "two topics"), (["t1", "t2"] * 4, 'all topics of "')],
)
def test_without_folds_there_is_a_reason_and_no_number(topics: list[str], reason: str) -> None:
    texts = random_texts(np.random.default_rng(0), 8)
    results = text_accuracies(texts, ["a", "b"] * 4, topics, np.random.default_rng(0))
    assert len(results) == 4
    for result in results:
        assert result.accuracy is None and result.low is None
        assert result.chance == 0.5
        assert result.reason is not None and reason in result.reason


def test_text_without_shared_words_has_no_word_classifier() -> None:
    texts = [f"word{k}" for k in range(12)]
    topics = [f"t{k // 2}" for k in range(12)]
    *others, tfidf = text_accuracies(texts, ["a", "b"] * 6, topics, np.random.default_rng(0))
    assert all(result.accuracy is not None for result in others)
    assert tfidf.accuracy is None
    assert tfidf.reason is not None and "two texts" in tfidf.reason


def test_terms_counted_once_give_the_vectorizer_of_each_fold() -> None:
    rng = np.random.default_rng(6)
    texts = [f"{text} only{k}" for k, text in enumerate(random_texts(rng, 40))]
    training = np.arange(0, 40, 2)
    words = tfidf_pipeline()[0].fit([texts[row] for row in training])
    found = tfidf_rows(term_counts(texts), training)
    assert found.toarray() == pytest.approx(words.transform(texts).toarray())


def test_scores_of_tfidf_are_those_of_its_pipeline() -> None:
    rng = np.random.default_rng(7)
    texts = random_texts(rng, 60)
    labels = np.arange(60) % 3
    labels[3] = 1  # unequal classes
    fold_of = np.arange(60) // 3 % 4
    fit = tfidf_logistic(term_counts(texts), labels)
    scores, unconverged = scores_out_of_fold(fold_of, fit, parallel=True)
    assert unconverged == 0
    for fold in range(4):
        test = np.flatnonzero(fold_of == fold)
        training = np.flatnonzero(fold_of != fold)
        pipeline = tfidf_pipeline().fit([texts[row] for row in training], labels[training])
        expected = pipeline.predict_log_proba([texts[row] for row in test])
        assert scores[test] == pytest.approx(expected)
