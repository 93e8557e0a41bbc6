"""Topic bootstrap and permutations, as matrix products instead of loops over stories.

Knows nothing about clusters or norms: it resamples, and turns draws into intervals and p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from evmlx.errors import EvmlxError

MOST_REDRAWS = 10
"""Draws thrown away, for each draw wanted, at which the topic bootstrap gives up."""


@dataclass(frozen=True)
class Cells:
    """Which (emotion, topic) cell each story lies in.

    Attributes
    ----------
    of_story : ndarray of int, shape (N,)
        emotion index * topics + topic index; -1 where the story's emotion is not wanted.
    counts : ndarray of int, shape (emotions, topics)
        Stories of each cell, 0 where empty.
    topics : tuple of str
        Topic ids in order of first appearance.
    """

    of_story: np.ndarray
    counts: np.ndarray
    topics: tuple[str, ...]


@dataclass(frozen=True)
class TopicDraws:
    """Bootstrap draws of topics.

    Attributes
    ----------
    weights : ndarray of float64, shape (draws, topics)
        How often each topic was drawn; no rows where `reason` says why there are none.
    redrawn : int
        Draws thrown away because they left an emotion without stories.
    reason : str or None
        Why there is nothing to resample.
    """

    weights: np.ndarray
    redrawn: int
    reason: str | None


def story_cells(labels: Sequence[str], topic_ids: Sequence[str], emotions: Sequence[str]) -> Cells:
    """Sort stories into (emotion, topic) cells.

    Parameters
    ----------
    labels, topic_ids : sequence of str, length N
        Emotion and topic of each story.
    emotions : sequence of str
        Emotions in the order of the vectors.

    Returns
    -------
    Cells

    Raises
    ------
    EvmlxError
        If labels and topic ids differ in number.
    """
    if len(labels) != len(topic_ids):
        raise EvmlxError(
            f"{len(labels)} labels but {len(topic_ids)} topic ids: give one of each per story"
        )
    topics = tuple(dict.fromkeys(topic_ids))
    topic_at = {topic: at for at, topic in enumerate(topics)}
    row_at = {emotion: at * len(topics) for at, emotion in enumerate(emotions)}
    of_story = np.array(
        [
            row_at[emotion] + topic_at[topic] if emotion in row_at else -1
            for emotion, topic in zip(labels, topic_ids, strict=True)
        ],
        np.int64,
    )
    counts = np.bincount(of_story[of_story >= 0], minlength=len(emotions) * len(topics))
    return Cells(of_story, counts.reshape(len(emotions), len(topics)), topics)


def cell_sums(residuals: np.ndarray, cells: Cells, centre: np.ndarray) -> np.ndarray:
    """Sum of residuals over each cell, after taking `centre` from every story.

    Parameters
    ----------
    residuals : ndarray, shape (N, hidden)
        Pooled residuals at one layer.
    cells : Cells
        Of the same N stories.
    centre : ndarray, shape (hidden,)
        Emotion vectors do not depend on it; the corpus mean keeps rounding small where a few
        dimensions are large for every text.

    Returns
    -------
    ndarray of float64, shape (emotions, topics, hidden)
    """
    emotions, topics = cells.counts.shape
    sums = np.zeros((emotions * topics, residuals.shape[1]))
    order = np.argsort(cells.of_story, kind="stable")
    starts = np.searchsorted(cells.of_story[order], np.arange(emotions * topics + 1))
    for cell in range(emotions * topics):
        rows = order[starts[cell] : starts[cell + 1]]
        if rows.size:
            sums[cell] = (residuals[rows].astype(np.float64) - centre).sum(axis=0)
    return sums.reshape(emotions, topics, -1)


def draw_topics(counts: np.ndarray, draws: int, rng: np.random.Generator) -> TopicDraws:
    """Draw topics with replacement, as many as there are.

    A draw that leaves an emotion without a single story has no vector for it; it is drawn
    again, and the number of such draws is kept.

    Parameters
    ----------
    counts : ndarray of int, shape (emotions, topics)
        Stories of each cell.
    draws : int
        Draws wanted.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    TopicDraws
    """
    topics = counts.shape[1]
    none = np.zeros((0, topics))
    if topics < 2:
        return TopicDraws(none, 0, "fewer than two topics: there is nothing to resample")
    if draws < 1:
        return TopicDraws(none, 0, "no draws were asked for")
    filled = (counts > 0).astype(np.float64)
    kept, redrawn = none, 0
    while len(kept) < draws:
        weights = rng.multinomial(topics, np.full(topics, 1 / topics), size=draws - len(kept))
        usable = ((weights @ filled.T) > 0).all(axis=1)
        kept = np.concatenate([kept, weights[usable]])
        redrawn += int(np.sum(~usable))
        if redrawn > MOST_REDRAWS * draws:
            return TopicDraws(
                none, redrawn, "an emotion's stories lie in too few topics to resample topics"
            )
    return TopicDraws(kept, redrawn, None)


def resampled_cosines(
    sums: np.ndarray | csr_array, counts: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of the emotion vectors under reweightings of the topics, exactly.

    Under weights w an emotion's mean is m_e = sum_t w_t S_et / sum_t w_t n_et, with S the cell
    sums (after projection, which is linear) and n the counts. Inner products of the means
    follow from those of the sums; subtracting the mean over emotions is double centring. So
    no draw touches the hidden dimension.

    The corrected cosines leave out the products of a topic with itself, and so the squares of
    its noise: the inner product of m_e and m_e' is the mean over pairs of stories from two
    topics, which is unbiased, where that of noisy means is too large for e = e' and makes
    cosines too small. It is what split halves of the topics give, over all splits at once.

    Parameters
    ----------
    sums : ndarray or csr_array of float64, shape (emotions, topics, hidden)
        Cell sums with neutral components projected out; a sparse one has the two first axes in
        one, (emotions * topics, hidden).
    counts : ndarray of int, shape (emotions, topics)
        Stories of each cell.
    weights : ndarray of float64, shape (draws, topics)
        How often each topic counts.

    Returns
    -------
    plain, corrected : ndarray of float64, each (draws, emotions, emotions)
        NaN where a draw's vector is zero but for rounding (plain), or not longer than its noise
        or had from one topic only (corrected), or where a draw leaves an emotion no story.
    """
    emotions, topics = counts.shape
    cells = sums.reshape(emotions * topics, -1)
    plain = np.empty((len(weights), emotions, emotions))
    corrected = np.empty_like(plain)
    stories = weights @ counts.T  # (D, E)
    for e in range(emotions):
        gram = cells[e * topics : (e + 1) * topics] @ cells[e * topics :].T  # (T, (E - e) T)
        gram = gram if isinstance(gram, np.ndarray) else gram.toarray()
        half = (weights @ gram).reshape(len(weights), emotions - e, topics)
        product = np.einsum("det,dt->de", half, weights)
        pairs = stories[:, e, None] * stories[:, e:]
        same = np.einsum("tet->te", gram.reshape(topics, emotions - e, topics))
        product_apart = product - weights**2 @ same
        pairs_apart = pairs - weights**2 @ (counts[e] * counts[e:]).T
        plain[:, e, e:] = plain[:, e:, e] = product / np.where(pairs > 0, pairs, np.nan)
        apart = product_apart / np.where(pairs_apart > 0, pairs_apart, np.nan)
        corrected[:, e, e:] = corrected[:, e:, e] = apart
    rounding = 1e-13 * np.einsum("dee->de", plain).max(axis=1, initial=0.0)
    return _cosines(plain, rounding), _cosines(corrected, rounding)


