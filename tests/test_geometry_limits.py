"""Input that allows no figure: a plain reason instead of a number, and never a traceback."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from planted import CLUSTERS, Planted, a_corpus, activations, clustered, measure, planted, thinned

from evmlx.clusters import cluster_membership
from evmlx.errors import EvmlxError
from evmlx.geometry import geometry
from evmlx.results import to_json
from evmlx.vectors import emotion_vectors


@pytest.fixture(scope="module")
def given() -> Planted:
    rng = np.random.default_rng(0)
    return planted(clustered(rng), rng, topics=10, layers=(3, 9, 20))


def test_unbalanced_corpus_with_empty_cells_still_has_an_interval(given: Planted) -> None:
    rng = np.random.default_rng(7)
    keep = rng.random(len(given.labels)) < 0.4
    found = measure(thinned(given, keep)).layers["layer_3"].cosine
    assert found.bootstrap.low < found.bootstrap.estimate < found.bootstrap.high
    assert found.bootstrap.estimate == pytest.approx(found.diff, abs=1e-5)


def test_one_topic_leaves_the_interval_out(given: Planted) -> None:
    one = thinned(given, np.array(given.topic_ids) == "topic0")
    found = measure(one).layers["layer_3"].cosine
    assert np.isnan([found.bootstrap.low, found.bootstrap.low_bca]).all()
    assert found.bootstrap.estimate == pytest.approx(found.diff, abs=1e-5)
    assert found.bootstrap.reason == "fewer than two topics: there is nothing to resample"
    assert np.isfinite(found.diff) and np.isfinite(found.permutation.p)


@pytest.mark.parametrize(
    ("clusters", "reason"),
    [
        ({}, "names no clusters"),
        ({"a": ("emotion0",), "b": ("emotion1",)}, "no cluster has two emotions"),
        ({"a": ("emotion0", "emotion1")}, "one cluster only"),
    ],
)
def test_clusters_that_allow_no_comparison(
    given: Planted, clusters: dict[str, tuple[str, ...]], reason: str
) -> None:
    value = to_json(measure(given, a_corpus(given.emotions, clusters)))
    cosine = value["layers"]["layer_3"]["cosine"]
    assert reason in cosine["reason"]
    assert cosine["diff"] is None and cosine["permutation"]["p"] is None
    assert cosine["bootstrap"]["low"] is None
    assert "no positive" in value["layers"]["layer_3"]["pca"]["reason"]
    assert value["layers"]["layer_3"]["pca"]["participation_ratio"] > 1


def test_unclustered_emotions_are_left_out_of_cohesion(given: Planted) -> None:
    clusters = {"two": CLUSTERS["two"], "three": ("emotion6", "emotion1")}  # 0 and 2 have none
    cosine = measure(given, a_corpus(given.emotions, clusters)).layers["layer_3"].cosine
    cross = cosine.matrix[np.ix_([3, 4, 5], [1, 6])]
    assert cosine.cross_cluster_mean == pytest.approx(cross.mean())
    assert cosine.clusters["three"].within == pytest.approx(cosine.matrix[1, 6])
    assert cosine.bootstrap.estimate == pytest.approx(cosine.diff, abs=1e-5)


def test_single_emotion_has_no_geometry(given: Planted) -> None:
    one = replace(given, emotions=("emotion0",))
    value = to_json(measure(one))
    for layer in value["layers"].values():
        assert "vector of emotion0 is zero" in layer["cosine"]["reason"]
        assert layer["cosine"]["diff"] is None and layer["pca"]["participation_ratio"] is None
        assert layer["outlier"]["share"] is None and layer["outlier"]["dimension"] is None
    assert value["cross_layer_stability"]["mean_correlation"] is None
    assert value["cross_layer_stability"]["reason"] is not None
    json.dumps(value, allow_nan=False)


def test_vector_within_the_neutral_components_is_named() -> None:
    """An emotion that differs along a neutral direction only has nothing left."""
    rng = np.random.default_rng(8)
    directions = rng.normal(size=(3, 8))
    directions[2] = directions[:2].mean(axis=0)
    directions[2, 0] += 3
    given = planted(directions, rng, topics=3, noise=0, dialogues=0)
    pooled = np.zeros((2, 1, 8))
    pooled[:, 0, 0] = (-1, 1)
    given = replace(given, dialogues=activations(pooled, (3,), "dialogue"))
    value = to_json(measure(given, a_corpus(given.emotions, {"a": given.emotions[:2]})))
    cosine = value["layers"]["layer_3"]["cosine"]
    assert "vector of emotion2 is zero" in cosine["reason"]
    assert cosine["matrix"][2] == [None, None, None]
    assert cosine["matrix"][0][1] == pytest.approx(-1)


def test_without_dialogues_nothing_is_projected(given: Planted) -> None:
    none = activations(np.zeros((0, 3, 30)), given.stories.layers, "dialogue")
    value = to_json(measure(replace(given, dialogues=none)))
    assert value["layers"]["layer_3"]["neutral"] == {"components": 0, "variance": None}
    assert value["layers"]["layer_3"]["cosine"]["bootstrap"]["low"] is not None


def test_one_layer_has_no_stability() -> None:
    rng = np.random.default_rng(9)
    found = measure(planted(clustered(rng), rng)).cross_layer_stability
    assert found.pairwise == {} and found.reason is not None


def test_emotion_in_two_clusters_is_named() -> None:
    with pytest.raises(EvmlxError, match="'b' lies in two clusters"):
        cluster_membership(("a", "b"), {"one": ("a", "b"), "two": ("b",)})


def test_primary_layer_that_was_not_sampled_is_refused(given: Planted) -> None:
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, None)
    corpus = a_corpus(given.emotions, CLUSTERS)
    with pytest.raises(EvmlxError, match="layer 4 was not sampled: choose one of 3, 9, 20"):
        geometry(vectors, None, [], [], corpus, primary_layer=4, seed=0)
