"""Intervals of shares: exact for independent texts, by topic for stories that share topics.

Knows nothing about probes or emotions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import beta

from evmlx.cosine_draws import expanded_tail
from evmlx.resampling import draw_topics


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a binomial share.

    The bounds are the beta quantiles B(a/2; k, n - k + 1) and B(1 - a/2; k + 1, n - k), with
    a = 1 - level, k successes and n trials; 0 and 1 where k = 0 and k = n.

    Parameters
    ----------
    successes, trials : int
        0 <= successes <= trials.
    level : float
        Coverage wanted.

    Returns
    -------
    low, high : float
        NaN where there is no trial.

    References
    ----------
    Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case
    of the binomial", Biometrika 26.
    """
    if trials == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    failures = trials - successes
    low = beta.ppf(tail, successes, failures + 1) if successes else 0.0
    high = beta.ppf(1 - tail, successes + 1, failures) if failures else 1.0
    return float(low), float(high)


def expanded_interval(draws: np.ndarray, units: int) -> tuple[float, float]:
    """95% percentile interval of bootstrap draws, widened for the small number of units.

    Its ends are the quantiles at `evmlx.cosine_draws.expanded_tail`: 1.9% and 98.1% for 30
    topics instead of 2.5% and 97.5%, which cover too little.

    Parameters
    ----------
    draws : ndarray, shape (n,)
        A figure under resampled units; without draws, or where one is NaN, there is no interval.
    units : int
        Number of units resampled, two or more.

    Returns
    -------
    low, high : float
    """
    if draws.size == 0 or units < 2 or np.isnan(draws).any():
        return float("nan"), float("nan")
    tail = expanded_tail(units)
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


class TopicBootstrap:
    """Draws of topics, to be applied to one figure after another.

    Stories of a topic stand or fall together, so topics are what is resampled. Figures that
    share the draws can be compared draw by draw. `weights` (draws, topics) says how often each
    topic was drawn, `topic` (N,) which one each story belongs to.

    Parameters
    ----------
    topic_ids : sequence of str, length N
        Topic of each story.
    draws : int
        Number of draws.
    rng : numpy.random.Generator
        Source of the draws.
    """

    def __init__(self, topic_ids: Sequence[str], draws: int, rng: np.random.Generator) -> None:
        _, self.topic = np.unique(np.asarray(topic_ids, dtype=str), return_inverse=True)
        drawn = draw_topics(np.bincount(self.topic)[None], draws, rng)
        self.weights = drawn.weights  # (draws, topics)
        self.reason = drawn.reason

    def interval(self, values: np.ndarray, kept: np.ndarray | None = None) -> tuple[float, float]:
        """95% expanded percentile interval of the mean of `values` over stories.

        With w_t the times that topic t is drawn, s_t its sum and n_t its number of stories, a
        draw's mean is the ratio sum_t w_t s_t / sum_t w_t n_t: topics may differ in size.

        Parameters
        ----------
        values : ndarray, shape (N,)
            Such as 1 where a story was classified rightly and 0 elsewhere, or the difference of
            two classifiers' values (a paired interval).
        kept : ndarray of bool, shape (N,), optional
            Stories that count.

        Returns
        -------
        low, high : float
            NaN where there are fewer than two topics, or where a draw has no story that counts.
        """
        counted = np.ones(len(values)) if kept is None else kept.astype(np.float64)
        topics = self.weights.shape[1]
        sums = np.bincount(self.topic, weights=counted * values, minlength=topics)
        sizes = np.bincount(self.topic, weights=counted, minlength=topics)
        drawn = self.weights @ sizes
        return self.of_draws((self.weights @ sums) / np.where(drawn > 0, drawn, np.nan))

    def of_draws(self, draws: np.ndarray) -> tuple[float, float]:
        """95% expanded percentile interval of a figure computed under each of `weights`."""
        return expanded_interval(draws, self.weights.shape[1])
