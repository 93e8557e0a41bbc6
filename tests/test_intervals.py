from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm, t

from evmlx.intervals import TopicBootstrap, clopper_pearson, expanded_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 80), (40, 80), (79, 80), (80, 80)])
def test_clopper_pearson_equals_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert clopper_pearson(successes, trials) == pytest.approx((expected.low, expected.high))


def test_clopper_pearson_closed_form_at_the_ends() -> None:
    assert clopper_pearson(0, 10) == pytest.approx((0, 1 - 0.025 ** (1 / 10)))
    assert clopper_pearson(10, 10) == pytest.approx((0.025 ** (1 / 10), 1))
    assert np.isnan(clopper_pearson(0, 0)).all()


def test_topic_bootstrap_resamples_whole_topics_by_their_stories() -> None:
    topics = ["a"] * 2 + ["b"] * 6
    right = np.array([1, 0, 1, 1, 1, 1, 1, 0.0])
    bootstrap = TopicBootstrap(topics, 4000, np.random.default_rng(0))
    # draws are aa 1/2, ab or ba 6/8, bb 5/6, with probabilities 1/4, 1/2, 1/4
    assert bootstrap.interval(right) == pytest.approx((1 / 2, 5 / 6))
    assert bootstrap.interval(right, np.arange(8) < 7) == pytest.approx((1 / 2, 1))


def test_topic_bootstrap_covers_the_true_accuracy() -> None:
    rng = np.random.default_rng(1)
    sizes = np.tile([5, 10, 15], 10)
    topics = np.repeat(np.arange(30).astype(str), sizes)
    covered, narrow = 0, 0
    for _ in range(300):
        chance = np.repeat(rng.beta(1.5, 1, size=30), sizes)  # mean 0.6, shared within a topic
        right = (rng.random(len(topics)) < chance).astype(float)
        low, high = TopicBootstrap(topics.tolist(), 400, rng).interval(right)
        covered += low <= 0.6 <= high
        one_by_one = clopper_pearson(int(right.sum()), len(right))
        narrow += one_by_one[0] <= 0.6 <= one_by_one[1]
    assert 0.90 <= covered / 300 <= 0.99
    assert narrow / 300 < 0.75  # what an interval that forgets topics would give


def test_paired_interval_is_zero_for_equal_classifiers() -> None:
    rng = np.random.default_rng(2)
    right = (rng.random(60) < 0.5).astype(float)
    bootstrap = TopicBootstrap([str(n % 6) for n in range(60)], 200, rng)
    assert bootstrap.interval(right - right) == (0, 0)
    low, high = bootstrap.interval(right)
    assert low < right.mean() < high


def test_one_topic_has_no_interval() -> None:
    bootstrap = TopicBootstrap(["a"] * 4, 100, np.random.default_rng(0))
    assert np.isnan(bootstrap.interval(np.ones(4))).all()
    assert bootstrap.reason


def test_a_draw_without_a_story_that_counts_has_no_interval() -> None:
    bootstrap = TopicBootstrap(["a", "b"], 100, np.random.default_rng(0))
    assert np.isnan(bootstrap.interval(np.ones(2), np.array([True, False]))).all()


@pytest.mark.parametrize("units", [6, 30])
def test_expanded_interval_of_a_normal_mean_is_students(units: int) -> None:
    values = np.random.default_rng(units).normal(size=units)
    error = values.std(ddof=1) / np.sqrt(units)
    shrunk = error * np.sqrt((units - 1) / units)  # the spread of a bootstrapped mean
    draws = norm(values.mean(), shrunk).ppf((np.arange(100_000) + 0.5) / 100_000)
    expected = t(units - 1, values.mean(), error).interval(0.95)
    assert expanded_interval(draws, units) == pytest.approx(expected, rel=1e-3)


def test_expanded_interval_needs_draws_and_two_units() -> None:
    assert np.isnan(expanded_interval(np.zeros(0), 5)).all()
    assert np.isnan(expanded_interval(np.ones(10), 1)).all()
    assert np.isnan(expanded_interval(np.array([1.0, np.nan]), 5)).all()
