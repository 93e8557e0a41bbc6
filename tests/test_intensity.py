from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from planted import a_corpus, vectors_from
from scipy.stats import kstest, spearmanr
from scipy.stats import t as student

from evmlx.corpus import Corpus, IntensityTemplate
from evmlx.errors import EvmlxError
from evmlx.intensity import intensity, spearman
from evmlx.intensity_results import Intensity, LayerIntensity
from evmlx.random_directions import in_span, random_rotations
from evmlx.results import to_json
from evmlx.store import Activations
from evmlx.vectors import EmotionVectors

WIDTH = 40
EMOTIONS = tuple(f"emotion{n}" for n in range(12))
VALUES = (2.0, 3.0, 5.0, 8.0, 12.0, 24.0, 2_000_000.0)
STEPS = np.linspace(-1, 1, 7)


def some_vectors(
    rng: np.random.Generator, emotions: Sequence[str] = EMOTIONS, layers: Sequence[int] = (4,)
) -> EmotionVectors:
    """Vectors that share an axis, as negative emotions do, and two neutral components."""
    shape = (len(layers), len(emotions), WIDTH)
    raw = rng.normal(size=shape)
    raw += (
        2
        * rng.normal(size=(len(layers), len(emotions), 1))
        * rng.normal(size=(len(layers), 1, WIDTH))
        / np.sqrt(WIDTH)
    )
    return vectors_from(raw, emotions, layers, rng)


def templates_for(targets: Sequence[str]) -> tuple[IntensityTemplate, ...]:
    """One template each; every other has a number that means less of the emotion."""
    return tuple(
        IntensityTemplate(f"{target}-text", target, "{n}", VALUES, "{n}", "down" if k % 2 else "up")
        for k, target in enumerate(targets)
    )


def a_corpus_of(
    templates: Sequence[IntensityTemplate], emotions: Sequence[str] = EMOTIONS
) -> Corpus:
    return replace(a_corpus(emotions, {}), intensity=tuple(templates))


def read_as(
    templates: Sequence[IntensityTemplate],
    vectors: EmotionVectors,
    rng: np.random.Generator,
    *,
    signal: float = 0.0,
    number: float = 0.0,
    noise: float = 0.5,
) -> Activations:
    """Residuals: something of each text's own, a target that follows the number, and the number.

    `number` is a direction that every text follows as the number grows, up the target's vector
    where the template's direction is up, and down it where it is down.
    """
    count, width = len(templates) * 7, len(vectors.layers)
    pooled = np.empty((count, width, WIDTH))
    for at in range(width):
        rows = []
        for template in templates:
            turn = 1 if template.direction == "up" else -1
            own = rng.normal(size=WIDTH)
            target = vectors.denoised[at, vectors.emotions.index(template.target)]
            steps = STEPS[:, None] * turn
            text = own + noise * rng.normal(size=(7, WIDTH)) + (signal + number) * steps * target
            text += 5 * rng.normal(size=(7, 2)) @ vectors.neutral_basis[at]
            rows.append(text)
        pooled[:, at] = vectors.story_mean[at] + np.concatenate(rows)
    ids = tuple(f"{t.id}/{value:g}" for t in templates for value in t.values)
    return Activations(ids, np.full(count, 40, np.int32), vectors.layers, pooled.astype(np.float32))


def measured(
    rng: np.random.Generator, count: int = 10, draws: int = 1000, seed: int = 0, **signal: float
) -> LayerIntensity:
    """Measure made-up texts: `signal` in the texts alone, `number` in the controls as well."""
    vectors = some_vectors(rng)
    templates = templates_for(EMOTIONS[:count])
    texts = read_as(templates, vectors, rng, **signal)
    controls = read_as(templates, vectors, rng, number=signal.get("number", 0.0))
    found = intensity(
        texts, controls, vectors, a_corpus_of(templates), primary_layer=4, seed=seed, draws=draws
    )
    return found.layers["layer_4"]


