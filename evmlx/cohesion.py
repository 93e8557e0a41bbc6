"""Cohesion of clusters: whether emotions of one cluster are closer than emotions of two.

Takes denoised vectors of one layer; knows nothing about layers, stories or norms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evmlx.clusters import Clusters
from evmlx.components import unit_vectors
from evmlx.resampling import (
    TopicDraws,
    centred_interval,
    percentile_interval,
    permutation_p,
    resampled_cosines,
)

NAN = float("nan")


@dataclass(frozen=True)
class Resampling:
    """What the figures of a layer are resampled with.

    Attributes
    ----------
    sums : ndarray of float64, shape (emotions, topics, hidden), or None
        Cell sums with neutral components projected out; None where `topics.reason` says why.
    counts : ndarray of int, shape (emotions, topics)
        Stories of each cell.
    topics : TopicDraws
        Bootstrap draws.
    relabelled : ndarray of int, shape (permutations, R)
        Permutations of the emotions that have a cluster.
    """

    sums: np.ndarray | None
    counts: np.ndarray
    topics: TopicDraws
    relabelled: np.ndarray


@dataclass(frozen=True)
class ClusterCohesion:
    """Cohesion of one cluster; NaN `within` where it has one emotion only."""

    emotions: tuple[str, ...]
    within: float
    cross: float
    diff: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class CorrectedCohesion:
    """Cohesion of cosines without the noise of the vectors; 95% percentile interval."""

    estimate: float
    low: float
    high: float
    mean: float
    reason: str | None


@dataclass(frozen=True)
class TopicBootstrap:
    """Cohesion under resampled topics.

    `low` and `high` are the draws' percentiles moved by `estimate` - `mean`, the bias that
    resampling adds.
    """

    unit: str
    draws: int
    estimate: float
    low: float
    high: float
    mean: float
    redrawn: int
    corrected: CorrectedCohesion
    reason: str | None


@dataclass(frozen=True)
class LabelPermutation:
    """Cohesion under permuted emotion -> cluster labels."""

    draws: int
    p: float
    null_mean: float
    null_std: float
    null_max: float


@dataclass(frozen=True)
class CosineGeometry:
    """Cosine matrix of one layer and what the clusters make of it."""

    emotions: tuple[str, ...]
    matrix: np.ndarray
    within_cluster_mean: float
    cross_cluster_mean: float
    diff: float
    clusters: Mapping[str, ClusterCohesion]
    bootstrap: TopicBootstrap
    permutation: LabelPermutation
    reason: str | None


@dataclass(frozen=True)
class _Cohesion:
    """Within, across and their difference: overall (...,) and per cluster (..., C)."""

    within: np.ndarray
    cross: np.ndarray
    diff: np.ndarray
    cluster_within: np.ndarray
    cluster_cross: np.ndarray
    cluster_diff: np.ndarray


def cosine_geometry(
    emotions: Sequence[str], vectors: np.ndarray, clusters: Clusters, resampling: Resampling
) -> CosineGeometry:
    """Cosine matrix, cohesion overall and per cluster, its topic interval and its p.

    Cohesion is the mean cosine of pairs within a cluster minus the mean cosine of pairs across
    clusters; a cluster's own is the mean over its pairs minus the mean over pairs of one of
    its emotions and one of another cluster's. Per-cluster p are not corrected for their number.

    Parameters
    ----------
    emotions : sequence of str
        Names of the rows.
    vectors : ndarray, shape (emotions, hidden)
        Denoised vectors of one layer.
    clusters : Clusters
        Of the same emotions.
    resampling : Resampling
        Draws, and the cell sums of the stories behind `vectors`.

    Returns
    -------
    CosineGeometry
        NaN, with the reason, where the clusters allow no comparison or a vector is zero.
    """
    unit = unit_vectors(vectors)
    matrix = unit @ unit.T
    rows = np.ix_(clusters.rows, clusters.rows)
    observed = _cohesion(_block_sums(matrix[rows], clusters.membership), clusters.membership)
    null = _cohesion(
        _block_sums(matrix[rows], clusters.membership[resampling.relabelled]), clusters.membership
    )
    drawn, bootstrap = _bootstrap(clusters, resampling)
    by_cluster = {}
    for c, name in enumerate(clusters.names):
        low, high = centred_interval(float(drawn.cluster_diff[0, c]), drawn.cluster_diff[1:, c])
        by_cluster[name] = ClusterCohesion(
            emotions=tuple(emotions[row] for row in clusters.members[c]),
            within=float(observed.cluster_within[c]),
            cross=float(observed.cluster_cross[c]),
            diff=float(observed.cluster_diff[c]),
            low=low,
            high=high,
            p=permutation_p(float(observed.cluster_diff[c]), null.cluster_diff[:, c]),
        )
    return CosineGeometry(
        emotions=tuple(emotions),
        matrix=matrix,
        within_cluster_mean=float(observed.within),
        cross_cluster_mean=float(observed.cross),
        diff=float(observed.diff),
        clusters=by_cluster,
        bootstrap=bootstrap,
        permutation=_label_permutation(float(observed.diff), null.diff),
        reason=_why_none(emotions, matrix, clusters),
    )


def _block_sums(cosines: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """Sum of off-diagonal cosines between any two clusters, (..., C, C).

    Everything about cohesion follows from it, for resampled cosines (D, R, R) under one
    membership as for one matrix under permuted memberships (D, R, C).
    """
    pairs = np.where(np.eye(cosines.shape[-1], dtype=bool), 0.0, cosines)
    return np.asarray(np.swapaxes(membership, -1, -2) @ (pairs @ membership))


def _cohesion(blocks: np.ndarray, membership: np.ndarray) -> _Cohesion:
    sizes = membership.sum(axis=0)
    inside = np.einsum("...cc->...c", blocks)
    outside = blocks.sum(axis=-1) - inside
    pairs_inside = sizes * (sizes - 1)
    pairs_outside = sizes * (sizes.sum() - sizes)
    within = _mean(inside.sum(axis=-1), pairs_inside.sum())
    cross = _mean(outside.sum(axis=-1), pairs_outside.sum())
    cluster_within = _mean(inside, pairs_inside)
    cluster_cross = _mean(outside, pairs_outside)
    return _Cohesion(
        within,
        cross,
        within - cross,
        cluster_within,
        cluster_cross,
        cluster_within - cluster_cross,
    )


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.asarray(total / np.where(count > 0, count, np.nan))


def _bootstrap(clusters: Clusters, resampling: Resampling) -> tuple[_Cohesion, TopicBootstrap]:
    """Cohesion with every topic once (row 0) and under each draw, and what it comes to."""
    weights = resampling.topics.weights
    rows = np.array(clusters.rows, int)
    if resampling.sums is None:
        plain = corrected = np.full((1, rows.size, rows.size), NAN)
    else:
        every = np.concatenate([np.ones((1, weights.shape[1])), weights])
        plain, corrected = (
            cosines[:, rows[:, None], rows]
            for cosines in resampled_cosines(resampling.sums, resampling.counts, every)
        )
    drawn = _cohesion(_block_sums(plain, clusters.membership), clusters.membership)
    clean = _cohesion(_block_sums(corrected, clusters.membership), clusters.membership)
    low, high = centred_interval(float(drawn.diff[0]), drawn.diff[1:])
    return drawn, TopicBootstrap(
        unit="topics",
        draws=len(plain) - 1,
        estimate=float(drawn.diff[0]),
        low=low,
        high=high,
        mean=_mean_of(drawn.diff[1:]),
        redrawn=resampling.topics.redrawn,
        corrected=_corrected(clean.diff, resampling.topics.reason),
        reason=resampling.topics.reason,
    )


def _corrected(diff: np.ndarray, reason: str | None) -> CorrectedCohesion:
    low, high = percentile_interval(diff[1:])
    lost = int(np.isnan(diff[1:]).sum())
    if reason is None and lost:
        reason = f"in {lost} of {diff.size - 1} draws a vector is not longer than its noise"
    return CorrectedCohesion(float(diff[0]), low, high, _mean_of(diff[1:]), reason)


def _mean_of(draws: np.ndarray) -> float:
    return float(draws.mean()) if draws.size else NAN


def _label_permutation(observed: float, null: np.ndarray) -> LabelPermutation:
    if null.size == 0:
        return LabelPermutation(0, NAN, NAN, NAN, NAN)
    return LabelPermutation(
        draws=null.size,
        p=permutation_p(observed, null),
        null_mean=float(null.mean()),
        null_std=float(null.std()),
        null_max=float(null.max()),
    )


def _why_none(emotions: Sequence[str], matrix: np.ndarray, clusters: Clusters) -> str | None:
    zero = [e for e, row in zip(emotions, matrix, strict=True) if np.isnan(row).all()]
    if zero:
        return f"the vector of {', '.join(zero)} is zero: its cosines are undefined"
    if not clusters.names:
        return "the corpus names no clusters"
    if max(len(found) for found in clusters.members) < 2:
        return "no cluster has two emotions: there is nothing within a cluster"
    if len(clusters.names) < 2:
        return "there is one cluster only: nothing lies across clusters"
    return None
