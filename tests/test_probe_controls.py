"""The probe's further figures, where they can be had and where they cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import Planted, a_corpus, activations, planted, thinned
from sklearn.metrics import roc_auc_score

from evmlx.folds import grouped_folds, scores_out_of_fold, standardised_logistic
from evmlx.probe import _task, _text_outcomes, probe
from evmlx.probe_figures import gain
from evmlx.probe_results import Gain, Probe
from evmlx.results import to_json
from evmlx.splits import deal


def measured(given: Planted, texts: list[str] | None = None, **settings: Any) -> Probe:
    texts = texts or [f"the same words {scene.split('/')[1]}" for scene in given.scenes]
    known: dict[str, Any] = {
        "scenes": given.scenes,
        "domains": [f"domain {int(topic[5:]) % 3}" for topic in given.topic_ids],
        "draws": 200,
        "seed": 0,
    }
    corpus = a_corpus(given.emotions, {})
    return probe(given.stories, given.labels, given.topic_ids, texts, corpus, **(known | settings))


def test_emotion_that_looks_different_in_each_domain_fails_unseen_domains_only() -> None:
    rng = np.random.default_rng(0)
    given = planted(np.zeros((4, 60)), rng, topics=15, per_cell=3, noise=0.3)
    looks = 3 * rng.normal(size=(3, 4, 60))
    domain = [int(topic[5:]) % 3 for topic in given.topic_ids]
    emotion = [given.emotions.index(label) for label in given.labels]
    pooled = given.stories.pooled[:, 0] + looks[domain, emotion]
    given = replace(given, stories=activations(pooled[:, None], (3,), "story"))
    layer = measured(given).layers["layer_3"]
    assert layer.grouped.accuracy > 0.9
    assert layer.leave_one_domain_out.accuracy < 0.45  # chance 0.25
    assert layer.leave_one_domain_out.folds == len(layer.leave_one_domain_out.fold_accuracies) == 3
    assert layer.leave_one_domain_out.fold_names == ("domain 0", "domain 1", "domain 2")


def test_style_shows_in_its_own_control_and_takes_the_gain() -> None:
    rng = np.random.default_rng(1)
    given = planted(4 * rng.normal(size=(4, 30)), rng, topics=10, per_cell=2, noise=0.5)
    marks = dict(zip(given.emotions, (".", "!", "?", ";"), strict=True))
    texts = [f"stone river lamp{marks[label]}" for label in given.labels]
    found = measured(given, texts)
    assert found.text_control["style"].accuracy == 1
    assert found.text_control["tfidf"].accuracy == pytest.approx(0.25, abs=0.15)
    layer = found.layers["layer_3"]
    assert layer.grouped.accuracy > 0.95
    assert layer.gain_over_style.gain == pytest.approx(layer.grouped.accuracy - 1)
    assert layer.gain_over_style.high <= 0 < layer.gain_over_tfidf.low


def test_figures_within_scenes_and_their_gain_agree_with_one_another() -> None:
    rng = np.random.default_rng(2)
    given = planted(0.8 * rng.normal(size=(4, 30)), rng, topics=10, per_cell=2)
    topic = np.array([int(name[5:]) for name in given.topic_ids])
    pooled = given.stories.pooled[:, 0] + (20 * rng.normal(size=(10, 30)))[topic]
    given = replace(given, stories=activations(pooled[:, None], (3,), "story"))
    texts = [
        f"{label[-1] * 3} word {scene}"
        for label, scene in zip(given.labels, given.scenes, strict=True)
    ]
    found = measured(given, texts)
    layer, text = found.layers["layer_3"], found.text_control["within_scene"]
    assert layer.within_scene.accuracy > layer.grouped.accuracy + 0.2
    assert (text.accuracy, text.n) == (1, 80)
    assert layer.within_scene_gain.gain == pytest.approx(layer.within_scene.accuracy - 1)
    assert layer.within_scene_gain.low <= layer.within_scene_gain.gain
    domain = found.text_control["tfidf_leave_one_domain_out"]
    assert layer.leave_one_domain_out_gain.gain == pytest.approx(
        layer.leave_one_domain_out.accuracy - domain.accuracy
    )


def test_words_of_a_scene_do_not_help_within_it() -> None:
    rng = np.random.default_rng(3)
    given = planted(rng.normal(size=(4, 10)), rng, topics=10, per_cell=3)
    texts = [f"about {scene} {scene} and the like" for scene in given.scenes]
    assert measured(given, texts).text_control["within_scene"].macro_auc == pytest.approx(
        0.5, abs=0.1
    )


def test_macro_auc_is_that_of_scikit_learn_in_each_fold() -> None:
    rng = np.random.default_rng(4)
    given = planted(0.4 * rng.normal(size=(5, 30)), rng, topics=10, per_cell=2)
    labels = np.array([given.emotions.index(label) for label in given.labels])
    fold_of = grouped_folds(given.topic_ids, 5, np.random.default_rng([0, 0]))
    fit = standardised_logistic(given.stories.pooled[:, 0], labels)
    p = np.exp(scores_out_of_fold(fold_of, fit, parallel=False)[0])
    expected = [
        roc_auc_score(labels[fold_of == f], p[fold_of == f], multi_class="ovr") for f in range(5)
    ]
    grouped = measured(given).layers["layer_3"].grouped
    assert grouped.macro_auc == pytest.approx(np.mean(expected))
    assert grouped.macro_auc_low < grouped.macro_auc < grouped.macro_auc_high


def test_gains_are_paired_for_the_auc_and_for_the_nearest_mean() -> None:
    rng = np.random.default_rng(6)
    given = planted(0.5 * rng.normal(size=(5, 30)), rng, topics=12, per_cell=2)
    noise = rng.integers(0, 40, size=len(given.labels))
    told = zip(given.labels, noise, strict=True)
    texts = [f"{label[-1] * 3 if n % 3 else 'ooo'} said word{n}" for label, n in told]
    found = measured(given, texts)
    layer, words = found.layers["layer_3"], found.text_control["tfidf"]
    over = layer.gain_over_tfidf
    assert over.macro_auc == pytest.approx(layer.grouped.macro_auc - words.macro_auc)
    assert over.macro_auc_low < over.macro_auc < over.macro_auc_high
    nearest = found.text_control["tfidf_nearest"]
    assert layer.nearest_gain.gain == pytest.approx(layer.nearest.accuracy - nearest.accuracy)
    # the words decide every story alike: against themselves there is no gain and no spread
    itself = _gain(found, given, texts)
    assert (itself.gain, itself.macro_auc, itself.macro_auc_low) == (0, 0, 0)


def _gain(found: Probe, given: Planted, texts: list[str]) -> Gain:
    """Gain of TF-IDF over TF-IDF."""
    corpus = a_corpus(given.emotions, {})
    task = _task(given.labels, given.topic_ids, corpus, 0, 200)
    splits = deal(task.labels, task.emotions, given.topic_ids, None, None, 0)
    outcome = _text_outcomes(texts, task, splits).tfidf
    assert outcome.folds.accuracy == found.text_control["tfidf"].accuracy
    return gain(task, outcome, outcome)


def test_neutral_components_of_the_layer_reach_the_nearest_vector() -> None:
    rng = np.random.default_rng(5)
    given = planted(np.eye(4, 12), rng, topics=10, per_cell=2, noise=0.1)
    pooled = 0.1 * given.stories.pooled[:, 0]
    pooled[:, :4] += np.eye(4)[[given.emotions.index(label) for label in given.labels]]
    pooled[:, 11] += 30 * rng.normal(size=len(pooled))
    given = replace(given, stories=activations(pooled[:, None], (3,), "story"))
    raw = measured(given).layers["layer_3"].nearest
    denoised = measured(given, neutral_basis={3: np.eye(12)[11:]}).layers["layer_3"].nearest
    assert raw.accuracy < 0.6
    assert denoised.accuracy > 0.9


def test_selectivity_is_measured_at_the_primary_layer() -> None:
    rng = np.random.default_rng(6)
    given = planted(rng.normal(size=(3, 8)), rng, topics=6, layers=(3, 5))
    layers = to_json(measured(given, primary_layer=5))["layers"]
    assert layers["layer_5"]["selectivity"]["reason"] is None
    assert layers["layer_3"]["selectivity"]["selectivity"] is None
    assert "primary layer" in layers["layer_3"]["selectivity"]["reason"]


@pytest.mark.filterwarnings("error")
class TestDegenerateCorpora:
    def given(self, emotions: int = 3, topics: int = 6, per_cell: int = 2) -> Planted:
        rng = np.random.default_rng(7)
        return planted(rng.normal(size=(emotions, 12)), rng, topics=topics, per_cell=per_cell)

    def reason(self, found: Probe, field: str) -> str:
        """Why a figure is null, in JSON."""
        value = to_json(found)["layers"]["layer_3"][field]
        figure = "selectivity" if field == "selectivity" else "accuracy"
        assert value[figure] is None and value["low"] is None
        return str(value["reason"])

    def test_no_scenes(self) -> None:
        found = measured(self.given(), scenes=None)
        assert "declares no scenes" in self.reason(found, "within_scene")
        assert "declares no scenes" in str(found.text_control["within_scene"].reason)
        assert "declares no scenes" in str(found.layers["layer_3"].within_scene_gain.reason)
        assert found.layers["layer_3"].selectivity.selectivity > 0  # stories are dealt one by one

    def test_no_domains(self) -> None:
        found = measured(self.given(), domains=None)
        assert "no domains" in self.reason(found, "leave_one_domain_out")
        assert "no domains" in str(found.text_control["tfidf_leave_one_domain_out"].reason)
        assert found.layers["layer_3"].grouped.accuracy > 0

    def test_one_topic(self) -> None:
        found = measured(self.given(topics=1, per_cell=6))
        assert "too few topics (1)" in self.reason(found, "nearest")
        assert "one domain" in self.reason(found, "leave_one_domain_out")
        assert "one topic only" in self.reason(found, "selectivity")
        assert "topics (1)" in str(found.layers["layer_3"].gain_over_style.reason)

    def test_one_emotion(self) -> None:
        found = measured(self.given(emotions=1))
        for field in ("grouped", "leave_one_domain_out", "within_scene", "nearest", "selectivity"):
            assert "two emotions" in self.reason(found, field)
        assert "two emotions" in str(found.text_control["style"].reason)

    def test_two_emotions_have_every_figure(self) -> None:
        found = measured(self.given(emotions=2))
        layer = to_json(found)["layers"]["layer_3"]
        for field in ("grouped", "leave_one_domain_out", "within_scene", "nearest", "selectivity"):
            assert layer[field]["accuracy"] is not None and layer[field]["low"] is not None

    def test_one_scene_a_topic(self) -> None:
        assert "two scenes" in self.reason(measured(self.given(per_cell=1)), "selectivity")

    def test_unbalanced_with_gaps(self) -> None:
        given = self.given(topics=8, per_cell=3)
        kept = np.random.default_rng(8).random(len(given.labels)) < 0.75
        given = thinned(given, kept)
        found = measured(given)
        layer = found.layers["layer_3"]
        whole = {
            scene for scene in given.scenes if sum(other == scene for other in given.scenes) == 3
        }
        assert layer.within_scene.n == 3 * len(whole) < len(given.labels) == layer.grouped.n
        for folds in (layer.grouped, layer.leave_one_domain_out, layer.nearest):
            assert folds.low <= folds.accuracy <= folds.high
        assert layer.selectivity.n <= layer.grouped.n

    def test_same_residual_everywhere(self) -> None:
        given = self.given()
        constant = activations(np.ones_like(given.stories.pooled), (3,), "story")
        found = measured(replace(given, stories=constant))
        for field in ("leave_one_domain_out", "within_scene", "nearest", "selectivity"):
            assert "same residual" in self.reason(found, field)
