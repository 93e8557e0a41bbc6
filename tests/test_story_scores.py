"""Scores of the story browser: each story against vectors that never saw its topic."""

from __future__ import annotations

import numpy as np
import pytest
from planted import clustered, planted

from evmlx.corpus import load_corpus
from evmlx.implicit import implicit
from evmlx.neutral import project_out
from evmlx.report.story_scores import new_text_scores, story_scores, told_texts
from evmlx.store import Activations
from evmlx.vectors import EmotionVectors, emotion_vectors


def test_a_story_is_scored_by_vectors_of_the_other_topics() -> None:
    given = planted(clustered(np.random.default_rng(0)), np.random.default_rng(1), layers=(3, 7))
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    rows = list(range(0, len(given.labels), 5))  # not every story, nor balanced
    labels, topics = ([f[r] for r in rows] for f in (given.labels, given.topic_ids))
    scores = story_scores(given.stories, rows, labels, topics, vectors)
    assert scores.shape == (len(rows), 2, len(given.emotions))
    for at in (0, 4, len(rows) - 1):
        for layer in (0, 1):
            expected = _by_hand(given.stories.pooled[:, layer], rows, labels, topics, at, vectors,
                                layer)  # fmt: skip
            assert scores[at, layer] == pytest.approx(expected, abs=1e-5)


def _by_hand(
    pooled: np.ndarray,
    rows: list[int],
    labels: list[str],
    topics: list[str],
    at: int,
    vectors: EmotionVectors,
    layer: int,
) -> list[float]:
    others = [k for k in range(len(rows)) if topics[k] != topics[at]]
    means = np.stack(
        [
            np.mean([pooled[rows[k]].astype(float) for k in others if labels[k] == e], axis=0)
            for e in vectors.emotions
        ]
    )
    centre = means.mean(axis=0)
    text = project_out(pooled[rows[at]].astype(float) - centre, vectors.neutral_basis[layer])
    directions = project_out(means - centre, vectors.neutral_basis[layer])
    return [float(text @ d / np.linalg.norm(text) / np.linalg.norm(d)) for d in directions]


def test_noise_does_not_score_for_its_own_emotion() -> None:
    """With no emotion in the stories, vectors that hold a story favour it; others do not."""
    given = planted(np.zeros((7, 200)), np.random.default_rng(4), topics=5, per_cell=1)
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    rows = list(range(len(given.labels)))
    own = np.array([given.emotions.index(label) for label in given.labels])
    held_out = story_scores(given.stories, rows, given.labels, given.topic_ids, vectors)
    inside = new_text_scores(given.stories, rows, vectors)
    assert inside[rows, 0, own].mean() > 0.2
    assert abs(held_out[rows, 0, own].mean()) < 0.1


def test_an_emotion_of_one_topic_has_no_score_there() -> None:
    given = planted(clustered(np.random.default_rng(0)), np.random.default_rng(1))
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    rows = [
        r
        for r, (label, topic) in enumerate(zip(given.labels, given.topic_ids, strict=True))
        if label != "emotion2" or topic == "topic1"
    ]
    labels, topics = ([f[r] for r in rows] for f in (given.labels, given.topic_ids))
    scores = story_scores(given.stories, rows, labels, topics, vectors)
    there = np.array([topic == "topic1" for topic in topics])
    assert np.isnan(scores[there, 0, 2]).all() and np.isfinite(scores[~there]).all()
    assert np.isfinite(np.delete(scores[there], 2, axis=2)).all()


def test_texts_of_all_kinds_come_with_their_scores() -> None:
    corpus = load_corpus()
    rng = np.random.default_rng(0)
    kept = corpus.stories[::25]

    def activations(ids: list[str]) -> Activations:
        pooled = rng.normal(size=(len(ids), 1, 12)).astype(np.float32)
        return Activations(tuple(ids), np.full(len(ids), 90, np.int32), (2,), pooled)

    stories = activations([s.id for s in kept])
    vectors = emotion_vectors(stories, [s.emotion for s in kept], corpus.emotions, None)
    messages = [s.id for s in corpus.scenarios if s.battery == "message"]
    told = told_texts(
        stories, activations([s.id for s in corpus.scenarios]), activations(messages), vectors,
        corpus,
    )  # fmt: skip
    kinds = [one.kind for one in told]
    assert kinds == sorted(kinds, key=["story", "situation", "message", "message_last"].index)
    assert [kinds.count(k) for k in ("story", "situation", "message", "message_last")] == [
        len(kept), 80, 80, len(messages),
    ]  # fmt: skip
    by_id = {s.id: s for s in corpus.stories}
    for one in told[: len(kept)]:
        assert one.text == by_id[one.id].text and one.emotion == by_id[one.id].emotion
        assert one.scene == by_id[one.id].scene and one.scores.shape == (1, 20)


def test_new_texts_are_scored_as_their_headline_is() -> None:
    """The share of right answers, and the best scores, are those of the results' headline."""
    corpus = load_corpus()
    rng = np.random.default_rng(5)
    layers, hidden = (2, 6), 12
    meant = {e: rng.normal(size=(len(layers), hidden)) for e in corpus.emotions}

    def activations(told: list[tuple[str, str]], shared: float) -> Activations:
        pooled = np.array([meant[e] + rng.normal(size=(len(layers), hidden)) for _, e in told])
        pooled[..., 0] += shared  # what texts read at one place have in common
        ids = tuple(name for name, _ in told)
        return Activations(ids, np.full(len(ids), 90, np.int32), layers, pooled.astype(np.float32))

    kept = corpus.stories[::5]
    stories = activations([(s.id, s.emotion) for s in kept], 0)
    vectors = emotion_vectors(stories, [s.emotion for s in kept], corpus.emotions, None)
    both = activations([(s.id, s.target) for s in corpus.scenarios], 3)
    messages = [(s.id, s.target) for s in corpus.scenarios if s.battery == "message"]
    last = activations(messages, 40)
    results = implicit(both, last, vectors, corpus, primary_layer=2, seed=0)
    told = told_texts(stories, both, last, vectors, corpus)
    for kind in ("situation", "message", "message_last"):
        texts = [one for one in told if one.kind == kind]
        own = [corpus.emotions.index(one.emotion) for one in texts]
        for at, layer in enumerate(layers):
            battery = results.layers[f"layer_{layer}"][kind]
            found = np.array([one.scores[at] for one in texts])
            first = float(np.mean(found.argmax(axis=1) == own))
            headline = getattr(battery, battery.headline)
            assert first == pytest.approx(headline.top1)
            listed = {s.id: s.top5_scores[0] for s in battery.scenarios}
            best = [listed[one.id] for one in texts]
            assert found.max(axis=1) == pytest.approx(best, abs=1e-6)
    at_last = results.layers["layer_2"]["message_last"]
    assert at_last.centred is not None and at_last.own_centred is not None
    assert at_last.own_centred.top1 > at_last.centred.top1 + 0.1  # so that a mix-up would show


def test_a_single_text_is_not_compared_with_itself() -> None:
    given = planted(clustered(np.random.default_rng(0)), np.random.default_rng(1))
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    assert np.isnan(new_text_scores(given.stories, [3], vectors, own_mean=True)).all()
    assert np.isfinite(new_text_scores(given.stories, [3], vectors)).all()
