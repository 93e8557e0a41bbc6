"""What the text alone gives away, against counts by hand and scikit-learn's own loop."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, cross_val_predict

from evmlx.textcontrol import (
    FUNCTION_WORDS,
    PUNCTUATION,
    function_word_features,
    style_features,
    style_pipeline,
    text_accuracies,
    tfidf_pipeline,
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


def test_style_features_by_hand() -> None:
    row = style_features(['"Don\'t go," she said. Half-past nine! Yes?'])[0]
    # Don't go she said | Half-past nine | Yes
    assert row[0] == 7
    assert row[1] == 3
    lengths, letters = [4, 2, 1], [5, 2, 3, 4, 9, 4, 3]
    assert row[2:6] == pytest.approx([np.mean(lengths), np.std(lengths), 1, 4])
    assert row[6:9] == pytest.approx([np.mean(letters), np.std(letters), 1 / 7])
    marks = dict(zip(PUNCTUATION, row[9:], strict=True))
    expected = {".": 1, ",": 1, "!": 1, "?": 1, "'": 1, '"': 2, "-": 1}
    assert marks == {mark: expected.get(mark, 0) for mark in PUNCTUATION}


def test_function_words_are_counted_per_hundred_words() -> None:
    row = function_word_features(["The dog and THE cat don\u2019t sit"])[0]
    found = {w: v for w, v in zip(FUNCTION_WORDS, row, strict=True) if v}
    assert found == pytest.approx({"the": 200 / 7, "and": 100 / 7, "don't": 100 / 7})
    assert len(set(FUNCTION_WORDS)) == len(FUNCTION_WORDS)


def test_features_take_no_texts_and_no_words() -> None:
    assert style_features([]).shape == (0, 9 + len(PUNCTUATION))
    assert function_word_features([]).shape == (0, len(FUNCTION_WORDS))
    assert np.isfinite(style_features(["...", ""])).all()
    assert np.isfinite(function_word_features(["...", ""])).all()


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
    variants = {
        "style": (style_pipeline(), style_features(texts)),
        "function words": (style_pipeline(), function_word_features(texts)),
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
    assert len(results) == 3
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