def test_a_planted_dose_is_found() -> None:
    found = measured(np.random.default_rng(0), signal=2.0)
    assert found.n == 10 and len(found.templates) == 10
    assert found.mean_rho > 0.95  # also of the five whose number means less
    assert abs(found.mean_control_rho) < 0.5
    assert found.low < found.mean_difference < found.high
    assert found.low > 0
    assert found.p == 1 / 1001
    assert found.null_mean == pytest.approx(0, abs=0.1)
    # of seven numbers, random directions often put all in order: one text alone shows little
    assert max(one.p for one in found.templates) < 0.5
    assert np.median([one.p for one in found.templates]) < 0.25


def test_numbers_that_move_the_control_as_much_are_not_credited() -> None:
    found = measured(np.random.default_rng(1), number=2.0)
    assert found.mean_rho > 0.95
    assert found.mean_control_rho > 0.95
    assert found.mean_difference == pytest.approx(0, abs=0.1)
    assert found.p > 0.1
    assert not found.low > 0


def test_figures_equal_those_computed_by_hand() -> None:
    rng = np.random.default_rng(2)
    vectors = some_vectors(rng)
    templates = templates_for(EMOTIONS[3:7])
    texts = read_as(templates, vectors, rng, signal=0.4)
    controls = read_as(templates, vectors, rng)
    result = intensity(
        texts, controls, vectors, a_corpus_of(templates), primary_layer=4, seed=0
    ).layers["layer_4"]
    basis, mean = vectors.neutral_basis[0].astype(float), vectors.story_mean[0].astype(float)
    differences = []
    for k, (template, found) in enumerate(zip(templates, result.templates, strict=True)):
        assert (found.id, found.direction) == (template.id, template.direction)
        v = vectors.denoised[0, EMOTIONS.index(template.target)].astype(float)
        rhos = []
        for given, scores in ((texts, found.scores), (controls, found.control_scores)):
            for value, residual, score in zip(
                VALUES, given.pooled[7 * k : 7 * k + 7, 0].astype(float), scores, strict=True
            ):
                assert value in template.values
                text = residual - mean
                text = text - sum((text @ direction) * direction for direction in basis)
                assert score == pytest.approx(text @ v / np.linalg.norm(text) / np.linalg.norm(v))
            turn = 1 if template.direction == "up" else -1
            rhos.append(turn * spearmanr(VALUES, scores).statistic)
        assert (found.rho, found.control_rho) == pytest.approx(rhos)
        assert found.difference == pytest.approx(rhos[0] - rhos[1])
        differences.append(rhos[0] - rhos[1])
    assert result.mean_difference == pytest.approx(np.mean(differences))
    bounds = student.interval(
        0.95, 3, loc=np.mean(differences), scale=np.std(differences, ddof=1) / 2
    )
    assert (result.low, result.high) == pytest.approx(np.clip(bounds, -2, 2))


def test_spearman_is_that_of_scipy_with_ties_and_nan_where_nothing_varies() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 4, size=(50, 3, 7)).astype(float)
    for values in (np.array(VALUES), np.array([1.0, 2, 2, 3, 3, 3, 9])):
        found = spearman(values, scores)
        assert found.shape == (50, 3)
        for row, column in np.ndindex(50, 3):
            expected = spearmanr(values, scores[row, column]).statistic
            assert found[row, column] == pytest.approx(expected)
    assert np.isnan(spearman(np.array(VALUES), np.full(7, 0.1) + 1e-17 * rng.normal(size=7)))
    assert np.isnan(spearman(np.full(7, 3.0), np.arange(7.0)))


def test_rotations_are_orthogonal_and_point_everywhere() -> None:
    turns = random_rotations(5, 4000, np.random.default_rng(4))
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(5), (4000, 5, 5)), atol=1e-12
    )
    assert (np.linalg.det(turns) > 0).mean() == pytest.approx(0.5, abs=0.05)
    # a coordinate x of a point uniform on the sphere in 5 dimensions: (x + 1) / 2 ~ Beta(2, 2)
    assert kstest((turns[:, 2, 0] + 1) / 2, "beta", args=(2, 2)).pvalue > 0.001


