"""Split-half reliability: how well the arrangement of the emotions repeats with other topics.

It bounds every correlation of that arrangement with something else. Knows nothing about what
it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evmlx.cosine_draws import NAN, CosineDraws
from evmlx.pair_ranks import FEWEST_EMOTIONS, pair_ranks, rank_correlation
from evmlx.resampling import percentile_interval


@dataclass(frozen=True)
class Reliability:
    """Agreement of cosines from two halves of the topics.

    Attributes
    ----------
    splits : int
        Random splits of the topics.
    halves_r : float
        Spearman's correlation of the two halves' cosines over pairs of emotions; mean over splits.
    low, high : float
        2.5th and 97.5th percentile over splits: their spread, not a confidence interval.
    spearman_brown : float
        2 r / (1 + r): what `halves_r` becomes with all the topics on both sides; NaN where
        the halves do not agree at all.
    reason : str or None
        Why a figure is missing.
    """

    splits: int
    halves_r: float
    low: float
    high: float
    spearman_brown: float
    reason: str | None

    @property
    def ceiling(self) -> float:
        """Largest correlation to be expected with cosines that have no noise of their own."""
        return float(np.sqrt(self.spearman_brown))


def reliability(drawn: CosineDraws) -> Reliability:
    """Correlate the cosines of halves of the topics.

    Parameters
    ----------
    drawn : CosineDraws
        Of one layer.

    Returns
    -------
    Reliability

    References
    ----------
    Spearman (1910), "Correlation calculated from faulty data"; Brown (1910), "Some experimental
    results in the correlation of mental abilities"; British Journal of Psychology 3.
    """
    emotions = drawn.halves.shape[-1]
    reason = drawn.halves_reason
    if reason is None and emotions < FEWEST_EMOTIONS:
        reason = f"fewer than {FEWEST_EMOTIONS} emotions: too few pairs to correlate"
    if reason is not None:
        return Reliability(0, NAN, NAN, NAN, NAN, reason)
    ranks = pair_ranks(drawn.halves)
    found = rank_correlation(ranks[:, 0], ranks[:, 1])
    mean = float(found.mean())
    if np.isnan(mean):
        reason = "a half's cosines are undefined or all equal"
    elif mean <= 0:
        reason = "the halves do not agree: their correlation is not above 0"
    low, high = percentile_interval(found)
    return Reliability(len(found), mean, low, high, spearman_brown(mean), reason)


def spearman_brown(half: float) -> float:
    """Reliability of all topics from the correlation of halves; NaN where they do not agree."""
    return 2 * half / (1 + half) if half > 0 else NAN
