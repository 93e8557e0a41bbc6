"""Representational similarity of two models: whether they arrange the emotions alike.

Takes cosines under shared draws and halves of topics; knows nothing about residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evmlx.cosine_draws import NAN, CosineDraws
from evmlx.pair_ranks import FEWEST_EMOTIONS, pair_ranks, rank_correlation
from evmlx.reliability import spearman_brown
from evmlx.resampling import percentile_interval
from evmlx.rsa import correlation_intervals


@dataclass(frozen=True)
class ModelRsa:
    """Spearman's correlation of two models' cosines over pairs of emotions.

    Attributes
    ----------
    r, low, high : float
        On the same stories, with its 95% interval over topics. What both models owe to having
        read the same stories, noise included, is in it.
    text_r : tuple of float
        The same for each model with the cosines of TF-IDF class means.
    partial_r, partial_low, partial_high : float
        r with TF-IDF's cosines taken out of both, and its interval.
    across_halves : float
        One model on one half of the topics, the other on the other half: no shared noise. Mean
        over splits and both ways round.
    ceiling : float
        What `across_halves` would be if the models agreed but for noise: the geometric mean of
        the two models' own agreement between halves.
    share_of_ceiling, share_low, share_high : float
        across_halves / ceiling; 2.5th and 97.5th percentile over splits, which are their spread
        and not a confidence interval.
    reliability : tuple of float
        Spearman-Brown reliability of each model's cosines on all topics.
    n_pairs : int
        Pairs of emotions.
    reason : str or None
        Why a figure is missing.
    """

    r: float
    low: float
    high: float
    text_r: tuple[float, float]
    partial_r: float
    partial_low: float
    partial_high: float
    across_halves: float
    ceiling: float
    share_of_ceiling: float
    share_low: float
    share_high: float
    reliability: tuple[float, float]
    n_pairs: int
    reason: str | None


@dataclass(frozen=True)
class _Across:
    """Agreement between halves, mean over splits."""

    crossed: float
    ceiling: float
    share: float
    low: float
    high: float
    reliability: tuple[float, float]


_NOWHERE = _Across(NAN, NAN, NAN, NAN, NAN, (NAN, NAN))


def model_rsa(a: CosineDraws, b: CosineDraws, text: CosineDraws | None) -> ModelRsa:
    """Correlate the cosines of two models, on the same stories and across halves of the topics.

    Parameters
    ----------
    a, b : CosineDraws
        Of the two models, under one plan.
    text : CosineDraws or None
        Of TF-IDF class means, under the same plan.
    """
    emotions = a.plain.shape[-1]
    pairs = emotions * (emotions - 1) // 2
    if emotions < FEWEST_EMOTIONS:
        return _none(pairs, f"fewer than {FEWEST_EMOTIONS} emotions: too few pairs to correlate")
    first, second = pair_ranks(a.plain), pair_ranks(b.plain)
    drawn = rank_correlation(first, second)
    if np.isnan(drawn[0]):
        return _none(pairs, "cosines are undefined or all equal")
    found = correlation_intervals(drawn, a.left_out)
    text_r, partial = (NAN, NAN), np.full(len(drawn), NAN)
    if text is not None:
        words = pair_ranks(text.plain)
        own = rank_correlation(first, words), rank_correlation(second, words)
        text_r = float(own[0][0]), float(own[1][0])
        partial = _partial(drawn, *own)
    clean = correlation_intervals(partial, a.left_out)
    across = _across(a.halves, b.halves) if len(a.halves) else _NOWHERE
    return ModelRsa(
        r=found.estimate,
        low=found.low,
        high=found.high,
        text_r=text_r,
        partial_r=clean.estimate,
        partial_low=clean.low,
        partial_high=clean.high,
        across_halves=across.crossed,
        ceiling=across.ceiling,
        share_of_ceiling=across.share,
        share_low=across.low,
        share_high=across.high,
        reliability=across.reliability,
        n_pairs=pairs,
        reason=a.reason or a.halves_reason,
    )


def published_rsa(
    first: np.ndarray, second: np.ndarray, reliability: tuple[float, float], reason: str
) -> ModelRsa:
    """Correlate two cosine matrices of which no activations are left, so without an interval.

    Parameters
    ----------
    first, second : ndarray, shape (emotions, emotions)
        Cosines of the same emotions in one order.
    reliability : (float, float)
        Of each, where its results file has it, else NaN.
    reason : str
        Why there is no more.
    """
    emotions = len(first)
    alone = [
        CosineDraws(m[None], m[None], np.zeros((0, 2, emotions, emotions)), 0, 0, reason, reason)
        for m in (first, second)
    ]
    found = model_rsa(alone[0], alone[1], None)
    return ModelRsa(**{**vars(found), "reliability": reliability})


def _none(pairs: int, reason: str) -> ModelRsa:
    none = (NAN, NAN)
    return ModelRsa(
        NAN, NAN, NAN, none, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, none, pairs, reason
    )


def _partial(r: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation of two sides with a third taken out of both."""
    left = (1 - first**2) * (1 - second**2)
    return np.asarray((r - first * second) / np.sqrt(np.where(left > 0, left, np.nan)))


def _across(a: np.ndarray, b: np.ndarray) -> _Across:
    """Compare halves (splits, 2, emotions, emotions): crossed, and each model with itself."""
    x, y = pair_ranks(a), pair_ranks(b)
    crossed = rank_correlation(x[:, 0], y[:, 1]) + rank_correlation(x[:, 1], y[:, 0])
    crossed /= 2
    own = rank_correlation(x[:, 0], x[:, 1]), rank_correlation(y[:, 0], y[:, 1])
    ceiling = np.sqrt(np.clip(own[0], 0, None) * np.clip(own[1], 0, None))
    share = crossed / np.where(ceiling > 0, ceiling, np.nan)
    highest = float(ceiling.mean())
    halves = float(own[0].mean()), float(own[1].mean())
    return _Across(
        float(crossed.mean()),
        highest,
        float(crossed.mean()) / highest if highest > 0 else NAN,
        *percentile_interval(share),
        (spearman_brown(halves[0]), spearman_brown(halves[1])),
    )
