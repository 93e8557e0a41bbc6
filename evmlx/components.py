"""Principal components of emotion vectors, with their signs fixed.

Knows nothing about layers or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evmlx.affect import Affect

COMPONENTS = 5
"""Components that are kept and looked at."""

OUTLIER_SHARE = 0.1
"""A dimension with more than this share of the squared norm is an outlier."""


@dataclass(frozen=True)
class Components:
    """First principal components of a set of vectors.

    Attributes
    ----------
    explained_variance : ndarray of float64, shape (k,)
        Share of the total variance; k is 5, or fewer where fewer have any variance.
    coordinates : ndarray of float64, shape (emotions, k)
        Centred vectors on the components.
    participation_ratio : float
        (sum of variances)^2 / sum of squared variances, over all components: about how many
        dimensions the vectors spread over, between 1 and emotions - 1.
    """

    explained_variance: np.ndarray
    coordinates: np.ndarray
    participation_ratio: float


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length 1 in float64; zero rows become NaN.

    Parameters
    ----------
    vectors : ndarray, shape (emotions, hidden)

    Returns
    -------
    ndarray of float64, shape (emotions, hidden)
    """
    exact = np.asarray(vectors, np.float64)
    length = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(length > 0, length, np.nan)


def principal_components(vectors: np.ndarray) -> Components:
    """Centred PCA of the rows.

    Each component's sign is that which makes its largest coordinate in absolute value
    positive, so that it does not depend on the linear algebra library.

    Parameters
    ----------
    vectors : ndarray, shape (emotions, hidden)

    Returns
    -------
    Components
        With k = 0 and a NaN ratio where rows are not finite or do not vary.
    """
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    none = Components(np.zeros(0), np.zeros((len(centred), 0)), float("nan"))
    if len(centred) < 2 or not np.isfinite(centred).all():
        return none
    # from the Gram matrix: a handful of rows, thousands of columns
    variances, left = np.linalg.eigh(centred @ centred.T)
    variances, left = np.clip(variances[::-1], 0, None), left[:, ::-1]
    # equal rows differ by rounding only
    if variances.sum() <= 1e-20 * np.sum(np.square(vectors, dtype=np.float64)):
        return none
    shares = variances / variances.sum()
    kept = int(np.sum(shares[:COMPONENTS] > 1e-12))  # centring leaves a direction of rounding
    coordinates = left[:, :kept] * np.sqrt(variances[:kept])
    largest = np.argmax(np.abs(coordinates), axis=0)
    signs = np.sign(coordinates[largest, np.arange(kept)])
    return Components(shares[:kept], coordinates * signs, float(1 / np.sum(shares**2)))


def oriented(components: Components, affect: Affect) -> Components:
    """Turn PC1 so that positive emotions lie right, and PC2 so that arousal points up.

    Parameters
    ----------
    components : Components
        Of E emotions.
    affect : Affect
        Of the same emotions. PC1 stays as it is where a valence group is empty, PC2 where
        fewer than three emotions have an arousal norm.

    Returns
    -------
    Components
    """
    coordinates = components.coordinates.copy()
    count = coordinates.shape[1]
    if count > 0 and affect.positive and affect.negative:
        right, left = (coordinates[list(g), 0].mean() for g in (affect.positive, affect.negative))
        coordinates[:, 0] *= -1.0 if right < left else 1.0
    arousal = affect.norms["arousal"]
    rated = np.isfinite(arousal)
    if count > 1 and rated.sum() > 2:
        up = np.sum(coordinates[rated, 1] * (arousal[rated] - arousal[rated].mean()))
        coordinates[:, 1] *= -1.0 if up < 0 else 1.0
    return replace(components, coordinates=coordinates)


def separation(coordinates: np.ndarray, first: Sequence[int], second: Sequence[int]) -> np.ndarray:
    """Difference of two groups' mean coordinates on each component, without sign.

    Parameters
    ----------
    coordinates : ndarray, shape (emotions, k)
    first, second : sequence of int
        Rows of the two groups.

    Returns
    -------
    ndarray, shape (k,)
        NaN where a group is empty.
    """
    if not len(first) or not len(second):
        return np.full(coordinates.shape[1], np.nan)
    means = [coordinates[list(group)].mean(axis=0) for group in (first, second)]
    return np.asarray(np.abs(means[0] - means[1]))


def outlier_shares(vectors: np.ndarray) -> np.ndarray:
    """Share of each dimension in the squared norm, averaged over the vectors.

    Parameters
    ----------
    vectors : ndarray, shape (emotions, hidden)

    Returns
    -------
    ndarray, shape (hidden,)
        Sums to 1; NaN where a vector is zero.
    """
    return np.asarray(np.mean(unit_vectors(vectors) ** 2, axis=0))
