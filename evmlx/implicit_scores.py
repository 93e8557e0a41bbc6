"""How well one way of scoring finds the target emotions of a battery of texts.

Knows the scores and the targets; nothing about residuals or how the scores were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evmlx.intervals import clopper_pearson
from evmlx.resampling import draw_permutations, percentile_interval, permutation_p

if TYPE_CHECKING:
    from evmlx.corpus import Scenario

PERMUTATIONS = 9999
RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """How well one way of scoring finds the target emotions of a battery.

    Attributes
    ----------
    top1, top3, top5 : float
        Share of texts with the target among the highest one, three, five scores; `_low` and
        `_high` are Clopper-Pearson 95% bounds.
    mean_rank, mean_rank_low, mean_rank_high : float
        Rank of the target, 1 the best; bootstrap over texts.
    chance_top1, chance_mean_rank : float
        The same for a guess at random.
    top1_near, top1_near_low, top1_near_high, chance_top1_near : float
        Share of texts whose highest score is the target's or that of an emotion near it.
    macro_auc, macro_auc_low, macro_auc_high : float
        Mean over emotions of the share of pairs, of a text that has the emotion as its target
        and one that has not, in which the former scores higher on its vector (see `macro_auc`);
        bootstrap over texts. Chance is 0.5.
    hub_emotion, hub_share : str, float
        The emotion that is among the highest three for most texts, and for what share of them.
    p : float
        Permutation p of the mean rank, the targets permuted over the texts.
    draws : int
        Permutations.
    reason : str or None
        Why the AUC, or an interval that texts are drawn for, cannot be had.
    """

    top1: float
    top1_low: float
    top1_high: float
    top3: float
    top3_low: float
    top3_high: float
    top5: float
    top5_low: float
    top5_high: float
    mean_rank: float
    mean_rank_low: float
    mean_rank_high: float
    chance_top1: float
    chance_mean_rank: float
    top1_near: float
    top1_near_low: float
    top1_near_high: float
    chance_top1_near: float
    macro_auc: float
    macro_auc_low: float
    macro_auc_high: float
    hub_emotion: str
    hub_share: float
    p: float
    draws: int
    reason: str | None


@dataclass(frozen=True)
class Resampling:
    """Draws that all ways of scoring a battery share.

    Attributes
    ----------
    permuted : ndarray of int, shape (permutations, texts)
        Permutations of the texts.
    weights : ndarray of float64, shape (resamples, texts)
        How often each text was drawn, of as many draws with replacement as there are texts.
    """

    permuted: np.ndarray
    weights: np.ndarray


def resampling(n: int, seed: int) -> Resampling:
    """Draw permutations and bootstrap samples of n texts."""
    rng = np.random.default_rng(seed)
    permuted = draw_permutations(n, PERMUTATIONS, rng)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    return Resampling(permuted, weights.astype(np.float64))


def standardised(scores: np.ndarray) -> np.ndarray:
    """Scores of each vector as z over the texts, (texts, emotions).

    0 where they differ by rounding only.
    """
    spread = scores.std(axis=0)
    return np.asarray((scores - scores.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf))


def ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of each emotion for each text, 1 the best; of equal scores each has the worst rank.

    Parameters
    ----------
    scores : ndarray, shape (texts, emotions)

    Returns
    -------
    ndarray of int, shape (texts, emotions)
    """
    return np.asarray((scores[:, None, :] >= scores[:, :, None]).sum(axis=2))


