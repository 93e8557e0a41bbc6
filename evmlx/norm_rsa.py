"""Whether the model arranges emotions as people rate them, beyond what the words do.

Knows nothing about layers or files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evmlx.affect import SCALES, Affect
from evmlx.cosine_draws import NAN
from evmlx.pair_ranks import (
    FEWEST_EMOTIONS,
    pair_ranks,
    permuted_correlations,
    rank_correlation,
)
from evmlx.resampling import permutation_p
from evmlx.rsa import Compared, correlation_intervals, why_no_correlation


@dataclass(frozen=True)
class NormRSA:
    """Spearman's correlation of the model's cosines with closeness in human ratings.

    Attributes
    ----------
    r, low, high, p : float
        Above 0 where emotions that people rate alike have the larger cosines; 95% interval over
        topics; Mantel test, one-sided.
    text_r : float
        The same for the text's cosines.
    partial_r, partial_low, partial_high, partial_p : float
        Model and ratings with the text's cosines held fixed.
    p_draws : int
        Permutations.
    n : int
        Emotions with all three ratings.
    reason : str or None
        Why a figure is missing.
    """

    r: float = NAN
    low: float = NAN
    high: float = NAN
    p: float = NAN
    text_r: float = NAN
    partial_r: float = NAN
    partial_low: float = NAN
    partial_high: float = NAN
    partial_p: float = NAN
    p_draws: int = 0
    n: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class _Partial:
    r: float
    low: float
    high: float
    p: float


def norm_rsa(model: Compared, text: Compared, affect: Affect, permutations: np.ndarray) -> NormRSA:
    """Correlate the model's cosines with closeness in human ratings, with and without the text.

    Closeness is minus the Euclidean distance of valence, arousal and dominance, each
    standardised over the emotions that have all three. The partial correlation is that of ranks.

    Parameters
    ----------
    model, text : Compared
        Of the same emotions and draws.
    affect : Affect
        Norms of the same emotions.
    permutations : ndarray of int, shape (P, emotions)
        Of all emotions; the order in which one puts the rated emotions is a permutation of those.

    Returns
    -------
    NormRSA
        NaN, with the reason, where too few emotions are rated or cosines are missing.
    """
    ratings = np.stack([affect.norms[scale] for scale in SCALES], axis=1)
    rated = np.flatnonzero(np.isfinite(ratings).all(axis=1))
    n = len(rated)
    if n < FEWEST_EMOTIONS:
        return NormRSA(n=n, reason=f"fewer than {FEWEST_EMOTIONS} emotions have human ratings")
    human = pair_ranks(closeness(ratings[rated]))
    model, text = model.of(rated), text.of(rated)
    reason = why_no_correlation(model)
    if reason is None and np.isnan(human).any():
        reason = "human ratings do not differ"
    if reason is not None:
        return NormRSA(n=n, reason=reason)
    permutations = np.argsort(permutations[:, rated], axis=1)
    ours, drawn = pair_ranks(model.matrix), pair_ranks(model.drawn)
    r = float(rank_correlation(ours, human))
    found = correlation_intervals(drawn @ human, model.left_out)
    reason = why_no_correlation(text)
    partial, text_r = _Partial(NAN, NAN, NAN, NAN), NAN
    if reason is None:
        words, words_drawn = pair_ranks(text.matrix), pair_ranks(text.drawn)
        text_r = float(rank_correlation(words, human))
        figures = partial_correlation(drawn, human, words_drawn)
        between = correlation_intervals(figures, model.left_out)
        partial_r = float(partial_correlation(ours, human, words))
        p = partial_p(ours, human, words, permutations)
        partial = _Partial(partial_r, between.low, between.high, p)
        if np.isnan(partial_r):
            reason = "the text has the cosines of the model or the order of the ratings"
    return NormRSA(
        r=r,
        low=found.low,
        high=found.high,
        p=permutation_p(r, permuted_correlations(ours, human, permutations)),
        text_r=text_r,
        partial_r=partial.r,
        partial_low=partial.low,
        partial_high=partial.high,
        partial_p=partial.p,
        p_draws=len(permutations),
        n=n,
        reason=reason or model.drawn_reason,
    )


def closeness(ratings: np.ndarray) -> np.ndarray:
    """Minus the distance of standardised ratings.

    Parameters
    ----------
    ratings : ndarray, shape (emotions, scales)
        A scale that does not vary adds nothing.

    Returns
    -------
    ndarray, shape (emotions, emotions)
    """
    spread = ratings.std(axis=0)
    standard = (ratings - ratings.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.asarray(-np.linalg.norm(standard[:, None] - standard[None], axis=2))


def partial_correlation(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Correlation of a and b with c held fixed, (r_ab - r_ac r_bc) / sqrt((1 - r_ac²)(1 - r_bc²)).

    Parameters
    ----------
    a, b, c : ndarray, shape (..., pairs)
        From `pair_ranks`.

    Returns
    -------
    ndarray, shape (...)
        NaN where c leaves nothing of a or of b.
    """
    return _partial(rank_correlation(a, b), rank_correlation(a, c), rank_correlation(b, c))


def partial_p(
    ours: np.ndarray, human: np.ndarray, words: np.ndarray, permutations: np.ndarray
) -> float:
    """P of a partial correlation, one-sided, by permuting the emotions of the ratings.

    Permuting the ratings' residuals given the words, as is done for plain variables, rejected a
    true null up to twice as often as it should in simulations where ratings and words have much
    in common.

    Parameters
    ----------
    ours, human, words : ndarray, shape (pairs,)
        From `pair_ranks`.
    permutations : ndarray of int, shape (P, emotions)

    Returns
    -------
    float
        NaN where the partial correlation is.

    References
    ----------
    Smouse, Long and Sokal (1986), "Multiple regression and correlation extensions of the Mantel
    test of matrix correspondence", Systematic Zoology 35. Legendre (2000), "Comparison of
    permutation methods for the partial correlation and partial Mantel tests", Journal of
    Statistical Computation and Simulation 67.
    """
    observed = partial_correlation(ours, human, words)
    null = _partial(
        permuted_correlations(ours, human, permutations),
        rank_correlation(ours, words),
        permuted_correlations(words, human, permutations),
    )
    return permutation_p(float(observed), null)


def _partial(ab: np.ndarray, ac: np.ndarray, bc: np.ndarray) -> np.ndarray:
    rest = (1 - ac**2) * (1 - bc**2)
    return np.asarray((ab - ac * bc) / np.sqrt(np.where(rest > 1e-12, rest, np.nan)))
