"""The words alone on new texts: the same construction, with scikit-learn's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from evmlx.corpus import Scenario
from evmlx.implicit_words import gain_over_words, words_battery

EMOTIONS = ("weary", "joyful", "furious")
WORDS = {"weary": "sleep bed slow", "joyful": "sun dance song", "furious": "shout slam door"}


def told(targets: list[str], mixed: str = "") -> list[Scenario]:
    return [
        Scenario(f"t{i}", "situation", target, (), f"{WORDS[target]} the day {mixed}")
        for i, target in enumerate(targets)
    ]


STORIES = [f"{WORDS[e]} the day went on {k % 3}" for e in EMOTIONS for k in range(4)]
LABELS = [e for e in EMOTIONS for _ in range(4)]


def test_words_that_tell_the_emotion_are_found() -> None:
    found = words_battery(told(["weary", "joyful", "furious"]), STORIES, LABELS, EMOTIONS, 0)
    assert found.rank == (1, 1, 1)
    assert found.centred is not None and found.centred.top1 == 1


def test_scores_are_cosines_of_centred_class_means() -> None:
    texts = told(["weary", "joyful", "furious", "weary"], "slam sun sun sleep")
    found = words_battery(texts, STORIES, LABELS, EMOTIONS, 0)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    rows = vectorizer.fit_transform(STORIES).toarray()
    means = np.array([rows[[label == e for label in LABELS]].mean(axis=0) for e in EMOTIONS])
    given = vectorizer.transform([t.text for t in texts]).toarray()
    scores = cosine_similarity(given - means.mean(axis=0), means - means.mean(axis=0))
    for text, row, rank in zip(texts, scores, found.rank, strict=True):
        assert rank == 1 + (row > row[EMOTIONS.index(text.target)]).sum()


def test_the_gain_is_paired() -> None:
    words = words_battery(told(["weary", "joyful", "furious"]), STORIES, LABELS, EMOTIONS, 0)
    gain = gain_over_words(("t2", "t0", "t1"), (2, 1, 3), words)
    assert gain is not None
    assert gain.difference == pytest.approx(-2 / 3)
    assert gain.p == pytest.approx(0.5)  # two texts, both lost: 2 * (1/2)^2
    assert gain_over_words((), (), words) is None
    assert gain_over_words(("another",), (1,), words) is None


def test_without_texts_or_words_there_is_a_reason() -> None:
    assert words_battery([], STORIES, LABELS, EMOTIONS, 0).reason == "no text of this kind"
    odd = [f"word{i}" for i in range(12)]
    assert words_battery(told(["weary"]), odd, LABELS, EMOTIONS, 0).reason
