"""Geometry of models on the same stories: cohesion and CKA under shared draws of topics.

Takes pooled residuals of one layer; knows nothing about files. Nothing here compares lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evmlx.clusters import Clusters, cluster_membership
from evmlx.comparison.cka import Cka, grouped_cka
from evmlx.comparison.paired import NAN, Difference
from evmlx.cosine_draws import CosineDraws, TopicPlan, cosine_draws, topic_intervals, topic_plan
from evmlx.neutral import neutral_components, project_out
from evmlx.resampling import Cells, cell_sums, story_cells
from evmlx.text_cells import tfidf_cells

if TYPE_CHECKING:
    from evmlx.comparison.read import Stories

DRAWS = 2000


@dataclass(frozen=True)
class Design:
    """What is the same for every run on a corpus.

    Attributes
    ----------
    emotions : tuple of str
        Rows of the cosine matrices.
    clusters : Clusters
        Of these emotions.
    plan : TopicPlan
        Cells, bootstrap draws and halves of the topics.
    text : CosineDraws or None
        Cosines of TF-IDF class means under the same draws.
    text_reason : str or None
        Why there are none.
    """

    emotions: tuple[str, ...]
    clusters: Clusters
    plan: TopicPlan
    text: CosineDraws | None
    text_reason: str | None


@dataclass(frozen=True)
class Arrangement:
    """How one model lays the emotions out.

    Attributes
    ----------
    cosines : CosineDraws
        Cosines of its emotion vectors under the draws and halves of the design.
    gram : ndarray, shape (cells, cells)
        Inner products of cell means, less the mean of their topic.
    """

    cosines: CosineDraws
    gram: np.ndarray


def make_design(stories: Stories, emotions: Sequence[str], seed: int, draws: int = DRAWS) -> Design:
    """Lay out cells, draws, halves and the text control for the runs on one corpus.

    Parameters
    ----------
    stories : Stories
        Of any of the runs: all have the same texts.
    emotions : sequence of str
        Emotions with at least one story, in the order of the corpus.
    seed : int
        Of draws and halves.
    draws : int
        Bootstrap draws.
    """
    cells = story_cells(stories.emotions, stories.topic_ids, emotions)
    plan = topic_plan(cells, draws, *np.random.default_rng([seed, 20]).spawn(2))
    words = tfidf_cells(stories.texts, cells)
    text = None if words.sums is None else cosine_draws(words.sums, plan)
    clusters = cluster_membership(emotions, stories.corpus.clusters)
    return Design(tuple(emotions), clusters, plan, text, words.reason)


def arrangement(pooled: np.ndarray, dialogues: np.ndarray, design: Design) -> Arrangement:
    """Cosines of one model's emotion vectors under every draw and half of a design.

    Parameters
    ----------
    pooled : ndarray, shape (N, hidden)
        Stories at one layer, in the order of the design.
    dialogues : ndarray, shape (M, hidden)
        Neutral dialogues at the same layer, whose components are projected out.
    design : Design
        Of the same stories.
    """
    cells = design.plan.cells
    sums = projected_sums(pooled, dialogues, cells)
    return Arrangement(cosine_draws(sums, design.plan), topic_centred_gram(sums, cells.counts))


def projected_sums(pooled: np.ndarray, dialogues: np.ndarray, cells: Cells) -> np.ndarray:
    """Cell sums, float64 (emotions, topics, hidden), with neutral components projected out."""
    basis, _ = neutral_components(dialogues)
    return project_out(cell_sums(pooled, cells, pooled.mean(axis=0, dtype=np.float64)), basis)


def whole_topics(counts: np.ndarray) -> np.ndarray:
    """Topics in which every emotion has a story."""
    return np.flatnonzero((counts > 0).all(axis=0))


def topic_centred_gram(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Inner products of cell means less their topic's mean: what is left is emotion.

    Parameters
    ----------
    sums : ndarray, shape (emotions, topics, hidden)
    counts : ndarray, shape (emotions, topics)

    Returns
    -------
    ndarray, shape (topics * emotions, topics * emotions)
        Topic by topic, of topics in which every emotion has a story.
    """
    topics = whole_topics(counts)
    means = sums[:, topics] / counts[:, topics, None]
    means = np.swapaxes(means - means.mean(axis=0, keepdims=True), 0, 1)
    rows = means.reshape(-1, means.shape[-1])
    return np.asarray(rows @ rows.T)


def cka(a: Arrangement, b: Arrangement, design: Design, rng: np.random.Generator) -> Cka:
    """Debiased linear CKA of two models' topic-centred cell means; see `evmlx.comparison.cka`."""
    cells = design.plan.cells
    groups = [cells.topics[t] for t in whole_topics(cells.counts) for _ in design.emotions]
    return grouped_cka(a.gram, b.gram, groups, rng)


def cohesion(cosines: np.ndarray, clusters: Clusters) -> np.ndarray:
    """Mean cosine within clusters minus mean cosine across, of each matrix.

    Parameters
    ----------
    cosines : ndarray, shape (..., emotions, emotions)
    clusters : Clusters
        Of the same emotions.

    Returns
    -------
    ndarray, shape (...)
        NaN where there is no pair within, or none across.
    """
    rows = np.array(clusters.rows, int)
    member = clusters.membership @ clusters.membership.T
    pairs = np.triu(np.ones_like(member), 1).astype(bool)
    chosen = cosines[..., rows[:, None], rows]
    inside, outside = pairs & (member > 0), pairs & (member == 0)
    if not inside.any() or not outside.any():
        return np.full(cosines.shape[:-2], NAN)
    return np.asarray(chosen[..., inside].mean(axis=-1) - chosen[..., outside].mean(axis=-1))


def cohesion_differences(a: Arrangement, b: Arrangement, design: Design) -> list[Difference]:
    """Differences of cohesion, plain and without the vectors' noise, under shared draws.

    No p: clusters cannot be exchanged between models, and topics of two models cannot be mixed.
    """
    kinds = {"cluster_cohesion": "plain", "cluster_cohesion_corrected": "corrected"}
    found = []
    for metric, kind in kinds.items():
        first, second = (cohesion(getattr(one.cosines, kind), design.clusters) for one in (a, b))
        plain = kind == "plain"  # as the intervals of cohesion itself, see `evmlx.cohesion`
        drawn = topic_intervals(second - first, a.cosines.left_out, moved=plain)
        reason = a.cosines.reason
        if np.isnan(drawn.estimate):
            reason = "no pair of emotions within a cluster, or none across"
        elif reason is None and np.isnan(drawn.low):
            reason = "in some draws a vector is not longer than its noise: no interval"
        found.append(
            Difference(
                metric,
                float(first[0]),
                float(second[0]),
                drawn.estimate,
                drawn.low,
                drawn.high,
                NAN,
                None,
                "topics",
                design.plan.cells.counts.shape[1],
                reason,
            )
        )
    return found
