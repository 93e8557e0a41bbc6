"""Stability of the geometry: whether two layers arrange the emotions alike.

Knows nothing about where the cosine matrices come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class Stability:
    """Correlation of the layers' cosine matrices, over pairs of emotions."""

    pairwise: Mapping[str, float]
    mean_correlation: float
    pairwise_spearman: Mapping[str, float]
    mean_spearman: float
    reason: str | None


def cross_layer_stability(matrices: Mapping[str, np.ndarray]) -> Stability:
    """Correlate the upper triangles of every two layers' cosine matrices.

    Parameters
    ----------
    matrices : mapping of str to ndarray, each (emotions, emotions)
        Cosine matrix of each layer, in the order of the layers.

    Returns
    -------
    Stability
        Pearson (as emotion-vector-bench) and Spearman; NaN, with the reason, where there are
        fewer than two layers or three emotions, or a cosine is undefined.
    """
    upper = {k: m[np.triu_indices(len(m), 1)] for k, m in matrices.items()}
    ranks = {k: rankdata(cosines, nan_policy="propagate") for k, cosines in upper.items()}
    pearson: dict[str, float] = {}
    spearman: dict[str, float] = {}
    for first, second in combinations(upper, 2):
        pair = f"{first}-{second}"
        pearson[pair] = correlation(upper[first], upper[second])
        spearman[pair] = correlation(ranks[first], ranks[second])
    reason = None
    if not pearson:
        reason = "one layer only: there is nothing to compare"
    elif np.isnan(list(pearson.values())).any():
        reason = "fewer than three emotions, or a layer with undefined or constant cosines"
    return Stability(
        pairwise=pearson,
        mean_correlation=float(np.mean(list(pearson.values()))) if pearson else float("nan"),
        pairwise_spearman=spearman,
        mean_spearman=float(np.mean(list(spearman.values()))) if spearman else float("nan"),
        reason=reason,
    )


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; NaN where either is constant but for rounding, or not finite.

    Parameters
    ----------
    a, b : ndarray, shape (n,)

    Returns
    -------
    float
    """
    if a.size < 2 or not np.isfinite(a).all() or not np.isfinite(b).all():
        return float("nan")
    lengths = []
    for values in (a, b):
        lengths.append(float(np.linalg.norm(values - values.mean())))
        if lengths[-1] <= 1e-10 * float(np.linalg.norm(values)):
            return float("nan")
    return float((a - a.mean()) @ (b - b.mean()) / (lengths[0] * lengths[1]))
