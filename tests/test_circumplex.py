from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations as every_order

import numpy as np
import pytest
from planted import a_corpus
from planted_affect import AROUSAL, EMOTIONS, VALENCE, affective_plane, as_vectors, with_norms
from scipy.stats import pearsonr, permutation_test
from sklearn.decomposition import PCA

from evmlx.affect import affect_of
from evmlx.circumplex import circumplex
from evmlx.norm_correlation import norm_correlation
from evmlx.published_separations import published_protocol
from evmlx.results import to_json


def test_planted_valence_and_arousal_are_found() -> None:
    vectors, valence, arousal = affective_plane(np.random.default_rng(0))
    corpus = with_norms(valence, arousal)
    found = circumplex(as_vectors(vectors[None]), corpus, 0, 999).layers["layer_4"]
    first, second = found.components[:2]
    assert first["valence_r"] > 0.9 and first["valence_p"] == pytest.approx(0.001, abs=0.002)
    assert first["valence_p_max"] < 0.01
    assert second["arousal_r"] > 0.8 and second["arousal_p"] < 0.01
    assert found.reason is None


@pytest.mark.parametrize("sign", [1, -1])
def test_positive_emotions_lie_right_and_arousal_points_up(sign: int) -> None:
    vectors, valence, arousal = affective_plane(np.random.default_rng(1))
    corpus = with_norms(valence, arousal)
    found = circumplex(as_vectors(sign * vectors[None]), corpus, 0, 99).layers["layer_4"]
    assert found.coordinates[:3, 0].mean() > found.coordinates[3:, 0].mean()
    assert pearsonr(found.coordinates[:, 1], arousal).statistic > 0
    largest = np.abs(found.coordinates[:, 2:]).argmax(axis=0)
    assert (found.coordinates[largest, [2, 3, 4]] > 0).all()


def test_r_equals_scipys_on_scikit_learns_components() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(12, 30)) * np.exp(rng.normal(size=(12, 1)))
    valence, arousal = rng.normal(size=(2, 12))
    found = circumplex(as_vectors(vectors[None]), with_norms(valence, arousal), 0, 99)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    coordinates = PCA(5).fit_transform(unit)
    for k, component in enumerate(found.layers["layer_4"].components):
        assert component["pc"] == k + 1
        r = pearsonr(coordinates[:, k], valence).statistic
        assert abs(component["valence_r"]) == pytest.approx(abs(r), abs=1e-5)
        negative = pearsonr(coordinates[3:, k], arousal[3:]).statistic
        assert abs(component["arousal_negative_r"]) == pytest.approx(abs(negative), abs=1e-5)


def test_p_equals_scipys_permutation_test() -> None:
    rng = np.random.default_rng(3)
    norm = rng.normal(size=12)
    coordinates = rng.normal(size=(12, 3)) + norm[:, None] * [0.2, 0.5, 1.0]
    found = norm_correlation(coordinates, norm, seed=0, permutations=9999)

    def absolute_r(y: np.ndarray, axis: int) -> np.ndarray:
        centred = y - y.mean(axis=axis, keepdims=True)
        x = coordinates[:, k] - coordinates[:, k].mean()
        return np.abs(centred @ x) / np.linalg.norm(centred, axis=axis) / np.linalg.norm(x)

    for k in range(3):
        reference = permutation_test(
            (norm,),
            absolute_r,
            permutation_type="pairings",
            n_resamples=9999,
            alternative="greater",
            rng=np.random.default_rng(4),
        )
        assert found.p[k] == pytest.approx(reference.pvalue, abs=0.02)


def test_false_positives_are_as_rare_as_p_says() -> None:
    """With five unrelated components the best p alone misleads; the corrected one does not."""
    rng = np.random.default_rng(5)
    every, best, corrected = [], [], []
    for seed in range(200):
        coordinates, norm = rng.normal(size=(12, 5)), rng.normal(size=12)
        found = norm_correlation(coordinates, norm, seed, 199)
        every.extend(found.p)
        best.append(found.p.min())
        corrected.append(found.p_max.min())
    assert np.mean(np.array(every) <= 0.05) == pytest.approx(0.05, abs=0.025)
    # 1 - 0.95^5 = 0.23; of 200 at 5%, above 19 has probability 0.003
    assert np.mean(np.array(best) <= 0.05) > 0.13
    assert np.sum(np.array(corrected) <= 0.05) <= 19
    assert (np.array(corrected) >= np.array(best)).all()


def test_emotions_without_a_norm_are_left_out() -> None:
    rng = np.random.default_rng(6)
    coordinates, norm = rng.normal(size=(12, 2)), rng.normal(size=12)
    norm[[2, 7]] = np.nan
    rated = np.isfinite(norm)
    found = norm_correlation(coordinates, norm, 0, 99)
    for k in range(2):
        r = pearsonr(coordinates[rated, k], norm[rated]).statistic
        assert found.r[k] == pytest.approx(r)
    assert np.isfinite(found.p).all()


def test_layers_do_not_change_each_others_p() -> None:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(3, 12, 20))
    corpus = with_norms(rng.normal(size=12), rng.normal(size=12))
    together = circumplex(as_vectors(vectors), corpus, 0, 99)
    alone = circumplex(as_vectors(vectors[:1]), corpus, 0, 99)
    assert to_json(together.layers["layer_4"]) == to_json(alone.layers["layer_4"])


def test_unit_vectors_decide_not_lengths() -> None:
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(1, 12, 20))
    corpus = with_norms(rng.normal(size=12), rng.normal(size=12))
    longer = vectors * np.exp(rng.normal(size=(1, 12, 1)))
    plain = circumplex(as_vectors(vectors), corpus, 0, 99).layers["layer_4"]
    other = circumplex(as_vectors(longer), corpus, 0, 99).layers["layer_4"]
    np.testing.assert_allclose(plain.coordinates, other.coordinates, atol=1e-5)
    assert plain.published_protocol.valence_separation != pytest.approx(
        other.published_protocol.valence_separation, rel=0.01
    )