def test_span_keeps_cosines() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(6, WIDTH))
    vectors = (vectors - vectors.mean(axis=0)).astype(np.float32)
    vectors[4] = 0
    residuals = rng.normal(size=(9, WIDTH))
    texts, axes = in_span(residuals, vectors)
    assert axes.shape == (6, 5)
    assert not axes[4].any()
    lengths = np.outer(
        np.linalg.norm(residuals, axis=1), np.linalg.norm(vectors.astype(float), axis=1)
    )
    lengths[:, 4] = 1
    np.testing.assert_allclose(
        texts @ axes.T, residuals @ vectors.astype(float).T / lengths, atol=1e-6
    )


def test_layers_are_matched_by_number() -> None:
    rng = np.random.default_rng(6)
    vectors = some_vectors(rng, layers=(4, 9))
    templates = templates_for(EMOTIONS[:3])
    corpus = a_corpus_of(templates)
    texts, controls = read_as(templates, vectors, rng, signal=1.0), read_as(templates, vectors, rng)
    turned = [replace(a, layers=(9, 4), pooled=a.pooled[:, ::-1]) for a in (texts, controls)]
    for given in ((texts, controls), turned):
        found = intensity(*given, vectors, corpus, primary_layer=4, seed=0)
        assert list(found.layers) == ["layer_4", "layer_9"]
    one, other = (
        to_json(intensity(a, b, vectors, corpus, primary_layer=4, seed=0))
        for a, b in ((texts, controls), (turned[0], controls))
    )
    assert one == other


def layer_of(found: Intensity) -> LayerIntensity:
    return found.layers["layer_4"]


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_computed_is_null_with_a_reason() -> None:
    rng = np.random.default_rng(7)
    vectors = some_vectors(rng)
    templates = templates_for(EMOTIONS[:3])
    corpus = a_corpus_of(templates)
    texts, controls = read_as(templates, vectors, rng, signal=1.0), read_as(templates, vectors, rng)
    settings = {"primary_layer": 4, "seed": 0, "draws": 50}

    none = intensity(texts, controls, vectors, a_corpus_of(()), **settings)
    assert none.layers == {} and none.reason and "no intensity templates" in none.reason
    for given in ((None, None), (texts, None), (None, controls)):
        missing = intensity(*given, vectors, corpus, **settings)
        assert missing.layers == {} and missing.reason and "evmlx extract" in missing.reason

    # a target without a vector, and one whose vector is zero: left out, the rest stands
    without = replace(vectors, denoised=vectors.denoised.copy())
    without.denoised[:, 0] = 0
    lacking = layer_of(intensity(texts, controls, without, corpus, **settings))
    renamed = replace(vectors, emotions=("another", *EMOTIONS[1:]))
    for found in (lacking, layer_of(intensity(texts, controls, renamed, corpus, **settings))):
        assert found.n == 2
        assert found.templates[0].reason and "emotion0" in found.templates[0].reason
        assert to_json(found)["templates"][0]["scores"] == [None] * 7
        assert found.mean_difference == pytest.approx(
            np.mean([one.difference for one in found.templates[1:]])
        )
        assert 0 < found.p <= 1

    # all vectors are zero: the activations of the stories were constant
    flat = replace(vectors, denoised=np.zeros_like(vectors.denoised))
    nothing = to_json(layer_of(intensity(texts, controls, flat, corpus, **settings)))
    assert nothing["n"] == 0 and nothing["reason"]
    assert [nothing[key] for key in ("mean_difference", "low", "high", "p")] == [None] * 4

    # constant texts or controls
    same = replace(texts, pooled=np.repeat(texts.pooled[:1], 21, axis=0))
    for given, what in (((same, controls), "the text"), ((texts, same), "the control text")):
        still = layer_of(intensity(*given, vectors, corpus, **settings))
        assert still.n == 0 and still.reason and what in still.reason
        assert np.isnan(still.p)

    # one template: a difference and its p, no interval
    first = [replace(a, ids=a.ids[:7], pooled=a.pooled[:7]) for a in (texts, controls)]
    alone = layer_of(intensity(*first, vectors, a_corpus_of(templates[:1]), **settings))
    assert alone.n == 1 and np.isfinite(alone.mean_difference) and 0 < alone.p <= 1
    assert np.isnan(alone.low) and alone.reason and "one template" in alone.reason