def accepted_emotions(
    told: Sequence[Scenario], emotions: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return each text's target, and which emotions are its target or near it.

    Returns
    -------
    target : ndarray of int, shape (texts,)
        Column of the target.
    accepted : ndarray of bool, shape (texts, emotions)
    """
    row_of = {emotion: row for row, emotion in enumerate(emotions)}
    target = np.array([row_of[scenario.target] for scenario in told])
    accepted = np.zeros((len(told), len(emotions)), bool)
    for row, scenario in enumerate(told):
        accepted[row, [row_of[e] for e in (scenario.target, *scenario.near) if e in row_of]] = True
    return target, accepted


def score(
    scores: np.ndarray,
    target: np.ndarray,
    accepted: np.ndarray,
    emotions: Sequence[str],
    draws: Resampling,
) -> Score:
    """Sum scores up for the target of each text.

    Parameters
    ----------
    scores : ndarray, shape (texts, emotions)
        One text or more.
    target : ndarray of int, shape (texts,)
        Column of each text's target.
    accepted : ndarray of bool, shape (texts, emotions)
        The target and the emotions near it.
    emotions : sequence of str
        Names of the columns.
    draws : Resampling
        For p and intervals.

    Returns
    -------
    Score
    """
    n, count = scores.shape
    texts = np.arange(n)
    ranked = ranks(scores)
    reached = ranked[texts, target]
    tops = {k: int((reached <= k).sum()) for k in (1, 3, 5)}
    near = int(((ranked == 1) & accepted).any(axis=1).sum())
    hub = (ranked <= 3).sum(axis=0)
    null = ranked[texts, target[draws.permuted]].mean(axis=1)
    near_low, near_high = clopper_pearson(near, n)
    rank_low, rank_high = _interval(draws.weights @ reached / n)
    auc = float(macro_auc(scores, target, np.ones((1, n)))[0])
    auc_low, auc_high = _interval(macro_auc(scores, target, draws.weights))
    reason = None
    if np.isnan(auc):
        reason = "the texts have one target between them: AUC needs two"
    elif np.isnan(auc_low) or np.isnan(rank_low):
        reason = "texts too few, or too much of one kind, to draw them for an interval"
    return Score(
        tops[1] / n,
        *clopper_pearson(tops[1], n),
        tops[3] / n,
        *clopper_pearson(tops[3], n),
        tops[5] / n,
        *clopper_pearson(tops[5], n),
        float(reached.mean()),
        rank_low,
        rank_high,
        chance_top1=1 / count,
        chance_mean_rank=(count + 1) / 2,
        top1_near=near / n,
        top1_near_low=near_low,
        top1_near_high=near_high,
        chance_top1_near=float(accepted.mean()),
        macro_auc=auc,
        macro_auc_low=auc_low,
        macro_auc_high=auc_high,
        hub_emotion=emotions[int(hub.argmax())],
        hub_share=float(hub.max() / n),
        # a low rank is a good one
        p=permutation_p(-float(reached.mean()), -null),
        draws=len(draws.permuted),
        reason=reason,
    )


def macro_auc(scores: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each vector against the rest, averaged over emotions.

    For emotion e, with P the texts that have it as their target, N the others, s_i the score of
    text i on the vector of e and w_i how often the text counts,

        AUC_e = sum_{i in P, j in N} w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / sum w_i w_j.

    Emotions without a text in P or in N, under a weighting, are left out of its mean. Only the
    order of the texts on one vector matters, so a vector that is close to every text gains
    nothing, and centring or scaling a vector's scores changes nothing.

    Parameters
    ----------
    scores : ndarray, shape (texts, emotions)
    target : ndarray of int, shape (texts,)
        Column of each text's target.
    weights : ndarray, shape (draws, texts)
        How often each text counts.

    Returns
    -------
    ndarray of float64, shape (draws,)
        NaN where no emotion is left.

    References
    ----------
    Fawcett (2006), "An introduction to ROC analysis", Pattern Recognition Letters 27, section 9;
    one emotion against the rest, each emotion alike.
    """
    total, counted = np.zeros(len(weights)), np.zeros(len(weights))
    for emotion in np.unique(target):
        own, others = np.flatnonzero(target == emotion), np.flatnonzero(target != emotion)
        ahead, behind = scores[own, emotion][:, None], scores[others, emotion]
        won = (ahead > behind) + 0.5 * (ahead == behind)
        w_own, w_others = weights[:, own], weights[:, others]
        pairs = w_own.sum(axis=1) * w_others.sum(axis=1)
        there = pairs > 0
        total += ((w_own @ won) * w_others).sum(axis=1) / np.where(there, pairs, 1)
        counted += there
    return total / np.where(counted > 0, counted, np.nan)


def _interval(draws: np.ndarray) -> tuple[float, float]:
    """Percentile interval; NaN where all draws agree, as where every text is ranked first.

    Draws of texts that are all alike are alike, too: that is no certainty about other texts.
    """
    if np.isnan(draws).any() or np.ptp(draws) <= 1e-12:
        return float("nan"), float("nan")
    return percentile_interval(draws)
