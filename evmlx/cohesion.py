"""Cohesion of clusters: whether emotions of one cluster are closer than emotions of two.

Takes denoised vectors of one layer; knows nothing about layers, stories or norms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evmlx.cluster_means import cohesion
from evmlx.clusters import Clusters
from evmlx.cosine_draws import CosineDraws, topic_intervals
from evmlx.resampling import permutation_p

NAN = float("nan")


@dataclass(frozen=True)
class ClusterCohesion:
    """Cohesion of one cluster, and its intervals over topics as in `TopicBootstrap`."""

    emotions: tuple[str, ...]
    within: float
    cross: float
    diff: float
    low: float
    high: float
    low_bca: float
    high_bca: float
    p: float
    reason: str | None


@dataclass(frozen=True)
class CorrectedCohesion:
    """Cohesion of cosines without the vectors' noise; 95% expanded percentiles, and BCa."""

    estimate: float
    low: float
    high: float
    low_bca: float
    high_bca: float
    mean: float
    reason: str | None
    bca_reason: str | None


@dataclass(frozen=True)
class TopicBootstrap:
    """Cohesion under resampled topics.

    `low` and `high` are the draws' percentiles moved by `estimate` - `mean`, the bias that
    resampling adds; `low_bca` and `high_bca` are the BCa interval of the draws so moved.
    """

    unit: str
    draws: int
    estimate: float
    low: float
    high: float
    low_bca: float
    high_bca: float
    mean: float
    redrawn: int
    corrected: CorrectedCohesion
    reason: str | None
    bca_reason: str | None


@dataclass(frozen=True)
class CohesionGain:
    """Cohesion without noise less that of word counts, both under the same draws of topics.

    95% expanded percentiles, and BCa.
    """

    difference: float
    low: float
    high: float
    low_bca: float
    high_bca: float
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


def cosine_geometry(
    emotions: Sequence[str],
    matrix: np.ndarray,
    clusters: Clusters,
    drawn: CosineDraws,
    relabelled: np.ndarray,
) -> CosineGeometry:
    """Cohesion of a cosine matrix overall and per cluster, its topic intervals and its p.

    Cohesion is the mean cosine of pairs within a cluster minus the mean cosine of pairs across
    clusters; a cluster's own is the mean over its pairs minus the mean over pairs of one of
    its emotions and one of another cluster's. Per-cluster p are not corrected for their number.

    Parameters
    ----------
    emotions : sequence of str
        Names of the rows.
    matrix : ndarray, shape (emotions, emotions)
        Cosines.
    clusters : Clusters
        Of the same emotions.
    drawn : CosineDraws
        The same cosines under resampled topics.
    relabelled : ndarray of int, shape (permutations, R)
        Permutations of the emotions that have a cluster.

    Returns
    -------
    CosineGeometry
        NaN, with the reason, where the clusters allow no comparison or a vector is zero.
    """
    observed = cohesion(matrix, clusters)
    null = cohesion(matrix, clusters, clusters.membership[relabelled])
    plain, corrected = (cohesion(cosines, clusters) for cosines in (drawn.plain, drawn.corrected))
    by_cluster = {}
    for c, name in enumerate(clusters.names):
        found = topic_intervals(plain.cluster_diff[:, c], drawn.left_out, moved=True)
        members = tuple(emotions[row] for row in clusters.members[c])
        by_cluster[name] = ClusterCohesion(
            emotions=members,
            within=float(observed.cluster_within[c]),
            cross=float(observed.cluster_cross[c]),
            diff=float(observed.cluster_diff[c]),
            low=found.low,
            high=found.high,
            low_bca=found.low_bca,
            high_bca=found.high_bca,
            p=permutation_p(float(observed.cluster_diff[c]), null.cluster_diff[:, c]),
            reason="one emotion only: no pairs" if len(members) < 2 else drawn.reason,
        )
    return CosineGeometry(
        emotions=tuple(emotions),
        matrix=matrix,
        within_cluster_mean=float(observed.within),
        cross_cluster_mean=float(observed.cross),
        diff=float(observed.diff),
        clusters=by_cluster,
        bootstrap=_bootstrap(plain.diff, corrected.diff, drawn),
        permutation=_label_permutation(float(observed.diff), null.diff),
        reason=_why_none(emotions, matrix, clusters),
    )


def cohesion_gain(model: CosineDraws, words: CosineDraws, clusters: Clusters) -> CohesionGain:
    """How much more the clusters cohere in one arrangement than in another of the same stories.

    Parameters
    ----------
    model, words : CosineDraws
        Cosines under one plan of topics.
    clusters : Clusters
        Of the same emotions.

    Returns
    -------
    CohesionGain
        NaN, with the reason, where either has no draws.
    """
    reason = model.reason or words.reason
    if reason is not None:
        return CohesionGain(NAN, NAN, NAN, NAN, NAN, reason)
    beyond = cohesion(model.corrected, clusters).diff - cohesion(words.corrected, clusters).diff
    found = topic_intervals(beyond, model.left_out, moved=False)
    return CohesionGain(
        difference=found.estimate,
        low=found.low,
        high=found.high,
        low_bca=found.low_bca,
        high_bca=found.high_bca,
        reason=None if np.isfinite(found.low) else "a draw of topics leaves it undefined",
    )


def _bootstrap(plain: np.ndarray, corrected: np.ndarray, drawn: CosineDraws) -> TopicBootstrap:
    found = topic_intervals(plain, drawn.left_out, moved=True)
    return TopicBootstrap(
        unit="topics",
        draws=drawn.draws,
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        low_bca=found.low_bca,
        high_bca=found.high_bca,
        mean=found.mean,
        redrawn=drawn.redrawn,
        corrected=_corrected(corrected, drawn),
        reason=drawn.reason,
        bca_reason=drawn.reason or found.reason,
    )


def _corrected(diff: np.ndarray, drawn: CosineDraws) -> CorrectedCohesion:
    found = topic_intervals(diff, drawn.left_out, moved=False)
    lost = int(np.isnan(diff[1 + drawn.left_out :]).sum())
    reason = drawn.reason
    if reason is None and lost:
        reason = f"in {lost} of {drawn.draws} draws a vector is not longer than its noise"
    return CorrectedCohesion(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        low_bca=found.low_bca,
        high_bca=found.high_bca,
        mean=found.mean,
        reason=reason,
        bca_reason=reason or found.reason,
    )


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
