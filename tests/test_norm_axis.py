"""Norm axis against scikit-learn, planted directions, and its own null."""

from __future__ import annotations

import time

import numpy as np
import pytest
from planted import Planted, planted
from scipy.stats import pearsonr, t
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from evmlx.norm_axis import DrawnCosines, NormAxis, leave_one_out, norm_axis
from evmlx.resampling import cell_sums, draw_topics, resampled_cosines, story_cells

EMOTIONS, WIDTH = 20, 60
NO_DRAWS = DrawnCosines(np.zeros((0, EMOTIONS, EMOTIONS)), 0, "none drawn")


def unit(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=-2, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=-1, keepdims=True))


def cosines(vectors: np.ndarray) -> np.ndarray:
    return unit(vectors) @ np.swapaxes(unit(vectors), -1, -2)


def a_scene(rng: np.random.Generator, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Vectors with variances as uneven as real ones, and a norm along one direction of them."""
    norm = rng.normal(size=EMOTIONS)
    vectors = rng.normal(size=(EMOTIONS, WIDTH)) * np.exp(-np.arange(WIDTH) / 8)
    axis = rng.normal(size=WIDTH) * np.exp(-np.arange(WIDTH) / 8)
    return vectors + strength * np.outer(norm, axis), norm


def measure(vectors: np.ndarray, norm: np.ndarray, permutations: int = 999) -> NormAxis:
    return norm_axis(cosines(vectors), NO_DRAWS, norm, 0, permutations)


def refitted(vectors: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Predictions by scikit-learn, one fit for each emotion left out."""
    u = unit(vectors)
    spread = np.var(u, axis=0).sum() * len(u) / (len(u) - 1)
    return np.asarray(cross_val_predict(Ridge(alpha=spread), u, norm, cv=LeaveOneOut()))


def test_predictions_equal_scikit_learns_ridge_left_one_out() -> None:
    vectors, norm = a_scene(np.random.default_rng(0), 0.7)
    found = measure(vectors, norm)
    reference = refitted(vectors, norm)
    np.testing.assert_allclose(found.predicted, reference, atol=1e-9)
    assert found.r == pytest.approx(pearsonr(reference, norm).statistic)
    assert found.n == EMOTIONS and found.draws == 999


def test_p_and_null_mean_equal_refitting_under_each_permutation() -> None:
    rng = np.random.default_rng(1)
    vectors, norm = a_scene(rng, 0.3)
    found = measure(vectors, norm, 9999)
    permuted = np.array([rng.permutation(norm) for _ in range(2000)])
    predicted = refitted(vectors, permuted.T).T  # ridge fits each column by itself
    null = [pearsonr(*pair).statistic for pair in zip(predicted, permuted, strict=True)]
    assert found.p == pytest.approx(np.mean(np.array(null) >= found.r), abs=0.03)
    assert found.null_mean == pytest.approx(np.mean(null), abs=0.03)


def test_null_mean_is_negative() -> None:
    """Leaving one out pulls the mean of the others away: -1 where nothing else predicts."""
    rng = np.random.default_rng(2)
    means = [measure(rng.normal(size=(EMOTIONS, WIDTH)), rng.normal(size=EMOTIONS)).null_mean]
    means += [measure(*a_scene(rng, 0.0)).null_mean for _ in range(5)]
    assert max(means) < -0.03
    # vectors at right angles say nothing of each other: each prediction is the others' mean
    alone = norm_axis(np.eye(EMOTIONS), NO_DRAWS, rng.normal(size=EMOTIONS), 0, 99)
    assert alone.r == pytest.approx(-1) and alone.null_mean == pytest.approx(-1)
    assert alone.p == 1


def test_planted_axis_is_found_in_stories_and_random_vectors_give_none() -> None:
    rng = np.random.default_rng(3)
    directions, norm = a_scene(rng, 1.0)
    found = through_stories(planted(2 * directions, rng, topics=10), norm)
    assert found.r > 0.6 and found.p < 0.01 and found.low > 0.3
    assert found.low < found.r < found.high
    other = through_stories(planted(2 * directions, rng, topics=10), rng.normal(size=EMOTIONS))
    assert other.p > 0.05


def through_stories(given: Planted, norm: np.ndarray, draws: int = 300) -> NormAxis:
    cells = story_cells(given.labels, given.topic_ids, given.emotions)
    residuals = given.stories.pooled[:, 0].astype(np.float64)
    sums = cell_sums(residuals, cells, residuals.mean(axis=0))
    drawn = draw_topics(cells.counts, draws, np.random.default_rng(0)).weights
    every = np.concatenate([np.ones((1, drawn.shape[1])), drawn])
    plain, _ = resampled_cosines(sums, cells.counts, every)
    return norm_axis(plain[0], DrawnCosines(plain[1:], drawn.shape[1], None), norm, 0, 999)


def test_lengths_and_units_of_the_norm_do_not_matter() -> None:
    vectors, norm = a_scene(np.random.default_rng(4), 0.5)
    found, other = measure(vectors, norm), measure(1000 * vectors, -5 + 0.1 * norm)
    assert other.r == pytest.approx(found.r) and other.p == found.p
    np.testing.assert_allclose(other.predicted, -5 + 0.1 * found.predicted)


def test_emotions_without_a_rating_are_left_out() -> None:
    vectors, norm = a_scene(np.random.default_rng(5), 0.7)
    holes = norm.copy()
    holes[[3, 11]] = np.nan
    found = measure(vectors, holes)
    rated = np.isfinite(holes)
    u = unit(vectors)[rated]
    spread = np.var(u, axis=0).sum() * len(u) / (len(u) - 1)
    reference = cross_val_predict(Ridge(alpha=spread), u, norm[rated], cv=LeaveOneOut())
    np.testing.assert_allclose(found.predicted[rated], reference, atol=1e-9)
    assert np.isnan(found.predicted[[3, 11]]).all() and found.n == EMOTIONS - 2


@pytest.mark.parametrize("case", ["four rated", "none rated", "constant", "zero vector", "equal"])
def test_degenerate_input_has_a_reason(case: str) -> None:
    vectors, norm = a_scene(np.random.default_rng(6), 0.7)
    matrix = cosines(vectors)
    drawn = DrawnCosines(np.repeat(matrix[None], 3, axis=0), 3, None)
    said = "4 emotions are rated"
    if case == "four rated":
        norm[4:] = np.nan
    elif case == "none rated":
        norm[:], said = np.nan, "0 emotions are rated"
    elif case == "constant":
        norm[:], said = 3.0, "rated alike"
    elif case == "zero vector":
        matrix[2] = matrix[:, 2] = np.nan
        said = "is zero"
    else:
        matrix, said = np.ones_like(matrix), "one direction"
    found = norm_axis(matrix, drawn, norm, 0, 99)
    assert found.reason is not None and said in found.reason
    assert np.isnan([found.r, found.low, found.high_emotions, found.p, found.null_mean]).all()
    assert np.isnan(found.predicted).all() and found.draws == 0


def test_a_vector_that_vanishes_in_a_draw_costs_the_interval_only() -> None:
    vectors, norm = a_scene(np.random.default_rng(7), 0.7)
    drawn = np.repeat(cosines(vectors)[None], 3, axis=0)
    drawn[1, 2] = np.nan
    found = norm_axis(cosines(vectors), DrawnCosines(drawn, 3, None), norm, 0, 99)
    assert np.isfinite(found.r) and np.isnan(found.low) and "vanishes" in str(found.reason)


def test_permutations_of_twelve_axes_take_seconds() -> None:
    vectors, norm = a_scene(np.random.default_rng(8), 0.7)
    start = time.process_time()
    for _ in range(12):
        measure(vectors, norm, 9999)
    assert time.process_time() - start < 4


@pytest.mark.slow
def test_false_positives_are_as_rare_as_p_says() -> None:
    rng = np.random.default_rng(9)
    p = np.array([measure(*a_scene(rng, 0.0), permutations=199).p for _ in range(2000)])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(("strength", "noise"), [(0.3, 1.0), (0.6, 1.0), (0.3, 0.5)])
def test_interval_holds_what_other_topics_would_give(strength: float, noise: float) -> None:
    """500 data sets of 30 topics: the interval is to hold the mean of r over data sets."""
    rng = np.random.default_rng(21)
    vectors, norm = a_scene(rng, strength)
    found, held = [], []
    for _ in range(500):
        cells = vectors + noise * rng.normal(size=(30, EMOTIONS, WIDTH))
        weights = rng.multinomial(30, np.full(30, 1 / 30), size=300) / 30
        drawn = DrawnCosines(cosines(np.tensordot(weights, cells, axes=1)), 30, None)
        axis = norm_axis(cosines(cells.mean(axis=0)), drawn, norm, 0, 1)
        found.append(axis.r)
        held.append((axis.low, axis.high))
    truth = np.mean(found)
    coverage = np.mean([low <= truth <= high for low, high in held])
    assert 0.93 <= coverage <= 0.97


def test_jackknife_equals_refitting_without_each_emotion() -> None:
    vectors, norm = a_scene(np.random.default_rng(13), 0.5)
    found = measure(vectors, norm, 9)
    u, z = unit(vectors), []
    for left in range(EMOTIONS):
        x, y = np.delete(u, left, axis=0), np.delete(norm, left)
        spread = np.var(x, axis=0).sum() * len(x) / (len(x) - 1)
        predicted = cross_val_predict(Ridge(alpha=spread), x, y, cv=LeaveOneOut())
        z.append(np.arctanh(pearsonr(predicted, y).statistic))
    reach = t.ppf(0.975, 19) * np.sqrt(19 * np.var(z))
    assert found.low_emotions == pytest.approx(np.tanh(np.arctanh(found.r) - reach))
    assert found.high_emotions == pytest.approx(np.tanh(np.arctanh(found.r) + reach))
    norm[5:] = np.nan  # four would be left: too few to fit
    assert np.isnan(measure(vectors, norm, 9).low_emotions)


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_interval_over_emotions_holds_what_other_emotions_would_give(strength: float) -> None:
    rng = np.random.default_rng(14)
    decay = np.exp(-np.arange(WIDTH) / 8)
    axis = rng.normal(size=WIDTH) * decay
    found = []
    for _ in range(500):
        norm = rng.normal(size=EMOTIONS)
        vectors = rng.normal(size=(EMOTIONS, WIDTH)) * decay + strength * np.outer(norm, axis)
        found.append(measure(vectors, norm, 1))
    truth = np.mean([one.r for one in found])
    coverage = np.mean([one.low_emotions <= truth <= one.high_emotions for one in found])
    assert 0.93 <= coverage <= 0.985  # the weaker the axis, the more it errs on the safe side


def test_leaving_one_out_never_sees_the_rating_left_out() -> None:
    vectors, _ = a_scene(np.random.default_rng(11), 0.5)
    assert np.abs(np.diag(leave_one_out(cosines(vectors)))).max() < 1e-12
