"""Differences between two models on the same topics or texts, with intervals and tests.

Takes one value a topic, text or template for each model; knows nothing about where they come from.
Differences are those of the second model minus the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest

from evmlx.intervals import TopicBootstrap
from evmlx.resampling import percentile_interval, permutation_p

NAN = float("nan")
SIGN_FLIPS = 9999
RESAMPLES = 2000
Z = 1.959963984540054


@dataclass(frozen=True)
class Difference:
    """How much one figure differs between two models.

    Attributes
    ----------
    metric : str
        The headline that it belongs to.
    a, b : float
        The figure of each model.
    difference : float
        b - a.
    low, high : float
        95% interval, paired over `unit`.
    p : float
        Two-sided, of no difference; NaN where the figure allows no test.
    test : str or None
        What `p` is of.
    unit : str
        What is paired: topics, texts or templates.
    n : int
        How many of them.
    reason : str or None
        Why a figure is missing.
    p_holm : float
        `p` corrected over the pairs of models compared on this figure.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    test: str | None
    unit: str
    n: int
    reason: str | None
    p_holm: float = NAN


def absent(metric: str, unit: str, reason: str) -> Difference:
    """Return a difference that could not be computed, with the reason."""
    return Difference(metric, NAN, NAN, NAN, NAN, NAN, NAN, None, unit, 0, reason)


def sign_flip_p(values: np.ndarray, rng: np.random.Generator, draws: int = SIGN_FLIPS) -> float:
    """Two-sided p of a mean (or sum) of paired differences, by turning signs at random.

    Under the null the two models are exchangeable within each unit, so each difference is as
    likely to have either sign.

    Parameters
    ----------
    values : ndarray, shape (n,)
        One difference a unit, such as the sum over a topic's stories.
    rng : numpy.random.Generator
        Turns the signs.
    draws : int
        Assignments of signs.

    Returns
    -------
    float
        (b + 1) / (draws + 1); NaN without units.

    References
    ----------
    Fisher (1935), "The Design of Experiments"; Good (2005), "Permutation, Parametric and
    Bootstrap Tests of Hypotheses", chapter 3.
    """
    if values.size == 0:
        return NAN
    signs = rng.integers(0, 2, size=(draws, values.size)) * 2.0 - 1.0
    return permutation_p(abs(float(values.sum())), np.abs(signs @ values))


def mcnemar_p(first: np.ndarray, second: np.ndarray) -> float:
    """Exact two-sided p of McNemar's test: of the texts on which one alone is right, half each.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n,)
        Whether each model was right on each text.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12.
    """
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def tango_interval(only_second: int, only_first: int, n: int) -> tuple[float, float]:
    """95% score interval of the difference of two paired shares.

    Inverts the score test; where the two models never disagree it still has a width, unlike a
    bootstrap: z^2 / (n + z^2) to either side.

    Parameters
    ----------
    only_second, only_first : int
        Texts that the second, or the first, model alone is right on.
    n : int
        Texts.

    Returns
    -------
    low, high : float
        Of (only_second - only_first) / n; NaN without texts.

    References
    ----------
    Tango (1998), "Equivalence test and confidence interval for the difference in proportions for
    the paired-sample design", Statistics in Medicine 17.
    """
    if n == 0:
        return NAN, NAN
    estimate = (only_second - only_first) / n

    def score(delta: float) -> float:
        """Z statistic of the hypothesis that the difference is delta."""
        linear = -only_second - only_first + (2 * n - only_second + only_first) * delta
        constant = -only_first * delta * (1 - delta)
        root = math.sqrt(max(linear**2 - 8 * n * constant, 0.0))
        share = (root - linear) / (4 * n)
        variance = n * (2 * share + delta * (1 - delta))
        gap = only_second - only_first - n * delta
        if gap == 0 or variance <= 0:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / math.sqrt(variance)

    edge = 1 - 1e-9
    low = high = estimate
    if estimate > -edge:
        low = brentq(lambda d: _capped(score(d)) - Z, -edge, estimate) if score(-edge) > Z else -1.0
    if estimate < edge:
        high = brentq(lambda d: _capped(score(d)) + Z, estimate, edge) if score(edge) < -Z else 1.0
    return float(low), float(high)


def _capped(value: float) -> float:
    return min(max(value, -1e6), 1e6)


def topic_difference(
    metric: str,
    first: np.ndarray,
    second: np.ndarray,
    topic_ids: Sequence[str],
    bootstrap: TopicBootstrap,
    rng: np.random.Generator,
) -> Difference:
    """Difference of two shares of stories, paired story by story, resampled by topic.

    Parameters
    ----------
    metric : str
        Name of the figure.
    first, second : ndarray, shape (N,)
        1 where a model is right, else 0.
    topic_ids : sequence of str, length N
        Topic of each story.
    bootstrap : TopicBootstrap
        Draws over the same topics.
    rng : numpy.random.Generator
        Of the sign flips.
    """
    values = second.astype(np.float64) - first
    names, topic = np.unique(np.asarray(topic_ids, dtype=str), return_inverse=True)
    low, high = bootstrap.interval(values)
    return Difference(
        metric,
        float(first.mean()),
        float(second.mean()),
        float(values.mean()),
        low,
        high,
        sign_flip_p(np.bincount(topic, weights=values), rng),
        "signs of topics turned",
        "topics",
        len(names),
        bootstrap.reason,
    )


def share_difference(metric: str, first: np.ndarray, second: np.ndarray) -> Difference:
    """Difference of two shares of texts that are right, by McNemar's test and Tango's interval.

    Parameters
    ----------
    metric : str
        Name of the figure.
    first, second : ndarray of bool, shape (n,)
        Whether each model was right on each text.
    """
    low, high = tango_interval(
        int((second & ~first).sum()), int((first & ~second).sum()), first.size
    )
    a, b = float(first.mean()), float(second.mean())
    p = mcnemar_p(first, second)
    return Difference(
        metric, a, b, b - a, low, high, p, "McNemar, exact", "texts", first.size, None
    )


def mean_difference(
    metric: str, first: np.ndarray, second: np.ndarray, unit: str, rng: np.random.Generator
) -> Difference:
    """Difference of two means over independent texts: bootstrap interval, sign-flip p.

    Parameters
    ----------
    metric : str
        Name of the figure.
    first, second : ndarray, shape (n,)
        One value a text for each model, such as the rank of its target.
    unit : str
        What the n are.
    rng : numpy.random.Generator
        Of the bootstrap and the sign flips.
    """
    values = second.astype(np.float64) - first
    drawn = values[rng.integers(values.size, size=(RESAMPLES, values.size))].mean(axis=1)
    return Difference(
        metric,
        float(first.mean()),
        float(second.mean()),
        float(values.mean()),
        *percentile_interval(drawn),
        sign_flip_p(values, rng),
        f"signs of {unit} turned",
        unit,
        values.size,
        None,
    )


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number, step by step; NaN stays, and is not counted.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal
    of Statistics 6.
    """
    corrected = [NAN] * len(p)
    known = sorted((value, at) for at, value in enumerate(p) if not math.isnan(value))
    highest = 0.0
    for rank, (value, at) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - rank)))
        corrected[at] = highest
    return corrected
