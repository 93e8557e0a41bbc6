"""Norm axes and Procrustes fit of whole layers: from stories to intervals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import Planted, a_corpus, activations, planted
from planted_affect import EMOTIONS, affective_plane, affective_stories, as_vectors, with_norms
from scipy.stats import norm as normal
from scipy.stats import t as student
from sklearn.feature_extraction.text import TfidfVectorizer

from evmlx.circumplex import Circumplex, circumplex
from evmlx.corpus import Corpus, load_corpus
from evmlx.norm_axis import DrawnCosines, norm_axis
from evmlx.resampling import draw_topics, story_cells
from evmlx.results import to_json
from evmlx.vectors import emotion_vectors, read_vector_file


def from_stories(
    given: Planted,
    corpus: Corpus,
    draws: int = 200,
    permutations: int = 99,
    texts: list[str] | None = None,
) -> Circumplex:
    return circumplex(
        emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues),
        corpus,
        0,
        permutations,
        stories=given.stories,
        labels=given.labels,
        topic_ids=given.topic_ids,
        texts=texts,
        draws=draws,
    )


def test_fits_find_the_planted_plane_with_their_intervals() -> None:
    given, corpus = affective_stories(np.random.default_rng(22))
    result = from_stories(given, corpus)
    layer = result.layers["layer_3"]
    assert result.bootstrap_draws == 200
    for scale in ("valence", "arousal"):
        axis = layer.norm_axis[scale]
        assert axis.p <= 0.02 and 0.4 < axis.low < axis.r < axis.high < 1
        assert axis.low_emotions < axis.r < axis.high_emotions
        assert axis.reason is None and axis.null_mean < 0
    assert layer.norm_axis["dominance"].r < layer.norm_axis["valence"].r
    plane = layer.procrustes
    assert plane.p <= 0.02 and plane.low < plane.r2 < plane.high
    assert plane.covariance is not None and plane.covariance.shape == (12, 2, 2)


def test_words_that_follow_a_rating_show_in_the_text_control() -> None:
    given, corpus = affective_stories(np.random.default_rng(29))
    assert corpus.norms is not None
    place = np.argsort(np.argsort(corpus.norms.valence))
    at = {emotion: int(place[row]) for row, emotion in enumerate(corpus.emotions)}
    # emotions of neighbouring valence share most of their words, others fewer
    texts = [" ".join(f"w{at[label] + k}" for k in range(8)) for label in given.labels]
    result = from_stories(given, corpus, draws=50, permutations=999, texts=texts)
    words = result.text_control
    assert words is not None and result.text_reason is None
    assert words.norm_axis["valence"].r > 0.8 and words.norm_axis["valence"].p < 0.01
    assert words.norm_axis["arousal"].p > 0.05
    rows = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(texts)
    labels = np.array(given.labels)
    means = np.vstack([rows[labels == e].mean(axis=0) for e in given.emotions])
    unit = np.asarray(means - means.mean(axis=0))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    alone = DrawnCosines(np.zeros((0, 12, 12)), 0, "none")
    anew = norm_axis(unit @ unit.T, alone, np.array(corpus.norms.valence, float), 0, 999)
    assert words.norm_axis["valence"].r == pytest.approx(anew.r)
    without = from_stories(given, corpus, draws=10)
    assert without.text_control is None and without.text_reason == "no texts of the stories"


def test_intervals_equal_measuring_resampled_stories_anew() -> None:
    """Means, projection, unit vectors and fits of the stories of each draw, repeated."""
    given, corpus = affective_stories(np.random.default_rng(23))
    found = from_stories(given, corpus, draws=40).layers["layer_3"]
    counts = story_cells(given.labels, given.topic_ids, given.emotions).counts
    topic = np.array([int(t.removeprefix("topic")) for t in given.topic_ids])
    r, points = [], []
    for weights in draw_topics(counts, 40, np.random.default_rng(0)).weights:
        rows = np.repeat(np.arange(len(topic)), weights.astype(int)[topic])
        again = replace(
            given,
            stories=activations(given.stories.pooled[rows], given.stories.layers, "story"),
            labels=tuple(given.labels[row] for row in rows),
            topic_ids=tuple(given.topic_ids[row] for row in rows),
        )
        layer = from_stories(again, corpus, draws=0).layers["layer_3"]
        r.append(layer.norm_axis["valence"].r)
        points.append(layer.procrustes.model)
    axis, z = found.norm_axis["valence"], np.arctanh(r)
    tail = normal.cdf(np.sqrt(8 / 7) * student.ppf(0.025, 7))  # of eight topics
    bounds = np.arctanh(axis.r) + np.quantile(z, [tail, 1 - tail]) - z.mean()
    assert (axis.low, axis.high) == pytest.approx(tuple(np.tanh(bounds)), abs=1e-5)
    assert found.procrustes.covariance is not None
    for e in (0, 5, 11):
        reference = np.cov(np.array(points)[:, e].T)
        np.testing.assert_allclose(found.procrustes.covariance[e], reference, atol=1e-5)


def test_fits_are_repeated_without_outlier_dimensions() -> None:
    rng = np.random.default_rng(24)
    vectors, valence, arousal = affective_plane(rng)
    spread, _ = np.linalg.qr(rng.normal(size=(90, 20)))  # so that no dimension stands out
    given = planted(vectors @ spread.T / 2, rng, topics=8)
    corpus = with_norms(valence, arousal)
    # one dimension of which every emotion has much, either way
    loud = 40 * (np.array([int(e.removeprefix("emotion")) for e in given.labels]) % 2)
    pooled = np.concatenate([given.stories.pooled, loud[:, None, None]], axis=2)
    still = np.zeros((12, 1, 1))
    spoilt = replace(
        given,
        stories=activations(pooled, given.stories.layers, "story"),
        dialogues=activations(
            np.concatenate([given.dialogues.pooled, still], axis=2), (3,), "dialogue"
        ),
    )
    clean = from_stories(given, corpus).layers["layer_3"]
    layer = from_stories(spoilt, corpus).layers["layer_3"]
    assert clean.fits_without_outliers is None and layer.fits_without_outliers is not None
    assert layer.norm_axis["valence"].r < clean.norm_axis["valence"].r - 0.1
    without = layer.fits_without_outliers
    assert without.norm_axis["valence"].r == pytest.approx(clean.norm_axis["valence"].r, abs=1e-4)
    assert without.procrustes.r2 == pytest.approx(clean.procrustes.r2, abs=1e-4)


def test_three_pleasant_words_cannot_carry_the_axis_among_the_negative() -> None:
    rng = np.random.default_rng(25)
    valence = np.array([8.0, 7.5, 7.0, *rng.uniform(1.5, 3.0, 9)])
    pleasant = np.arange(12) < 3
    vectors = rng.normal(size=(12, 20)) + 3 * np.outer(pleasant, rng.normal(size=20))
    layer = circumplex(
        as_vectors(vectors[None]), with_norms(valence, rng.normal(size=12)), 0, 999
    ).layers["layer_4"]
    assert layer.norm_axis["valence"].r > 0.8 and layer.norm_axis["valence"].p < 0.01
    among = layer.norm_axis_negative["valence"]
    assert among.n == 9 and among.p > 0.05
    assert np.isnan(among.predicted[:3]).all() and np.isfinite(among.predicted[3:]).all()


def test_fits_without_stories_or_norms_have_reasons_in_json() -> None:
    vectors = np.random.default_rng(26).normal(size=(1, 12, 20))
    corpus = with_norms(np.arange(12.0), np.arange(12.0)[::-1] ** 2)
    layer = to_json(circumplex(as_vectors(vectors), corpus, 0, 99))["layers"]["layer_4"]
    for found in (layer["norm_axis"]["valence"], layer["procrustes"]):
        assert found["low"] is None and "no activations" in found["reason"]
        assert found["p"] is not None
    assert layer["procrustes"]["covariance"] is None
    bare = to_json(circumplex(as_vectors(vectors), a_corpus(EMOTIONS, {}), 0, 99))
    layer = bare["layers"]["layer_4"]
    axis = layer["norm_axis"]["arousal"]
    assert axis["r"] is None and axis["n"] == 0 and axis["predicted"] == [None] * 12
    assert "0 emotions are rated" in axis["reason"]
    assert layer["procrustes"]["model"] == [] and layer["procrustes"]["r2"] is None
    json.dumps(bare, allow_nan=False)


@pytest.mark.parametrize("external_model", ["llama-3.1-8b-instruct", "qwen2.5-1.5b-instruct"])
def test_published_vectors_hold_a_valence_axis_and_no_sure_arousal_axis(
    external: Path, external_model: str
) -> None:
    """Valence can be predicted at every layer of both; among the negative emotions, at none."""
    emotions, layers, denoised = read_vector_file(
        external / "published" / external_model / "denoised_vectors.npz"
    )
    vectors = replace(
        as_vectors(denoised), emotions=emotions, layers=layers, stories=(150,) * len(emotions)
    )
    for layer in circumplex(vectors, load_corpus(), 0).layers.values():
        assert 0.35 < layer.norm_axis["valence"].r < 0.65
        assert layer.norm_axis["valence"].p < 0.05
        assert layer.norm_axis_negative["valence"].p > 0.05
        assert layer.norm_axis["arousal"].p > 0.04
