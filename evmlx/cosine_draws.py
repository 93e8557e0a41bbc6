"""Cosines of the emotion vectors with topics drawn again, left out, and split into halves.

What is drawn is drawn once and serves every layer and every figure, so that figures can be
compared draw by draw. Knows nothing about what is computed from the cosines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, stdtrit

from evmlx.bca import LEVEL, bca_interval
from evmlx.resampling import (
    MOST_REDRAWS,
    Cells,
    TopicDraws,
    draw_topics,
    resampled_cosines,
)

SPLITS = 100
"""Random splits of the topics into halves."""

NAN = float("nan")


@dataclass(frozen=True)
class Halves:
    """Random splits of the topics into halves.

    Attributes
    ----------
    first : ndarray of bool, shape (splits, topics)
        Topics of the first half; with an odd number it has one fewer than the second.
    reason : str or None
        Why there are no splits.
    """

    first: np.ndarray
    reason: str | None


@dataclass(frozen=True)
class TopicPlan:
    """How topics are resampled, the same for every layer.

    Attributes
    ----------
    cells : Cells
        Of the stories.
    topics : TopicDraws
        Bootstrap draws.
    halves : Halves
        Splits.
    """

    cells: Cells
    topics: TopicDraws
    halves: Halves


@dataclass(frozen=True)
class CosineDraws:
    """Cosines under the weightings of a plan.

    Attributes
    ----------
    plain, corrected : ndarray, each (1 + left out + draws, emotions, emotions)
        First every topic once, then each topic left out in turn, then the bootstrap draws;
        corrected as in `evmlx.resampling.resampled_cosines`.
    halves : ndarray, shape (splits, 2, emotions, emotions)
        Plain cosines of both halves of each split.
    left_out : int
        Rows with one topic left out; as many as topics, or 0 where `reason` says why.
    redrawn : int
        Draws thrown away because they left an emotion without stories.
    reason, halves_reason : str or None
        Why there are no draws, and why there are no halves.
    """

    plain: np.ndarray
    corrected: np.ndarray
    halves: np.ndarray
    left_out: int
    redrawn: int
    reason: str | None
    halves_reason: str | None

    @property
    def draws(self) -> int:
        """Bootstrap draws."""
        return len(self.plain) - 1 - self.left_out


@dataclass(frozen=True)
class Intervals:
    """95% intervals of one figure: percentile and BCa; NaN where there is none."""

    estimate: float
    mean: float
    low: float
    high: float
    low_bca: float
    high_bca: float
    reason: str | None


def topic_plan(
    cells: Cells, draws: int, draw_rng: np.random.Generator, split_rng: np.random.Generator
) -> TopicPlan:
    """Draw topics, and split them into halves.

    Parameters
    ----------
    cells : Cells
        Stories of each emotion and topic.
    draws : int
        Bootstrap draws wanted.
    draw_rng, split_rng : numpy.random.Generator
        Sources of the draws and of the splits.

    Returns
    -------
    TopicPlan
    """
    topics = draw_topics(cells.counts, draws, draw_rng)
    return TopicPlan(cells, topics, draw_halves(cells.counts, SPLITS, split_rng))


def draw_halves(counts: np.ndarray, splits: int, rng: np.random.Generator) -> Halves:
    """Split topics at random into halves in which every emotion has a story.

    Parameters
    ----------
    counts : ndarray of int, shape (emotions, topics)
        Stories of each cell.
    splits : int
        Splits wanted; one that leaves an emotion out of a half is drawn again.
    rng : numpy.random.Generator
        Source of the splits.

    Returns
    -------
    Halves
    """
    topics = counts.shape[1]
    none = np.zeros((0, topics), bool)
    if topics < 2:
        return Halves(none, "fewer than two topics: there are no halves")
    filled = (counts > 0).astype(np.float64)
    kept = none
    for _ in range(MOST_REDRAWS):
        order = np.tile(np.arange(topics), (splits, 1))
        first = rng.permuted(order, axis=1) < topics // 2
        usable = (first @ filled.T > 0).all(axis=1) & (~first @ filled.T > 0).all(axis=1)
        kept = np.concatenate([kept, first[usable]])[:splits]
        if len(kept) == splits:
            return Halves(kept, None)
    return Halves(none, "an emotion's stories lie in too few topics to split them into halves")


def cosine_draws(sums: np.ndarray | csr_array, plan: TopicPlan) -> CosineDraws:
    """Cosines with every topic once, with one left out, under draws, and in halves.

    Parameters
    ----------
    sums : ndarray or csr_array
        Cell sums, as `evmlx.resampling.resampled_cosines` takes them.
    plan : TopicPlan
        Of the same cells.

    Returns
    -------
    CosineDraws
    """
    counts = plan.cells.counts
    topics = counts.shape[1]
    drawn, halves = plan.topics.weights, plan.halves.first
    left_out = topics if plan.topics.reason is None else 0
    weights = [np.ones((1, topics)), (1 - np.eye(topics))[:left_out], drawn, halves, ~halves]
    plain, corrected = resampled_cosines(sums, counts, np.concatenate(weights))
    kept = 1 + left_out + len(drawn)
    both = plain[kept:].reshape(2, len(halves), *plain.shape[1:])
    return CosineDraws(
        plain=plain[:kept],
        corrected=corrected[:kept],
        halves=np.swapaxes(both, 0, 1),
        left_out=left_out,
        redrawn=plan.topics.redrawn,
        reason=plan.topics.reason,
        halves_reason=plan.halves.reason,
    )


def no_draws(emotions: int, reason: str) -> CosineDraws:
    """Stand-in where there are no stories to resample: every cosine is NaN."""
    none = np.full((1, emotions, emotions), NAN)
    halves = np.zeros((0, 2, emotions, emotions))
    return CosineDraws(none, none, halves, 0, 0, reason, reason)


def topic_intervals(figure: np.ndarray, left_out: int, *, moved: bool) -> Intervals:
    """95% expanded percentile and BCa intervals of a figure over topics.

    Parameters
    ----------
    figure : ndarray, shape (1 + left out + draws,)
        In the order of `CosineDraws.plain`.
    left_out : int
        Values with one topic left out: the number of topics.
    moved : bool
        Move the draws so that the estimate is their mean, for a figure that noise pulls one way
        (see `evmlx.resampling.centred_interval`). BCa is then taken of the moved draws: it needs
        the estimate to lie among the draws, and unmoved ones may all lie on one side of it.

    Returns
    -------
    Intervals
        NaN where there are no draws or a draw is NaN; `reason` says why BCa is missing.
    """
    estimate, draws = float(figure[0]), figure[1 + left_out :]
    mean = float(draws.mean()) if draws.size else NAN
    if moved:
        draws = draws + (estimate - mean)
    low = high = NAN
    if draws.size and not np.isnan(draws).any():
        tail = expanded_tail(left_out)
        low, high = map(float, np.quantile(draws, [tail, 1 - tail]))
    bca = bca_interval(estimate, draws, figure[1 : 1 + left_out])
    return Intervals(estimate, mean, low, high, *bca)


def expanded_tail(units: int) -> float:
    """Share of bootstrap draws beyond either bound of an expanded percentile interval.

    Draws of n units spread less than the figure does, by sqrt((n - 1) / n), and their tails are
    the normal's, not Student's: the share is Phi(sqrt(n / (n - 1)) t), with t the 2.5% quantile
    of Student's distribution with n - 1 degrees of freedom. It is 0.0188 for 30 topics.

    Parameters
    ----------
    units : int
        What is resampled, two or more.

    Returns
    -------
    float

    References
    ----------
    Hesterberg (2015), "What Teachers Should Know About the Bootstrap: Resampling in the
    Undergraduate Statistics Curriculum", The American Statistician 69.
    """
    quantile = stdtrit(units - 1, (1 - LEVEL) / 2)
    return float(ndtr(np.sqrt(units / (units - 1)) * quantile))
