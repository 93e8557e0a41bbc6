from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from planted import CLUSTERS, VALENCE, Planted, a_corpus, activations, clustered, measure, planted
from scipy.stats import pearsonr, spearmanr
from sklearn.decomposition import PCA

from evmlx.affect import affect_of
from evmlx.components import outlier_shares
from evmlx.geometry import Geometry
from evmlx.layer_geometry import component_geometry
from evmlx.results import to_json
from evmlx.stability import cross_layer_stability
from evmlx.vectors import emotion_vectors


@pytest.fixture(scope="module")
def given() -> Planted:
    rng = np.random.default_rng(0)
    return planted(clustered(rng), rng, topics=10, layers=(3, 9, 20))


@pytest.fixture(scope="module")
def measured(given: Planted) -> Geometry:
    return measure(given)


def test_cohesion_equals_a_loop_over_pairs(measured: Geometry, given: Planted) -> None:
    cosine = measured.layers["layer_9"].cosine
    cluster_of = {emotion: name for name, members in CLUSTERS.items() for emotion in members}
    pairs = {
        (a, b): cosine.matrix[given.emotions.index(a), given.emotions.index(b)]
        for a, b in combinations(given.emotions, 2)
    }
    within = [c for (a, b), c in pairs.items() if cluster_of[a] == cluster_of[b]]
    cross = [c for (a, b), c in pairs.items() if cluster_of[a] != cluster_of[b]]
    assert cosine.within_cluster_mean == pytest.approx(np.mean(within))
    assert cosine.cross_cluster_mean == pytest.approx(np.mean(cross))
    assert cosine.diff == pytest.approx(np.mean(within) - np.mean(cross))
    for name, members in CLUSTERS.items():
        own = [c for (a, b), c in pairs.items() if a in members and b in members]
        other = [c for (a, b), c in pairs.items() if (a in members) != (b in members)]
        cluster = cosine.clusters[name]
        assert cluster.emotions == members
        assert cluster.cross == pytest.approx(np.mean(other))
        if own:
            assert cluster.diff == pytest.approx(np.mean(own) - np.mean(other))
            assert cluster.low < cluster.high
        else:
            assert np.isnan([cluster.within, cluster.diff, cluster.low, cluster.p]).all()


def test_permutation_p_nears_that_of_all_permutations() -> None:
    rng = np.random.default_rng(1)
    directions = clustered(rng, strength=0.6)[[0, 1, 3, 4, 6]]
    given = planted(directions, rng)
    clusters = {"one": ("emotion0", "emotion1"), "two": ("emotion2", "emotion3", "emotion4")}
    found = measure(given, a_corpus(given.emotions, clusters), permutations=4999)
    cosine = found.layers["layer_3"].cosine
    null = []
    for order in permutations(range(5)):
        m = cosine.matrix[np.ix_(order, order)]
        within = [m[0, 1], m[2, 3], m[2, 4], m[3, 4]]
        null.append(np.mean(within) - np.mean(m[:2, 2:]))
    exact = np.mean(np.array(null) >= cosine.diff - 1e-9)
    assert cosine.permutation.p == pytest.approx(exact, abs=0.02)
    assert cosine.permutation.null_mean == pytest.approx(np.mean(null), abs=0.02)
    assert cosine.permutation.null_std == pytest.approx(np.std(null), abs=0.02)
    assert cosine.permutation.null_max == pytest.approx(np.max(null))


def test_planted_clusters_are_found(measured: Geometry) -> None:
    for layer in measured.layers.values():
        cosine = layer.cosine
        assert cosine.reason is None
        assert cosine.diff > 0.3
        assert cosine.bootstrap.low > 0
        # 7!/(3! 3! 2!) = 70 partitions of that form: p can come no lower than about 1/70
        assert cosine.permutation.p < 0.03


def test_point_estimate_lies_within_its_interval(measured: Geometry) -> None:
    for layer in measured.layers.values():
        bootstrap = layer.cosine.bootstrap
        assert bootstrap.estimate == pytest.approx(layer.cosine.diff, abs=1e-5)
        assert bootstrap.low < bootstrap.estimate < bootstrap.high
        assert bootstrap.corrected.low < bootstrap.corrected.estimate < bootstrap.corrected.high
        assert (bootstrap.draws, bootstrap.unit, bootstrap.redrawn) == (300, "topics", 0)