def _cosines(inner: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """Cosines of vectors less their mean, from inner products (D, E, E) of the vectors."""
    inner = inner - inner.mean(axis=1, keepdims=True)
    inner -= inner.mean(axis=2, keepdims=True)
    squares = np.einsum("dee->de", inner)
    length = np.sqrt(np.where(squares > rounding[:, None], squares, np.nan))
    return np.asarray(inner / (length[:, :, None] * length[:, None, :]))


def draw_permutations(size: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw permutations of 0 .. size - 1.

    Returns
    -------
    ndarray of int, shape (draws, size)
    """
    return rng.permuted(np.tile(np.arange(size), (draws, 1)), axis=1)


def permutation_p(observed: float, null: np.ndarray) -> float:
    """Share of draws, the observed one included, that reach the observed value.

    p = (b + 1) / (n + 1), which is never 0; draws that equal the observed value up to
    rounding count as reaching it.

    Parameters
    ----------
    observed : float
        The statistic; larger is further from the null.
    null : ndarray, shape (n,)
        The same statistic under n permutations.

    Returns
    -------
    float
        NaN where the statistic is.

    References
    ----------
    Phipson and Smyth (2010), "Permutation P-values should never be zero", Statistical
    Applications in Genetics and Molecular Biology 9.
    """
    if np.isnan(observed) or null.size == 0 or np.isnan(null).any():
        return float("nan")
    tolerance = 1e-10 * max(1.0, abs(observed))
    return float((np.sum(null >= observed - tolerance) + 1) / (null.size + 1))


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """95% percentile interval of bootstrap draws; NaN where there are none or one is NaN.

    Parameters
    ----------
    draws : ndarray, shape (n,)

    Returns
    -------
    low, high : float
    """
    if draws.size == 0 or np.isnan(draws).any():
        return float("nan"), float("nan")
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def centred_interval(estimate: float, draws: np.ndarray) -> tuple[float, float]:
    """95% percentile interval with the draws moved so that their mean is the estimate.

    Resampling adds its noise to the noise that the estimate has already. A statistic that
    noise pulls one way, as it pulls cosines towards 0, is pulled twice in the draws, and
    their percentiles can miss the estimate altogether. Moved back, they say how far the
    estimate varies about its own expectation.

    Parameters
    ----------
    estimate : float
        The statistic with every topic once.
    draws : ndarray, shape (n,)
        The statistic under resampled topics.

    Returns
    -------
    low, high : float
    """
    low, high = percentile_interval(draws)
    shift = estimate - float(draws.mean()) if draws.size else 0.0
    return low + shift, high + shift
