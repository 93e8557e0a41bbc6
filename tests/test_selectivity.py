"""Random labels: dealt fairly, learnt where cells can be known again, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import Planted, a_corpus, activations, planted

from evmlx.probe import probe
from evmlx.selectivity import Selectivity, control_labels


def measured(given: Planted, seed: int = 0) -> Selectivity:
    texts = [f"the same words {scene}" for scene in given.scenes]
    found = probe(
        given.stories,
        given.labels,
        given.topic_ids,
        texts,
        a_corpus(given.emotions, {}),
        seed=seed,
        draws=200,
        scenes=given.scenes,
    )
    return found.layers["layer_3"].selectivity


def test_cells_keep_one_label_and_topics_their_labels() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    topics = np.tile(np.repeat(np.arange(10), 3), 4)
    cells = labels * 10 + topics
    control = control_labels(cells, labels, topics, rng)
    assert all(len(set(control[cells == cell])) == 1 for cell in set(cells))
    for topic in range(10):
        assert sorted(control[topics == topic]) == sorted(labels[topics == topic])
    # independent of the emotions: 1 in 4 of the cells agrees, give or take
    agree = [(control_labels(cells, labels, topics, rng) == labels).mean() for _ in range(200)]
    assert np.mean(agree) == pytest.approx(0.25, abs=0.02)


def test_random_features_know_neither_emotions_nor_random_labels() -> None:
    rng = np.random.default_rng(1)
    given = planted(np.zeros((4, 20)), rng, topics=10, per_cell=5)
    noise = activations(rng.normal(size=(200, 1, 20)), (3,), "story")
    found = measured(replace(given, stories=noise))
    assert found.accuracy == pytest.approx(0.25, abs=0.1)
    assert found.control_accuracy == pytest.approx(0.25, abs=0.1)
    assert found.low < 0 < found.high


def test_emotion_shared_by_topics_is_selective() -> None:
    rng = np.random.default_rng(2)
    given = planted(2 * rng.normal(size=(4, 30)), rng, topics=10, per_cell=5)
    found = measured(given)
    assert found.accuracy > 0.95
    assert found.control_accuracy < 0.6
    assert found.selectivity == pytest.approx(found.accuracy - found.control_accuracy)
    assert found.low < found.selectivity < found.high
    assert (found.folds, found.n, found.unconverged, found.reason) == (5, 200, 0, None)


def test_memory_of_cells_is_not_selective() -> None:
    rng = np.random.default_rng(3)
    given = planted(np.zeros((4, 300)), rng, topics=10, per_cell=5, noise=0.3)
    cell = 2 * rng.normal(size=(4, 10, 300))  # an emotion looks different in every topic
    e = [given.emotions.index(label) for label in given.labels]
    t = [int(topic.removeprefix("topic")) for topic in given.topic_ids]
    pooled = given.stories.pooled[:, 0] + cell[e, t]
    found = measured(replace(given, stories=activations(pooled[:, None], (3,), "story")))
    assert found.accuracy > 0.95  # which would look like knowledge of emotions
    assert found.selectivity == pytest.approx(0, abs=0.05)