def test_intervals_cover_what_they_say() -> None:
    """The corrected interval covers the true cohesion, the plain one its own expectation.

    The plain estimate is below the truth here; the draws' own percentiles would cover neither
    as often as 95%, which is why they are moved.
    """
    rng = np.random.default_rng(10)
    directions = clustered(rng)
    centred = directions - directions.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    cosine = unit @ unit.T
    within = np.mean([cosine[a, b] for a, b in ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5))])
    cross = np.mean([*cosine[:3, 3:6].ravel(), *cosine[:6, 6]])
    truth = within - cross
    found = []
    for _ in range(60):
        given = planted(directions, rng, topics=30, per_cell=1, noise=3, dialogues=0)
        found.append(measure(given, draws=200, permutations=1).layers["layer_3"].cosine.bootstrap)
    expected = np.mean([one.estimate for one in found])
    assert expected < truth - 0.05
    assert np.mean([one.corrected.estimate for one in found]) == pytest.approx(truth, abs=0.03)
    # of 60 at 95%, 50 or fewer has probability 0.001
    assert sum(one.low < expected < one.high for one in found) >= 51
    assert sum(one.corrected.low < truth < one.corrected.high for one in found) >= 51


def test_permutation_p_is_uniform_where_clusters_mean_nothing() -> None:
    rng = np.random.default_rng(2)
    ps = []
    for _ in range(200):
        given = planted(rng.normal(size=(7, 12)), rng, topics=2, per_cell=1, dialogues=0)
        found = measure(given, draws=0, permutations=199, seed=int(rng.integers(1 << 30)))
        ps.append(found.layers["layer_3"].cosine.permutation.p)
    # at most 5% false positives: of 200, above 19 has probability 0.003
    assert sum(p <= 0.05 for p in ps) <= 19
    assert np.mean(ps) == pytest.approx(0.5, abs=0.08)


def test_geometry_does_not_depend_on_scale_or_rotation(given: Planted, measured: Geometry) -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(30, 30)))

    def turned(pooled: np.ndarray, kind: str) -> Any:
        return activations(37 * pooled @ rotation, given.stories.layers, kind)

    other = replace(
        given,
        stories=turned(given.stories.pooled, "story"),
        dialogues=turned(given.dialogues.pooled, "dialogue"),
    )
    again = measure(other)
    for name, layer in measured.layers.items():
        found = again.layers[name]
        np.testing.assert_allclose(found.cosine.matrix, layer.cosine.matrix, atol=1e-4)
        np.testing.assert_allclose(found.pca.coordinates, layer.pca.coordinates, atol=1e-4)
        assert found.pca.participation_ratio == pytest.approx(
            layer.pca.participation_ratio, rel=1e-4
        )
        assert found.cosine.bootstrap.low == pytest.approx(layer.cosine.bootstrap.low, abs=1e-4)
        assert found.cosine.permutation.p == layer.cosine.permutation.p
        assert found.norms.relative == pytest.approx(layer.norms.relative, rel=1e-4)


def test_components_equal_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(7, 30)) * np.exp(rng.normal(size=(7, 1)))
    emotions = [f"emotion{e}" for e in range(7)]
    affect = affect_of(emotions, a_corpus(emotions, CLUSTERS, valence=VALENCE))
    found = component_geometry(emotions, vectors, affect)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    reference = PCA(6).fit(unit)
    coordinates = reference.transform(unit)
    np.testing.assert_allclose(found.explained_variance, reference.explained_variance_ratio_[:5])
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(coordinates[:, :5]))
    variances = reference.explained_variance_
    assert found.participation_ratio == pytest.approx(variances.sum() ** 2 / (variances**2).sum())
    gap = coordinates[[0, 1], 0].mean() - coordinates[[4, 5, 6], 0].mean()
    assert found.valence_separation_pc1 == pytest.approx(abs(gap))
    assert found.positive_mean_pc1 > found.negative_mean_pc1
    swapped = dict(zip(("negative", "positive"), VALENCE.values(), strict=True))
    affect = affect_of(emotions, a_corpus(emotions, CLUSTERS, valence=swapped))
    mirrored = component_geometry(emotions, vectors, affect)
    np.testing.assert_array_equal(mirrored.coordinates[:, 0], -found.coordinates[:, 0])
    np.testing.assert_array_equal(mirrored.coordinates[:, 1:], found.coordinates[:, 1:])


def test_stability_equals_scipys() -> None:
    rng = np.random.default_rng(5)
    matrices = {}
    for layer in (2, 10, 9):
        m = rng.normal(size=(6, 6))
        matrices[f"layer_{layer}"] = m + m.T
    found = cross_layer_stability(matrices)
    assert list(found.pairwise) == ["layer_2-layer_10", "layer_2-layer_9", "layer_10-layer_9"]
    upper = {name: m[np.triu_indices(6, 1)] for name, m in matrices.items()}
    for pair, r in found.pairwise.items():
        a, b = pair.split("-")
        assert r == pytest.approx(pearsonr(upper[a], upper[b]).statistic)
        rho = spearmanr(upper[a], upper[b]).statistic
        assert found.pairwise_spearman[pair] == pytest.approx(rho)
    assert found.mean_correlation == pytest.approx(np.mean(list(found.pairwise.values())))


