"""Figures that others published, recomputed from the vectors that they published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evmlx.affect import affect_of
from evmlx.circumplex import circumplex
from evmlx.corpus import Corpus, load_corpus
from evmlx.cosine_draws import cosine_draws, topic_plan
from evmlx.geometry import geometry
from evmlx.norm_rsa import norm_rsa
from evmlx.published_separations import published_protocol
from evmlx.reliability import reliability
from evmlx.resampling import draw_permutations, story_cells
from evmlx.results import to_json
from evmlx.rsa import compared, rsa
from evmlx.text_cells import tfidf_cells
from evmlx.vectors import EmotionVectors, read_vector_file

# PC1 separations on unit vectors as the folder's README states them, layers ascending
MODELS = {
    "llama-3.1-8b-instruct": {8: 0.713, 16: 0.777, 20: 0.772, 25: 0.748},
    "qwen2.5-1.5b-instruct": {7: 0.664, 14: 0.687, 17: 0.725, 22: 0.690},
}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """The shipped corpus: the published one has the same emotions and clusters."""
    return load_corpus()


@pytest.fixture(scope="module", params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def vectors(external: Path, model: str) -> EmotionVectors:
    emotions, layers, denoised = read_vector_file(
        external / "published" / model / "denoised_vectors.npz"
    )
    width = denoised.shape[2]
    return EmotionVectors(
        emotions=emotions,
        layers=layers,
        raw=denoised,
        denoised=denoised,
        neutral_basis=tuple(np.zeros((0, width), np.float32) for _ in layers),
        neutral_variance=tuple(float("nan") for _ in layers),
        story_mean=np.zeros((len(layers), width), np.float32),
        residual_norm=np.full(len(layers), np.nan),
        stories=(150,) * len(emotions),
    )


@pytest.fixture(scope="module")
def measured(vectors: EmotionVectors, corpus: Corpus) -> Mapping[str, Any]:
    primary = vectors.layers[-2]
    result = geometry(
        vectors, None, [], [], corpus, primary_layer=primary, seed=0, permutations=999
    )
    return dict(to_json(result))


@pytest.fixture(scope="module")
def published(external: Path, model: str) -> Mapping[str, Any]:
    folder = external / "published" / model
    return {
        name: json.loads((folder / f"{name}_results.json").read_text())
        for name in ("validation", "arousal")
    }


def test_layers_are_sorted_as_numbers(vectors: EmotionVectors, model: str) -> None:
    assert vectors.layers == tuple(MODELS[model])


def test_cosines_equal_the_published_ones(
    measured: Mapping[str, Any], published: Mapping[str, Any], model: str
) -> None:
    for layer in MODELS[model]:
        ours = measured["layers"][f"layer_{layer}"]["cosine"]
        theirs = published["validation"][f"layer_{layer}"]["cosine"]
        order = [ours["emotions"].index(emotion) for emotion in theirs["emotions"]]
        matrix = np.array(ours["matrix"])[np.ix_(order, order)]
        np.testing.assert_allclose(matrix, theirs["matrix"], atol=1e-4)
        for figure in ("within_cluster_mean", "cross_cluster_mean", "diff"):
            assert ours[figure] == pytest.approx(theirs[figure], abs=1e-4)


def test_stability_equals_the_published_one(
    measured: Mapping[str, Any], published: Mapping[str, Any]
) -> None:
    ours = measured["cross_layer_stability"]
    theirs = published["validation"]["cross_layer_stability"]
    assert ours["mean_correlation"] == pytest.approx(theirs["mean_correlation"], abs=1e-4)
    # their pairs are named with layers sorted as text
    pairs = {frozenset(pair.split("-")): r for pair, r in ours["pairwise"].items()}
    assert len(pairs) == len(theirs["pairwise_correlations"]) == 6
    for pair, r in theirs["pairwise_correlations"].items():
        assert pairs[frozenset(pair.split("-"))] == pytest.approx(r, abs=1e-4)


def test_pc1_separation_on_unit_vectors_is_as_stated(
    measured: Mapping[str, Any], model: str
) -> None:
    for layer, stated in MODELS[model].items():
        pca = measured["layers"][f"layer_{layer}"]["pca"]
        assert pca["valence_separation_pc1"] == pytest.approx(stated, abs=1e-3)


def test_published_protocol_equals_the_published_separations(
    vectors: EmotionVectors, corpus: Corpus, published: Mapping[str, Any]
) -> None:
    affect = affect_of(vectors.emotions, corpus)
    for at, layer in enumerate(vectors.layers):
        ours = to_json(published_protocol(vectors.denoised[at], affect))
        theirs = published["arousal"]["layers"][f"layer_{layer}"]
        assert ours["best_valence_pc"] == theirs["best_valence_pc"]
        assert ours["best_arousal_pc"] == theirs["best_arousal_pc"]
        for figure in ("valence_separation", "arousal_separation"):
            assert ours[figure] == pytest.approx(theirs[figure], abs=1e-3)
        for mine, other in zip(ours["pc_analysis"], theirs["pc_analysis"], strict=True):
            assert mine == pytest.approx(other, abs=1e-3)
        validation = published["validation"][f"layer_{layer}"]["pca"]
        assert ours["valence_separation"] == pytest.approx(
            validation["valence_separation_pc1"], abs=1e-3
        )


def test_despair_and_shame_do_not_cohere(measured: Mapping[str, Any], model: str) -> None:
    for layer in MODELS[model]:
        cosine = measured["layers"][f"layer_{layer}"]["cosine"]
        assert cosine["clusters"]["Despair & Shame"]["within"] < 0
        assert cosine["clusters"]["Vigilant Suspicion"]["within"] is None
        assert cosine["diff"] > 0
        assert cosine["permutation"]["p"] <= 0.01


def test_pc1_follows_human_valence_but_not_among_the_negative(
    vectors: EmotionVectors, corpus: Corpus
) -> None:
    """Three pleasant words carry the correlation."""
    result = circumplex(vectors, corpus, seed=0, permutations=999)
    for layer in result.layers.values():
        first = layer.components[0]
        assert 0.4 < first["valence_r"] < 0.55
        assert abs(first["valence_negative_r"]) < 0.25
        assert first["valence_negative_p"] > 0.3


def test_words_alone_give_most_of_the_geometry(
    vectors: EmotionVectors, external: Path, corpus: Corpus
) -> None:
    """TF-IDF of the published stories arranges the emotions as both models do, r about 0.83."""
    stories = load_corpus(external / "corpus").stories
    cells = story_cells(
        [s.emotion for s in stories], [s.topic_id for s in stories], vectors.emotions
    )
    words = tfidf_cells([s.text for s in stories], cells).sums
    assert words is not None
    plan = topic_plan(cells, 0, np.random.default_rng(0), np.random.default_rng(1))
    drawn = cosine_draws(words, plan)
    text = compared(drawn.plain[0], drawn)
    orders = draw_permutations(len(vectors.emotions), 999, np.random.default_rng(2))
    affect = affect_of(vectors.emotions, corpus)
    for denoised in vectors.denoised:
        unit = denoised / np.linalg.norm(denoised, axis=1, keepdims=True)
        model = replace(text, matrix=(unit @ unit.T).astype(np.float64))
        found = rsa(model, text, orders, float("nan"))
        assert found.r == pytest.approx(0.835, abs=0.025)
        assert found.p == 0.001
        human = norm_rsa(model, text, affect, orders)
        assert human.partial_r < human.r
    # the words repeat with other topics: their cosines are not noise
    assert reliability(drawn).spearman_brown > 0.9


def test_intervals_without_activations_say_why(measured: Mapping[str, Any]) -> None:
    for layer in measured["layers"].values():
        bootstrap = layer["cosine"]["bootstrap"]
        assert bootstrap["low"] is None and bootstrap["reason"] == "no activations to resample"
