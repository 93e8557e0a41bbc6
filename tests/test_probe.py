from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from planted import Planted, a_corpus, activations, planted, thinned
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evmlx.corpus import Corpus
from evmlx.errors import EvmlxError
from evmlx.folds import grouped_folds
from evmlx.probe import probe
from evmlx.probe_results import Probe
from evmlx.results import to_json


def a_probe(given: Planted, corpus: Corpus | None = None, seed: int = 0) -> Probe:
    """Probe with texts that say nothing about the emotion."""
    texts = [f"the same words {scene.split('/')[1]}" for scene in given.scenes]
    corpus = corpus or a_corpus(given.emotions, {})
    return probe(
        given.stories,
        given.labels,
        given.topic_ids,
        texts,
        corpus,
        seed=seed,
        draws=200,
        scenes=given.scenes,
        domains=[f"domain {int(topic[5:]) % 3}" for topic in given.topic_ids],
    )


def reference(features: np.ndarray, labels: np.ndarray, fold_of: np.ndarray) -> np.ndarray:
    """Out-of-fold predictions of scikit-learn's own pipeline, in float64."""
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-8, max_iter=20_000))
    split = PredefinedSplit(fold_of)
    return np.asarray(cross_val_predict(pipeline, features.astype(float), labels, cv=split))


def test_memory_of_topics_passes_stratified_folds_and_fails_grouped_ones() -> None:
    rng = np.random.default_rng(5)
    given = planted(np.zeros((4, 300)), rng, topics=10, per_cell=6, noise=0.3)
    cell = rng.normal(size=(4, 10, 300))  # what an emotion looks like, anew in every topic
    emotion = [given.emotions.index(label) for label in given.labels]
    topic = [int(name.removeprefix("topic")) for name in given.topic_ids]
    pooled = given.stories.pooled[:, 0] + 2 * cell[emotion, topic]
    given = replace(given, stories=activations(pooled[:, None], (3,), "story"))
    layer = a_probe(given).layers["layer_3"]
    assert layer.published.accuracy > 0.95
    assert layer.grouped.accuracy < 0.40  # chance 0.25
    assert (layer.grouped.grouping, layer.published.grouping) == ("topic", "stratified")


def test_tables_agree_with_a_reference_worked_out_apart() -> None:
    rng = np.random.default_rng(6)
    given = planted(0.55 * rng.normal(size=(6, 40)), rng, topics=10, per_cell=2, layers=(10, 9))
    clusters = {"low": given.emotions[:2], "high": given.emotions[2:5]}
    found = a_probe(given, a_corpus(given.emotions, clusters), seed=3)
    assert list(found.layers) == ["layer_9", "layer_10"]
    layer = found.layers["layer_9"]
    fold_of = grouped_folds(given.topic_ids, 5, np.random.default_rng([3, 0]))
    truth = np.array([given.emotions.index(label) for label in given.labels])
    predicted = reference(given.stories.pooled[:, 1], truth, fold_of)
    right = predicted == truth
    assert layer.grouped.accuracy == right.mean()
    assert layer.grouped.fold_accuracies == tuple(right[fold_of == f].mean() for f in range(5))
    assert layer.grouped.low < right.mean() < layer.grouped.high
    assert layer.confusion is not None
    assert layer.confusion == pytest.approx(confusion_matrix(truth, predicted, normalize="true"))
    assert layer.confusion.sum(axis=1) == pytest.approx(np.ones(6))
    for row, emotion in enumerate(given.emotions):
        assert layer.recall[emotion] == pytest.approx(right[truth == row].mean())
        low, high = layer.recall_interval[emotion]
        assert low <= layer.recall[emotion] <= high
    of = np.array([0, 0, 1, 1, 1, 2])
    kept = truth < 5
    assert layer.cluster_accuracy == (of[predicted] == of[truth])[kept].mean()
    assert layer.cluster_low <= layer.cluster_accuracy <= layer.cluster_high
    assert layer.cluster_chance == pytest.approx((2 * 2 / 6 + 3 * 3 / 6) / 5)
    assert found.chance == 1 / 6


def test_layers_are_listed_as_numbers() -> None:
    rng = np.random.default_rng(6)
    given = planted(rng.normal(size=(2, 8)), rng, layers=(8, 16, 25))
    assert list(a_probe(given).layers) == ["layer_8", "layer_16", "layer_25"]