def test_outlier_dimension_is_reported_and_taken_out() -> None:
    rng = np.random.default_rng(6)
    clean = planted(clustered(rng), rng, topics=10, dialogues=0)
    pooled = np.concatenate([clean.stories.pooled, np.zeros((140, 1, 1))], axis=2)
    pooled[np.isin(clean.labels, ("emotion0", "emotion3", "emotion6")), 0, 30] = 40
    spoilt = replace(
        clean,
        stories=activations(pooled, (3,), "story"),
        dialogues=activations(np.zeros((0, 1, 31)), (3,), "dialogue"),
    )
    plain, found = measure(clean).layers["layer_3"], measure(spoilt).layers["layer_3"]
    assert plain.outlier.removed == () and plain.outlier.without is None
    assert found.outlier.dimension == 30 and found.outlier.removed == (30,)
    assert found.outlier.share > 0.5
    assert found.cosine.diff < plain.cosine.diff - 0.3
    without = found.outlier.without
    assert without is not None
    np.testing.assert_allclose(without.cosine.matrix, plain.cosine.matrix, atol=1e-5)
    assert without.reliability.halves_r == pytest.approx(plain.reliability.halves_r, abs=0.01)
    assert without.cosine.bootstrap.low == pytest.approx(plain.cosine.bootstrap.low, abs=1e-5)
    np.testing.assert_allclose(without.pca.coordinates, plain.pca.coordinates, atol=1e-5)


@pytest.mark.parametrize("what", ["topics", "common", "scale"])
def test_what_all_emotions_share_changes_nothing(given: Planted, what: str) -> None:
    """Topics a hundred times as strong as emotions, a massive component, other units."""
    rng = np.random.default_rng(14)
    pooled = given.stories.pooled.astype(float)
    if what == "topics":
        strong = {topic: 100 * rng.normal(size=30) for topic in given.topic_ids}
        pooled += np.stack([strong[topic] for topic in given.topic_ids])[:, None]
    elif what == "common":
        pooled[:, :, 4] += 3000
    else:
        pooled *= 1000
    other = replace(given, stories=activations(pooled, given.stories.layers, "story"))
    if what == "scale":
        dialogues = activations(1000 * given.dialogues.pooled, given.stories.layers, "dialogue")
        other = replace(other, dialogues=dialogues)
    plain, found = (measure(one).layers["layer_9"] for one in (given, other))
    np.testing.assert_allclose(found.cosine.matrix, plain.cosine.matrix, atol=2e-3)
    assert found.cosine.diff == pytest.approx(plain.cosine.diff, abs=2e-3)
    assert found.cosine.bootstrap.low_bca == pytest.approx(plain.cosine.bootstrap.low_bca, abs=4e-3)
    assert found.reliability.halves_r == pytest.approx(plain.reliability.halves_r, abs=0.02)


def test_outlier_shares_are_shares() -> None:
    shares = outlier_shares(np.array([[3.0, 4, 0], [0, 0, 50]]))
    np.testing.assert_allclose(shares, [0.18, 0.32, 0.5])


def test_relative_norms_are_over_the_mean_residual_norm(measured: Geometry, given: Planted) -> None:
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    length = np.linalg.norm(vectors.denoised[1, 4].astype(float))
    mean = np.linalg.norm(given.stories.pooled[:, 1].astype(float), axis=1).mean()
    assert measured.layers["layer_9"].norms.relative["emotion4"] == pytest.approx(length / mean)


def test_equal_seeds_give_equal_results(given: Planted, measured: Geometry) -> None:
    assert to_json(measure(given)) == to_json(measured)
    assert measure(given, seed=1).layers["layer_3"].cosine.bootstrap != (
        measured.layers["layer_3"].cosine.bootstrap
    )


def test_json_has_the_documented_keys(measured: Geometry) -> None:
    value = json.loads(json.dumps(to_json(measured), allow_nan=False))
    assert list(value) == [
        "vectors_used",
        "primary_layer",
        "layers",
        "cross_layer_stability",
        "text_cosine",
        "text_reliability",
    ]
    assert list(value["layers"]) == ["layer_3", "layer_9", "layer_20"]
    layer = value["layers"]["layer_9"]
    keys = ["cosine", "pca", "norms", "outlier", "neutral", "reliability", "rsa", "cohesion_gain"]
    assert list(layer) == keys
    assert list(layer["rsa"]) == ["text", "embedding", "norms"]
    assert layer["cosine"]["clusters"]["alone"]["within"] is None
    assert layer["neutral"]["components"] > 0 and 0.5 <= layer["neutral"]["variance"] <= 1
    assert len(layer["pca"]["coordinates"]) == 7 and len(layer["pca"]["coordinates"][0]) == 5
    assert isinstance(layer["outlier"]["dimension"], int)
