"""Representational similarity: whether the model arranges emotions as the words do.

Correlates cosines of the model with other cosines of the same stories. Knows nothing about
where those come from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evmlx.cosine_draws import NAN, CosineDraws, Intervals, topic_intervals
from evmlx.pair_ranks import (
    FEWEST_EMOTIONS,
    pair_ranks,
    permuted_correlations,
    rank_correlation,
)
from evmlx.resampling import permutation_p


@dataclass(frozen=True)
class Compared:
    """One side of a comparison.

    Attributes
    ----------
    matrix : ndarray, shape (emotions, emotions)
        Cosines.
    drawn : ndarray, shape (1 + left out + draws, emotions, emotions)
        The same under resampled topics, in the order of `CosineDraws.plain`.
    left_out : int
        Rows of `drawn` with one topic left out.
    reason : str or None
        Why there are no cosines at all.
    drawn_reason : str or None
        Why topics were not resampled.
    """

    matrix: np.ndarray
    drawn: np.ndarray
    left_out: int
    reason: str | None
    drawn_reason: str | None

    def of(self, rows: np.ndarray) -> Compared:
        """Keep some emotions only."""
        return replace(
            self,
            matrix=self.matrix[np.ix_(rows, rows)],
            drawn=self.drawn[:, rows[:, None], rows],
        )


@dataclass(frozen=True)
class RSA:
    """Spearman's correlation of two cosine matrices over pairs of emotions.

    Attributes
    ----------
    r : float
        The correlation.
    low, high, low_bca, high_bca : float
        95% intervals over topics, which are resampled on both sides together.
    p : float
        Share of permutations of the emotions that reach r (Mantel test, one-sided).
    p_draws : int
        Permutations.
    ceiling : float
        Square root of the model's reliability.
    n_pairs : int
        Pairs of emotions.
    reason : str or None
        Why a figure is missing.
    """

    r: float
    low: float
    high: float
    low_bca: float
    high_bca: float
    p: float
    p_draws: int
    ceiling: float
    n_pairs: int
    reason: str | None


def compared(matrix: np.ndarray, drawn: CosineDraws) -> Compared:
    """Line up a cosine matrix with its draws."""
    return Compared(matrix, drawn.plain, drawn.left_out, None, drawn.reason)


def nothing_compared(emotions: int, reason: str) -> Compared:
    """Stand-in where there are no cosines."""
    none = np.full((1, emotions, emotions), NAN)
    return Compared(none[0], none, 0, reason, reason)


def rsa(model: Compared, other: Compared, permutations: np.ndarray, ceiling: float) -> RSA:
    """Correlate the model's cosines with others of the same stories.

    Parameters
    ----------
    model, other : Compared
        Of the same emotions and draws.
    permutations : ndarray of int, shape (P, emotions)
        Of the emotions of `other`.
    ceiling : float
        Square root of the model's reliability.

    Returns
    -------
    RSA
        NaN, with the reason, where either side has no cosines.

    References
    ----------
    Kriegeskorte, Mur and Bandettini (2008), "Representational similarity analysis - connecting
    the branches of systems neuroscience", Frontiers in Systems Neuroscience 2.
    """
    emotions = permutations.shape[1]
    pairs = emotions * (emotions - 1) // 2
    reason = why_no_correlation(model, other)
    if reason is not None:
        return RSA(NAN, NAN, NAN, NAN, NAN, NAN, 0, ceiling, pairs, reason)
    a, b = pair_ranks(model.matrix), pair_ranks(other.matrix)
    r = float(rank_correlation(a, b))
    drawn = rank_correlation(pair_ranks(model.drawn), pair_ranks(other.drawn))
    found = correlation_intervals(drawn, model.left_out)
    return RSA(
        r=r,
        low=found.low,
        high=found.high,
        low_bca=found.low_bca,
        high_bca=found.high_bca,
        p=permutation_p(r, permuted_correlations(a, b, permutations)),
        p_draws=len(permutations),
        ceiling=ceiling,
        n_pairs=pairs,
        reason=model.drawn_reason,
    )


def correlation_intervals(drawn: np.ndarray, left_out: int) -> Intervals:
    """Intervals of a correlation that the vectors' noise pulls towards 0.

    Parameters
    ----------
    drawn : ndarray, shape (1 + left out + draws,)
        In the order of `CosineDraws.plain`.
    left_out : int
        Values with one topic left out.

    Returns
    -------
    Intervals
        Of moved draws, expanded percentiles and BCa, neither beyond -1 and 1.
    """
    found = topic_intervals(drawn, left_out, moved=True)
    bounds = np.clip([found.low, found.high, found.low_bca, found.high_bca], -1, 1)
    low, high, low_bca, high_bca = map(float, bounds)
    return replace(found, low=low, high=high, low_bca=low_bca, high_bca=high_bca)


def why_no_correlation(*sides: Compared) -> str | None:
    """Return why cosines cannot be correlated, or None where they can."""
    for side in sides:
        if side.reason is not None:
            return side.reason
        if len(side.matrix) < FEWEST_EMOTIONS:
            return f"fewer than {FEWEST_EMOTIONS} emotions: too few pairs to correlate"
        if np.isnan(pair_ranks(side.matrix)).any():
            return "cosines are undefined or all equal"
    return None