def test_words_are_classified_on_the_same_folds_and_the_gain_is_paired() -> None:
    rng = np.random.default_rng(7)
    given = planted(3 * rng.normal(size=(4, 50)), rng, topics=10, noise=0.5)
    corpus = a_corpus(given.emotions, {})
    told = [
        f"{label} {label} {scene}" for label, scene in zip(given.labels, given.scenes, strict=True)
    ]
    silent = a_probe(given)
    spoken = probe(given.stories, given.labels, given.topic_ids, told, corpus, seed=0, draws=200)
    assert spoken.text_control["tfidf"].accuracy == 1
    assert silent.text_control["tfidf"].accuracy < 0.5
    assert silent.text_control["tfidf"].grouping == "topic"
    for found in (silent, spoken):
        layer, text = found.layers["layer_3"], found.text_control["tfidf"]
        gain = layer.gain_over_tfidf
        assert gain.gain == pytest.approx(layer.grouped.accuracy - text.accuracy)
        assert gain.low <= gain.gain <= gain.high
    assert silent.layers["layer_3"].gain_over_tfidf.low > 0.3
    perfect = spoken.layers["layer_3"]
    assert perfect.grouped.accuracy == 1  # so both are right on every story
    assert (perfect.gain_over_tfidf.low, perfect.gain_over_tfidf.high) == (0, 0)


def test_same_seed_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(8)
    given = planted(rng.normal(size=(4, 30)), rng)
    first, again = (json.dumps(to_json(a_probe(given))) for _ in range(2))
    assert first == again


def no_figure(found: Probe, field: str) -> str:
    """The reason of a figure that has to be missing, as JSON tells it."""
    folds = to_json(found)["layers"]["layer_3"][field]
    assert folds["accuracy"] is None
    assert folds["low"] is None
    return str(folds["reason"])


@pytest.mark.filterwarnings("error")
class TestDegenerateCorpora:
    def given(self, emotions: int = 3, topics: int = 6, per_cell: int = 2) -> Planted:
        rng = np.random.default_rng(9)
        return planted(rng.normal(size=(emotions, 12)), rng, topics=topics, per_cell=per_cell)

    def test_fewer_topics_than_folds(self) -> None:
        found = a_probe(self.given(topics=4))
        assert "too few topics (4)" in no_figure(found, "grouped")
        assert found.layers["layer_3"].published.accuracy > 0
        assert found.layers["layer_3"].confusion is None
        assert np.isnan(found.text_control["tfidf"].accuracy)
        assert "topics (4)" in str(found.layers["layer_3"].gain_over_tfidf.reason)

    def test_fewer_stories_of_an_emotion_than_folds(self) -> None:
        given = self.given(topics=6, per_cell=1)
        rare = np.array([label == "emotion1" for label in given.labels])
        found = a_probe(thinned(given, ~rare | (np.cumsum(rare) <= 3)))
        assert "'emotion1' has 3 stories" in no_figure(found, "published")

    def test_emotion_in_one_topic_only(self) -> None:
        given = self.given(topics=6, per_cell=5)
        keep = [
            label != "emotion1" or topic == "topic0"
            for label, topic in zip(given.labels, given.topic_ids, strict=True)
        ]
        assert "'emotion1'" in no_figure(a_probe(thinned(given, np.array(keep))), "grouped")

    def test_one_emotion(self) -> None:
        found = a_probe(self.given(emotions=1))
        assert "two emotions" in no_figure(found, "grouped")
        assert "two emotions" in no_figure(found, "published")

    def test_no_story(self) -> None:
        found = a_probe(thinned(self.given(), np.zeros(36, bool)))
        assert "two emotions" in no_figure(found, "grouped")
        assert to_json(found)["chance"] is None

    def test_same_residual_everywhere(self) -> None:
        given = self.given()
        constant = activations(np.ones_like(given.stories.pooled), (3,), "story")
        found = a_probe(replace(given, stories=constant))
        assert "same residual" in no_figure(found, "grouped")
        assert "same residual" in no_figure(found, "published")

    def test_clusters_that_the_corpus_does_not_have(self) -> None:
        layer = to_json(a_probe(self.given()))["layers"]["layer_3"]
        assert layer["cluster_accuracy"] is None


def test_texts_without_a_shared_word_leave_the_control_out_alone() -> None:
    rng = np.random.default_rng(6)
    given = planted(2 * rng.normal(size=(4, 20)), rng, topics=6, per_cell=2)
    texts = [f"word{number}" for number in range(len(given.labels))]
    corpus = a_corpus(given.emotions, {})
    found = probe(given.stories, given.labels, given.topic_ids, texts, corpus, seed=0, draws=50)
    control = to_json(found)["text_control"]["tfidf"]
    assert control["accuracy"] is None and "no word stands in two texts" in control["reason"]
    layer = next(iter(to_json(found)["layers"].values()))
    assert layer["grouped"]["accuracy"] > 0.3
    assert layer["gain_over_tfidf"]["gain"] is None


@pytest.mark.parametrize("short", ["labels", "topics", "texts"])
def test_lengths_that_differ_are_refused(short: str) -> None:
    rng = np.random.default_rng(0)
    given = planted(rng.normal(size=(2, 8)), rng)
    labels, topics, texts = (
        given_list[:-1] if name == short else given_list
        for name, given_list in (
            ("labels", given.labels),
            ("topics", given.topic_ids),
            ("texts", given.scenes),
        )
    )
    with pytest.raises(EvmlxError, match="one of each"):
        probe(given.stories, labels, topics, texts, a_corpus(given.emotions, {}), seed=0)
