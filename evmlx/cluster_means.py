"""Mean cosines within clusters of emotions and across them, of one matrix or of many.

Knows nothing about where cosines or clusters come from, nor about intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evmlx.clusters import Clusters


@dataclass(frozen=True)
class Cohesion:
    """Within, across and their difference: overall (...,) and per cluster (..., C)."""

    within: np.ndarray
    cross: np.ndarray
    diff: np.ndarray
    cluster_within: np.ndarray
    cluster_cross: np.ndarray
    cluster_diff: np.ndarray


def cohesion(
    cosines: np.ndarray, clusters: Clusters, membership: np.ndarray | None = None
) -> Cohesion:
    """Compare cosines within clusters with those across them.

    Parameters
    ----------
    cosines : ndarray, shape (..., emotions, emotions)
        Of all emotions, also those without a cluster, which are left out.
    clusters : Clusters
        Of the same emotions.
    membership : ndarray, shape (..., R, C), optional
        Of the R emotions that have a cluster; the clusters' own by default.

    Returns
    -------
    Cohesion
        NaN where there are no pairs.
    """
    rows = np.array(clusters.rows, int)
    own = clusters.membership
    blocks = _block_sums(
        cosines[..., rows[:, None], rows], own if membership is None else membership
    )
    return _means(blocks, own)


def _block_sums(cosines: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """Sum of off-diagonal cosines between any two clusters, (..., C, C).

    Everything about cohesion follows from it, for resampled cosines (D, R, R) under one
    membership as for one matrix under permuted memberships (D, R, C).
    """
    pairs = np.where(np.eye(cosines.shape[-1], dtype=bool), 0.0, cosines)
    return np.asarray(np.swapaxes(membership, -1, -2) @ (pairs @ membership))


def _means(blocks: np.ndarray, membership: np.ndarray) -> Cohesion:
    sizes = membership.sum(axis=0)
    inside = np.einsum("...cc->...c", blocks)
    outside = blocks.sum(axis=-1) - inside
    pairs_inside = sizes * (sizes - 1)
    pairs_outside = sizes * (sizes.sum() - sizes)
    within = _mean(inside.sum(axis=-1), pairs_inside.sum())
    cross = _mean(outside.sum(axis=-1), pairs_outside.sum())
    cluster_within = _mean(inside, pairs_inside)
    cluster_cross = _mean(outside, pairs_outside)
    return Cohesion(
        within,
        cross,
        within - cross,
        cluster_within,
        cluster_cross,
        cluster_within - cluster_cross,
    )


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.asarray(total / np.where(count > 0, count, np.nan))