def test_outlier_dimension_is_taken_out_beside() -> None:
    vectors, valence, arousal = affective_plane(np.random.default_rng(12))
    corpus = with_norms(valence, arousal)
    spoilt = np.concatenate([vectors, 100 * (np.arange(12) % 2)[:, None]], axis=1)
    found = circumplex(as_vectors(spoilt[None]), corpus, 0, 99).layers["layer_4"]
    assert abs(found.components[0]["valence_r"]) < 0.7
    assert found.without_outliers is not None
    assert found.without_outliers[0]["valence_r"] > 0.9
    even = np.random.default_rng(13).normal(size=(1, 12, 60))
    assert circumplex(as_vectors(even), corpus, 0, 9).layers["layer_4"].without_outliers is None


def test_published_protocol_is_a_difference_of_means_in_raw_units() -> None:
    rng = np.random.default_rng(9)
    vectors = 20 * rng.normal(size=(12, 20))
    affect = affect_of(EMOTIONS, a_corpus(EMOTIONS, {}, valence=VALENCE, arousal=AROUSAL))
    found = published_protocol(vectors, affect)
    coordinates = PCA(5).fit_transform(vectors)
    valence = np.abs(coordinates[:3].mean(axis=0) - coordinates[3:].mean(axis=0))
    arousal = np.abs(coordinates[0:8:2].mean(axis=0) - coordinates[1:8:2].mean(axis=0))
    best = int(valence.argmax())
    assert found.best_valence_pc == best + 1
    assert found.valence_separation == pytest.approx(valence[best])
    arousal[best] = -1  # the best arousal component is another one
    assert found.best_arousal_pc == arousal.argmax() + 1
    assert found.arousal_separation == pytest.approx(arousal.max())
    assert "not comparable" in found.note


def test_without_norms_and_groups_a_reason_stands_in() -> None:
    vectors = np.random.default_rng(10).normal(size=(1, 12, 20))
    value = to_json(circumplex(as_vectors(vectors), a_corpus(EMOTIONS, {}), 0, 99))
    layer = value["layers"]["layer_4"]
    assert "no norms" in layer["reason"]
    assert layer["components"][0]["valence_r"] is None
    assert layer["components"][0]["valence_p"] is None
    assert layer["components"][0]["explained_variance"] > 0
    assert layer["published_protocol"]["best_valence_pc"] is None
    assert layer["published_protocol"]["valence_separation"] is None
    assert value["norms"]["source"] is None and value["norms"]["valence"] == [None] * 12
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize("emotions", [1, 2, 3, 5])
def test_few_emotions_have_few_components(emotions: int) -> None:
    rng = np.random.default_rng(11)
    vectors = rng.normal(size=(1, emotions, 20))
    vectors -= vectors.mean(axis=1, keepdims=True)
    corpus = with_norms(rng.normal(size=12), rng.normal(size=12))
    layer = to_json(circumplex(as_vectors(vectors), corpus, 0, 99))["layers"]["layer_4"]
    assert len(layer["components"]) == emotions - 1
    assert (layer["reason"] is None) == (emotions >= 4)
    if emotions in (2, 3):
        assert layer["components"][0]["valence_r"] is None


def test_equal_vectors_have_no_components() -> None:
    vectors = as_vectors(np.ones((1, 12, 20)))
    corpus = with_norms(np.arange(12.0), np.arange(12.0))
    layer = circumplex(vectors, corpus, 0, 99).layers["layer_4"]
    assert layer.components == () and layer.reason is not None
    lost = replace(vectors, denoised=np.zeros((1, 12, 20), np.float32))
    assert circumplex(lost, corpus, 0, 99).layers["layer_4"].reason is not None


def test_p_among_the_negative_is_corrected_over_components() -> None:
    """Against all 720 orders of six negative emotions, by hand."""
    rng = np.random.default_rng(20)
    arousal = rng.normal(size=9)
    vectors = rng.normal(size=(9, 20)) + np.outer(arousal, rng.normal(size=20))
    corpus = with_norms(rng.normal(size=12), np.append(arousal, np.zeros(3)))
    negative = {"positive": EMOTIONS[:3], "negative": EMOTIONS[3:9]}
    corpus = replace(corpus, valence=negative)
    layer = circumplex(as_vectors(vectors[None]), corpus, 0, 9999).layers["layer_4"]
    x, y = layer.coordinates[3:], arousal[3:]
    observed = np.abs(np.corrcoef(x.T, y)[-1, :-1])
    null = np.array([np.abs(np.corrcoef(x.T, order)[-1, :-1]) for order in every_order(y)])
    for k, component in enumerate(layer.components):
        assert abs(component["arousal_negative_r"]) == pytest.approx(observed[k])
        exact = np.mean(null.max(axis=1) >= observed[k] - 1e-12)
        assert component["arousal_negative_p_max"] == pytest.approx(exact, abs=0.02)
        assert component["arousal_negative_p_max"] >= component["arousal_negative_p"]


def test_fishers_interval_is_scipys() -> None:
    rng = np.random.default_rng(21)
    coordinates, norm = rng.normal(size=(12, 3)), rng.normal(size=12)
    found = norm_correlation(coordinates, norm, 0, 9)
    for k in range(3):
        reference = pearsonr(coordinates[:, k], norm).confidence_interval(0.95)
        assert (found.low[k], found.high[k]) == pytest.approx(tuple(reference), abs=1e-9)
