"""How well one model at fewer bits stands in for itself: vectors, residuals, and a verdict.

Takes residuals of the same texts at one layer from both; knows nothing about how weights are
quantized.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evmlx.comparison.compare import PairComparison
from evmlx.comparison.geometry import Design, projected_sums
from evmlx.comparison.read import Stories
from evmlx.parity.compare import relative_errors
from evmlx.rsa import correlation_intervals

NAN = float("nan")
NUMBERS_AT_A_TIME = 1 << 22
RANK_METRICS = ("implicit_situation_mean_rank", "implicit_message_mean_rank")


@dataclass(frozen=True)
class EmotionCosine:
    """Cosine of one emotion's vector with the reference's; 95% interval over topics."""

    cosine: float
    low: float
    high: float


@dataclass(frozen=True)
class VectorFidelity:
    """Cosines of denoised emotion vectors with those of the reference.

    Attributes
    ----------
    median, median_low, median_high : float
        Over emotions, with its 95% interval over topics.
    smallest, smallest_low, smallest_high : float
        The smallest over emotions; its interval is that of the smallest, whichever emotion it is
        in a draw.
    worst_emotion : str
        Emotion with the smallest cosine.
    emotions : mapping of str to EmotionCosine
        Each of them.
    reason : str or None
        Why there is no interval.
    """

    median: float
    median_low: float
    median_high: float
    smallest: float
    smallest_low: float
    smallest_high: float
    worst_emotion: str
    emotions: Mapping[str, EmotionCosine]
    reason: str | None


@dataclass(frozen=True)
class ResidualError:
    """Relative error ||q - r|| / ||r|| of the stories' pooled residuals.

    Attributes
    ----------
    median, p95, worst : float
        Over stories.
    centred_median, centred_p95 : float
        The same after each side's mean over stories is taken out: the error as a share of what
        tells stories apart.
    """

    median: float
    p95: float
    worst: float
    centred_median: float
    centred_p95: float


@dataclass(frozen=True)
class Thresholds:
    """What a verdict asks for: bounds that the whole 95% interval has to keep.

    Attributes
    ----------
    cosine : float
        Of the smallest cosine of an emotion vector, from below.
    rsa : float
        Of the correlation of the cosine matrices, from below.
    probe : float
        Loss of probe accuracy; for `INTERCHANGEABLE` a gain as well.
    rank : float
        Rise of the mean rank in either battery; for `INTERCHANGEABLE` a fall as well.
    """

    cosine: float
    rsa: float
    probe: float
    rank: float


INTERCHANGEABLE = Thresholds(cosine=0.98, rsa=0.98, probe=0.03, rank=0.5)
USABLE = Thresholds(cosine=0.90, rsa=0.90, probe=0.10, rank=2.0)
LABELS = (
    "interchangeable",
    "usable for directions, not for small differences",
    "not to be trusted",
    "undecided",
)


@dataclass(frozen=True)
class Verdict:
    """Plain words by fixed thresholds, and what kept it from better ones.

    Attributes
    ----------
    label : str
        One of `LABELS`.
    because : tuple of str
        What fell short of the next better label, or could not be told.
    """

    label: str
    because: tuple[str, ...]


def vector_fidelity(reference: Stories, other: Stories, design: Design) -> VectorFidelity:
    """Compare the denoised emotion vectors of two runs of one model, topics resampled on both.

    Each side has its own neutral components projected out, as its vectors have.

    Parameters
    ----------
    reference, other : Stories
        The same stories.
    design : Design
        Of these stories.
    """
    plan = design.plan
    topics = plan.cells.counts.shape[1]
    left_out = topics if plan.topics.reason is None else 0
    weights = np.concatenate(
        [np.ones((1, topics)), (1 - np.eye(topics))[:left_out], plan.topics.weights]
    )
    sums = [projected_sums(s.pooled, s.dialogues, plan.cells) for s in (reference, other)]
    cosines = matched_cosines(sums[0], sums[1], plan.cells.counts, weights)
    each = [correlation_intervals(cosines[:, e], left_out) for e in range(cosines.shape[1])]
    median = correlation_intervals(np.median(cosines, axis=1), left_out)
    smallest = correlation_intervals(cosines.min(axis=1), left_out)
    return VectorFidelity(
        median=median.estimate,
        median_low=median.low,
        median_high=median.high,
        smallest=smallest.estimate,
        smallest_low=smallest.low,
        smallest_high=smallest.high,
        worst_emotion=design.emotions[int(np.argmin(cosines[0]))],
        emotions={
            emotion: EmotionCosine(found.estimate, found.low, found.high)
            for emotion, found in zip(design.emotions, each, strict=True)
        },
        reason=plan.topics.reason,
    )


def matched_cosines(
    a: np.ndarray, b: np.ndarray, counts: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Cosine between the two vectors of each emotion, under reweightings of the topics.

    Parameters
    ----------
    a, b : ndarray, each (emotions, topics, hidden)
        Cell sums of two models of one width.
    counts : ndarray of int, shape (emotions, topics)
        Stories of each cell.
    weights : ndarray, shape (draws, topics)
        How often each topic counts.

    Returns
    -------
    ndarray, shape (draws, emotions)
        NaN where a vector is zero.
    """
    emotions, topics, hidden = a.shape
    found = np.empty((len(weights), emotions))
    by_topic = [np.swapaxes(s, 0, 1).reshape(topics, -1) for s in (a, b)]
    stories = weights @ counts.T
    piece = max(1, NUMBERS_AT_A_TIME // (emotions * hidden))
    for start in range(0, len(weights), piece):
        rows = slice(start, start + piece)
        first, second = (_vectors(weights[rows] @ s, stories[rows]) for s in by_topic)
        inner = np.einsum("deh,deh->de", first, second)
        lengths = np.linalg.norm(first, axis=2) * np.linalg.norm(second, axis=2)
        found[rows] = inner / np.where(lengths > 0, lengths, np.nan)
    return found


def _vectors(sums: np.ndarray, stories: np.ndarray) -> np.ndarray:
    """Means of the emotions (draws, emotions, hidden) less their mean."""
    counted = np.where(stories > 0, stories, np.nan)[:, :, None]
    means = sums.reshape(*stories.shape, -1) / counted
    return np.asarray(means - means.mean(axis=1, keepdims=True))


def residual_error(reference: np.ndarray, other: np.ndarray) -> ResidualError:
    """Relative error of pooled residuals, as they are and less their mean.

    Parameters
    ----------
    reference, other : ndarray, each (stories, hidden)
    """
    errors = relative_errors(other, reference)
    centred = relative_errors(
        other - other.mean(axis=0, dtype=np.float64),
        reference - reference.mean(axis=0, dtype=np.float64),
    )
    return ResidualError(
        float(np.median(errors)),
        float(np.quantile(errors, 0.95)),
        float(errors.max()),
        float(np.median(centred)),
        float(np.quantile(centred, 0.95)),
    )


def verdict(vectors: VectorFidelity, pair: PairComparison) -> Verdict:
    """Judge a precision by thresholds that were fixed beforehand.

    `INTERCHANGEABLE` further asks that the correlation of the cosine matrices reaches the
    reference's own reliability: quantization then moves the emotions less than other topics
    would. A figure without an interval cannot pass; one that the corpus has no texts for is not
    asked for.

    Parameters
    ----------
    vectors : VectorFidelity
        Against the reference.
    pair : PairComparison
        The reference first.
    """
    short = _shortfalls(vectors, pair, INTERCHANGEABLE, both_ways=True)
    failed = [why for why, known in short if known]
    if not short:
        return Verdict(LABELS[0], ())
    if not failed:
        return Verdict(LABELS[3], tuple(why for why, _ in short))
    worse = _shortfalls(vectors, pair, USABLE, both_ways=False)
    if not worse:
        return Verdict(LABELS[1], tuple(failed))
    failed = [why for why, known in worse if known]
    if not failed:
        return Verdict(LABELS[3], tuple(why for why, _ in worse))
    return Verdict(LABELS[2], tuple(failed))


def _shortfalls(
    vectors: VectorFidelity, pair: PairComparison, asked: Thresholds, *, both_ways: bool
) -> list[tuple[str, bool]]:
    """What does not pass: in words, and whether that is known rather than not to be told."""
    found = [
        _above("smallest cosine of a vector", vectors.smallest_low, asked.cosine),
        _above("RSA", pair.rsa.low if pair.rsa else NAN, asked.rsa),
    ]
    if both_ways and pair.rsa is not None:
        r, ceiling = pair.rsa.r, pair.rsa.reliability[0]
        text = f"RSA {r:.3f} is below the reference's own reliability {ceiling:.3f}"
        found.append(None if r >= ceiling else (text, math.isfinite(ceiling)))
    for d in pair.differences:
        if d.metric == "probe_accuracy":
            low, high = -asked.probe, asked.probe if both_ways else math.inf
            found.append(_within("probe accuracy", d.low, d.high, low, high, 3))
        elif d.metric in RANK_METRICS and d.n:
            low, high = -asked.rank if both_ways else -math.inf, asked.rank
            name = f"mean rank, {d.metric.split('_')[1]}s"
            found.append(_within(name, d.low, d.high, low, high, 2))
    return [one for one in found if one is not None]


def _above(what: str, low: float, bound: float) -> tuple[str, bool] | None:
    if math.isnan(low):
        return f"{what}: no interval", False
    return None if low >= bound else (f"{what} may be {low:.3f}, below {bound:g}", True)


def _within(
    what: str, low: float, high: float, lowest: float, highest: float, digits: int
) -> tuple[str, bool] | None:
    if math.isnan(low):
        return f"change of {what}: no interval", False
    if low >= lowest and high <= highest:
        return None
    end, bound = (low, lowest) if low < lowest else (high, highest)
    return f"change of {what} may be {end:+.{digits}f}, beyond {bound:+g}", True
