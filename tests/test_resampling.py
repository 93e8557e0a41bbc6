from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from planted import Planted, activations, planted, thinned

from evmlx.errors import EvmlxError
from evmlx.neutral import project_out
from evmlx.resampling import (
    cell_sums,
    centred_interval,
    draw_permutations,
    draw_topics,
    percentile_interval,
    permutation_p,
    resampled_cosines,
    story_cells,
)
from evmlx.vectors import emotion_vectors


def by_brute_force(given: Planted, topics: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """Repeat each topic's stories as often as it was drawn and run the estimator on them."""
    repeated = [
        row
        for topic, times in zip(topics, weights, strict=True)
        for _ in range(int(times))
        for row in np.flatnonzero(np.array(given.topic_ids) == topic)
    ]
    stories = activations(given.stories.pooled[repeated], given.stories.layers, "story")
    labels = [given.labels[row] for row in repeated]
    found = emotion_vectors(stories, labels, given.emotions, given.dialogues)
    unit = found.denoised[0].astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit @ unit.T


def by_gram(given: Planted, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    found = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    cells = story_cells(given.labels, given.topic_ids, given.emotions)
    drawn = draw_topics(cells.counts, draws, np.random.default_rng(seed))
    sums = cell_sums(given.stories.pooled[:, 0], cells, found.story_mean[0])
    sums = project_out(sums, found.neutral_basis[0])
    plain, _ = resampled_cosines(sums, cells.counts, drawn.weights)
    return plain, drawn.weights, cells.topics


@pytest.mark.parametrize("balanced", [True, False])
def test_gram_shortcut_equals_the_full_estimator_on_resampled_stories(balanced: bool) -> None:
    rng = np.random.default_rng(0)
    given = planted(rng.normal(size=(4, 15)), rng, topics=5, per_cell=3)
    if not balanced:
        keep = rng.random(len(given.labels)) < 0.6
        keep &= ~((np.array(given.labels) == "emotion1") & (np.array(given.topic_ids) == "topic2"))
        given = thinned(given, keep)
        counts = story_cells(given.labels, given.topic_ids, given.emotions).counts
        assert counts.min() == 0 and len(np.unique(counts)) > 2
    cosines, weights, topics = by_gram(given, 25, seed=1)
    for draw, weighed in zip(cosines, weights, strict=True):
        np.testing.assert_allclose(draw, by_brute_force(given, topics, weighed), atol=1e-5)


def test_every_topic_once_gives_the_point_estimate() -> None:
    rng = np.random.default_rng(2)
    given = planted(rng.normal(size=(4, 15)), rng)
    found = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    cells = story_cells(given.labels, given.topic_ids, given.emotions)
    sums = cell_sums(given.stories.pooled[:, 0], cells, found.story_mean[0])
    sums = project_out(sums, found.neutral_basis[0])
    cosines = resampled_cosines(sums, cells.counts, np.ones((1, len(cells.topics))))[0][0]
    unit = found.denoised[0] / np.linalg.norm(found.denoised[0], axis=1, keepdims=True)
    np.testing.assert_allclose(cosines, unit @ unit.T, atol=1e-5)


def test_cells_count_every_story_of_the_wanted_emotions() -> None:
    labels = ["a", "b", "a", "c", "a"]
    topics = ["x", "x", "y", "y", "x"]
    cells = story_cells(labels, topics, ["b", "a"])
    assert cells.topics == ("x", "y")
    np.testing.assert_array_equal(cells.counts, [[1, 0], [2, 1]])
    residuals = np.array([[1.0], [10], [100], [1000], [10000]], np.float32)
    sums = cell_sums(residuals, cells, np.array([1.0]))
    np.testing.assert_array_equal(sums[:, :, 0], [[9, 0], [9999, 99]])


def test_labels_and_topics_of_unequal_number_are_refused() -> None:
    with pytest.raises(EvmlxError, match="2 labels but 1 topic ids"):
        story_cells(["a", "b"], ["x"], ["a", "b"])


def test_draws_are_topics_with_replacement() -> None:
    drawn = draw_topics(np.ones((3, 8), int), 4000, np.random.default_rng(3))
    assert drawn.redrawn == 0 and drawn.weights.shape == (4000, 8)
    np.testing.assert_array_equal(drawn.weights.sum(axis=1), 8)
    np.testing.assert_allclose(drawn.weights.mean(axis=0), 1, atol=0.08)
    # variance of a multinomial count: 8 * 1/8 * 7/8
    np.testing.assert_allclose(drawn.weights.var(axis=0), 0.875, atol=0.12)


def test_draws_that_lose_an_emotion_are_drawn_again_and_counted() -> None:
    counts = np.ones((2, 4), int)
    counts[0, 2:] = 0  # of four topics, two have the first emotion
    drawn = draw_topics(counts, 2000, np.random.default_rng(4))
    assert drawn.reason is None
    assert ((drawn.weights @ counts.T) > 0).all()
    # a draw misses both topics with probability (1/2)^4
    assert drawn.redrawn / (2000 + drawn.redrawn) == pytest.approx(1 / 16, abs=0.02)


def test_emotions_in_a_topic_each_cannot_be_resampled() -> None:
    drawn = draw_topics(np.eye(12, dtype=int), 100, np.random.default_rng(5))
    assert len(drawn.weights) == 0 and drawn.reason is not None and "too few" in drawn.reason


def test_one_topic_cannot_be_resampled() -> None:
    drawn = draw_topics(np.ones((3, 1), int), 100, np.random.default_rng(6))
    assert len(drawn.weights) == 0 and drawn.reason is not None


def test_emotions_that_do_not_differ_have_no_cosines() -> None:
    sums = np.tile(np.random.default_rng(7).normal(size=(1, 4, 9)), (3, 1, 1))
    plain, corrected = resampled_cosines(sums, np.ones((3, 4), int), np.ones((2, 4)))
    assert np.isnan(plain).all() and np.isnan(corrected).all()


def test_corrected_cosines_pair_stories_of_two_topics() -> None:
    """Against a loop over pairs of drawn stories, on an unbalanced corpus."""
    rng = np.random.default_rng(10)
    labels = rng.choice(["a", "b", "c"], 60).tolist()
    topics = rng.choice(["v", "w", "x", "y", "z"], 60).tolist()
    residuals = rng.normal(size=(60, 7)) + 3 * np.eye(3, 7)[["abc".index(e) for e in labels]]
    cells = story_cells(labels, topics, ["a", "b", "c"])
    sums = cell_sums(residuals, cells, np.zeros(7))
    weights = np.array([[1.0, 1, 1, 1, 1], [2, 0, 1, 2, 0]])
    _, corrected = resampled_cosines(sums, cells.counts, weights)
    for draw, weighed in enumerate(weights):
        times = dict(zip(cells.topics, weighed, strict=True))
        inner = np.zeros((3, 3))
        for (i, e), (j, f) in product(enumerate("abc"), repeat=2):
            products = [
                (times[topics[r]] * times[topics[s]], residuals[r] @ residuals[s])
                for r in range(60)
                for s in range(60)
                if labels[r] == e and labels[s] == f and topics[r] != topics[s]
            ]
            inner[i, j] = np.average([p for _, p in products], weights=[w for w, _ in products])
        centring = np.eye(3) - 1 / 3
        inner = centring @ inner @ centring
        length = np.sqrt(np.diag(inner))
        np.testing.assert_allclose(corrected[draw], inner / np.outer(length, length))


def test_correction_takes_the_noise_out_of_cosines() -> None:
    rng = np.random.default_rng(11)
    directions = rng.normal(size=(5, 20))
    directions -= directions.mean(axis=0)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    upper = np.triu_indices(5, 1)
    true = (unit @ unit.T)[upper]
    plain_slopes, corrected_slopes = [], []
    for _ in range(30):
        given = planted(directions, rng, topics=15, per_cell=2, noise=4, dialogues=0)
        cells = story_cells(given.labels, given.topic_ids, given.emotions)
        sums = cell_sums(given.stories.pooled[:, 0], cells, np.zeros(20))
        found = resampled_cosines(sums, cells.counts, np.ones((1, 15)))
        for cosines, slopes in zip(found, (plain_slopes, corrected_slopes), strict=True):
            slopes.append(cosines[0][upper] @ true / (true @ true))
    assert np.mean(plain_slopes) < 0.8
    assert np.mean(corrected_slopes) == pytest.approx(1, abs=0.06)


def test_one_drawn_topic_has_no_pairs_of_topics() -> None:
    sums = np.random.default_rng(12).normal(size=(3, 2, 9))
    plain, corrected = resampled_cosines(sums, np.ones((3, 2), int), np.array([[2.0, 0]]))
    assert np.isfinite(plain).all() and np.isnan(corrected).all()


def test_permutations_are_permutations() -> None:
    drawn = draw_permutations(5, 300, np.random.default_rng(8))
    np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(5), (300, 1)))
    np.testing.assert_allclose(drawn.mean(axis=0), 2, atol=0.3)


def test_p_counts_the_observed_value_and_is_never_zero() -> None:
    null = np.arange(99.0)
    assert permutation_p(1e6, null) == 0.01
    assert permutation_p(98.0, null) == 0.02
    assert permutation_p(-1.0, null) == 1.0
    assert permutation_p(98.0 + 1e-13, null) == 0.02  # equal but for rounding
    assert np.isnan(permutation_p(float("nan"), null))
    assert np.isnan(permutation_p(1.0, np.array([0.0, np.nan])))


def test_percentile_interval_holds_95_of_100_draws() -> None:
    low, high = percentile_interval(np.random.default_rng(9).permutation(np.arange(2001.0)))
    assert (low, high) == (50.0, 1950.0)
    assert np.isnan(percentile_interval(np.zeros(0))).all()
    assert np.isnan(percentile_interval(np.array([1.0, np.nan]))).all()


def test_centred_interval_is_the_percentiles_about_the_estimate() -> None:
    draws = np.random.default_rng(13).permutation(np.arange(2001.0))  # mean 1000
    assert centred_interval(1300.0, draws) == (350.0, 2250.0)
    assert np.isnan(centred_interval(1.0, np.zeros(0))).all()