@pytest.mark.filterwarnings("error")
def test_two_emotions_leave_two_directions_and_no_small_p() -> None:
    rng = np.random.default_rng(8)
    vectors = some_vectors(rng, EMOTIONS[:2])
    templates = templates_for(EMOTIONS[:2])
    texts, controls = read_as(templates, vectors, rng, signal=3.0), read_as(templates, vectors, rng)
    corpus = a_corpus_of(templates, EMOTIONS[:2])
    found = layer_of(intensity(texts, controls, vectors, corpus, primary_layer=4, seed=0))
    assert found.mean_rho > 0.95
    assert found.p == pytest.approx(0.5, abs=0.06)


def test_texts_of_another_corpus_are_refused() -> None:
    rng = np.random.default_rng(9)
    vectors = some_vectors(rng)
    templates = templates_for(EMOTIONS[:2])
    texts = read_as(templates, vectors, rng)
    other = a_corpus_of((templates[0], replace(templates[1], values=VALUES[::-1])))
    with pytest.raises(EvmlxError, match="evmlx extract"):
        intensity(texts, texts, vectors, other, primary_layer=4, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0.0, 0.7])
def test_p_rejects_one_in_twenty_where_texts_and_vectors_have_nothing_in_common(
    number: float,
) -> None:
    """Texts drift along one axis of the span as numbers grow: all scores move, none for cause."""
    rejected, ps = 0, []
    for k in range(400):
        rng = np.random.default_rng((10, k))
        vectors = some_vectors(rng)
        templates = templates_for(EMOTIONS[:10])
        texts, controls = read_as(templates, vectors, rng), read_as(templates, vectors, rng)
        axis = rng.normal(size=len(EMOTIONS)) @ vectors.denoised[0] / np.sqrt(len(EMOTIONS))
        drift = number * np.tile(STEPS, 10)[:, None, None] * axis
        texts = replace(texts, pooled=(texts.pooled + drift).astype(np.float32))
        found = layer_of(
            intensity(
                texts, controls, vectors, a_corpus_of(templates),
                primary_layer=4, seed=k, draws=199,
            )
        )  # fmt: skip
        ps.append(found.p)
        rejected += found.p <= 0.05
    assert 0.03 <= rejected / 400 <= 0.07
    assert kstest(ps, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_interval_holds_the_mean_over_templates() -> None:
    """Templates whose texts follow the number to different degrees."""
    held, found = 0, []
    for k in range(500):
        rng = np.random.default_rng((11, k))
        vectors = some_vectors(rng)
        templates = templates_for(EMOTIONS[:10])
        texts, controls = read_as(templates, vectors, rng), read_as(templates, vectors, rng)
        strength = rng.normal(0.4, 0.6, size=10)
        for t, template in enumerate(templates):
            turn = 1 if template.direction == "up" else -1
            v = vectors.denoised[0, EMOTIONS.index(template.target)]
            texts.pooled[7 * t : 7 * t + 7, 0] += turn * strength[t] * STEPS[:, None] * v
        found.append(
            layer_of(
                intensity(
                    texts, controls, vectors, a_corpus_of(templates),
                    primary_layer=4, seed=k, draws=1,
                )
            )
        )  # fmt: skip
    truth = np.mean([one.mean_difference for one in found])
    held = sum(one.low <= truth <= one.high for one in found)
    assert 0.2 < truth < 1
    assert 0.93 <= held / 500 <= 0.97
