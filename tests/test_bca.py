from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t

from evmlx.bca import bca_interval
from evmlx.cosine_draws import expanded_tail, topic_intervals


def statistic(sample: np.ndarray, axis: int = -1) -> np.ndarray:
    """A skewed statistic: the variance."""
    return np.var(sample, axis=axis)


@pytest.mark.parametrize("seed", range(4))
def test_bca_equals_scipys_on_the_same_draws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sample = rng.exponential(size=23)
    reference = bootstrap(
        (sample,), statistic, n_resamples=3000, method="BCa", rng=rng, vectorized=True
    )
    left_out = np.array([statistic(np.delete(sample, k)) for k in range(23)])
    low, high, reason = bca_interval(
        float(statistic(sample)), reference.bootstrap_distribution, left_out
    )
    assert reason is None
    assert (low, high) == pytest.approx(tuple(reference.confidence_interval), rel=1e-12)


def test_bca_is_the_percentiles_where_there_is_neither_bias_nor_skew() -> None:
    draws = np.random.default_rng(0).permutation(np.arange(2001.0))
    assert bca_interval(1000.0, draws, np.array([1.0, 2, 3]))[:2] == pytest.approx((50, 1950))


def test_constant_figure_has_an_interval_of_no_width() -> None:
    assert bca_interval(2.0, np.full(50, 2.0), np.full(6, 2.0)) == (2.0, 2.0, None)


@pytest.mark.parametrize(
    ("draws", "left_out", "reason"),
    [
        (np.arange(50.0), np.arange(5.0), "one side"),
        (np.array([1.0, np.nan]), np.arange(5.0), "draws is undefined"),
        (np.zeros(0), np.arange(5.0), "draws is undefined"),
        (np.arange(50.0) + 80, np.array([1.0, np.nan]), "one topic left out"),
    ],
)
def test_where_there_is_no_bca_a_reason_says_why(
    draws: np.ndarray, left_out: np.ndarray, reason: str
) -> None:
    low, high, why = bca_interval(100.0, draws, left_out)
    assert np.isnan([low, high]).all()
    assert why is not None and reason in why


def test_moved_draws_hold_an_estimate_that_the_draws_miss() -> None:
    rng = np.random.default_rng(1)
    figure = np.concatenate([[9.0], np.linspace(7.9, 8.1, 12), rng.normal(5, 1, 4000)])
    plain = topic_intervals(figure, 12, moved=False)
    moved = topic_intervals(figure, 12, moved=True)
    assert plain.high < 9.0 and plain.reason is not None and np.isnan(plain.low_bca)
    assert moved.low == pytest.approx(9 - 1.96 * 1.17, abs=0.12)  # Student's, with 11 degrees
    assert moved.low_bca == pytest.approx(9 - 1.96, abs=0.15)
    assert moved.mean == pytest.approx(5, abs=0.05)


def test_expanded_percentiles_of_a_mean_are_students_interval() -> None:
    """Draws of a mean of n values spread by the deviation over n, not over n - 1."""
    n = 12
    sample = np.random.default_rng(2).normal(size=n)
    error = sample.std() / np.sqrt(n)
    low = sample.mean() + error * norm.ppf(expanded_tail(n))
    assert low == pytest.approx(
        t.interval(0.95, n - 1, sample.mean(), sample.std(ddof=1) / n**0.5)[0]
    )
    assert expanded_tail(10**6) == pytest.approx(0.025, abs=1e-4)
