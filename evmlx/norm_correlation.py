"""Correlation of principal components with human norms, corrected for how many are looked at.

Knows nothing about vectors or layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evmlx.resampling import draw_permutations, permutation_p
from evmlx.stability import correlation

FEWEST_RATED = 4
"""Rated emotions below which a correlation is not reported."""

NORMAL_QUANTILE = 1.959963984540054


@dataclass(frozen=True)
class Correlation:
    """Pearson r of each component with one norm.

    Attributes
    ----------
    r, low, high : ndarray, shape (components,)
        With the 95% interval by Fisher's z, over emotions.
    p : ndarray, shape (components,)
        Two-sided, under permutation of the norm over emotions.
    p_max : ndarray, shape (components,)
        p corrected for looking at all components: share of permutations whose largest |r|
        over components reaches |r|.
    """

    r: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_max: np.ndarray


def norm_correlation(
    coordinates: np.ndarray, norm: np.ndarray, seed: int, permutations: int
) -> Correlation:
    """Pearson r of components with a norm, and p under permutation of the norm.

    Parameters
    ----------
    coordinates : ndarray, shape (emotions, k)
        Coordinates on k components.
    norm : ndarray, shape (emotions,)
        Human ratings; emotions with NaN are left out.
    seed : int
        Equal seeds give equal permutations for equal numbers of rated emotions, so that a
        layer's p does not depend on which other layers were sampled.
    permutations : int
        Permutations to draw.

    Returns
    -------
    Correlation
        NaN where fewer than four emotions are rated or something is constant.

    References
    ----------
    Westfall and Young (1993), "Resampling-Based Multiple Testing", for the correction by the
    largest statistic.
    """
    rated = np.flatnonzero(np.isfinite(norm))
    x, y = coordinates[rated], norm[rated]
    r = np.array([correlation(x[:, k], y) for k in range(x.shape[1])])
    if rated.size < FEWEST_RATED:
        r[:] = np.nan
    low, high = fisher_interval(r, rated.size)
    if np.isnan(r).all() or permutations < 1:
        return Correlation(r, low, high, np.full(r.shape, np.nan), np.full(r.shape, np.nan))
    null = np.abs(standardised(y)[orders(rated.size, permutations, seed)] @ standardised(x))
    null[:, np.isnan(r)] = np.nan
    largest = np.nanmax(null, axis=1)
    p = [permutation_p(abs(value), null[:, k]) for k, value in enumerate(r)]
    p_max = [permutation_p(abs(value), largest) for value in r]
    return Correlation(r, low, high, np.array(p), np.array(p_max))


def fisher_interval(r: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """95% interval of Pearson correlations of n pairs, tanh(atanh r -+ 1.96 / sqrt(n - 3)).

    Parameters
    ----------
    r : ndarray, shape (k,)
    n : int

    Returns
    -------
    low, high : ndarray, each (k,)
        NaN where n < 4 or r is NaN.

    References
    ----------
    Fisher (1921), "On the 'probable error' of a coefficient of correlation deduced from a small
    sample", Metron 1.
    """
    if n < 4:
        return np.full(r.shape, np.nan), np.full(r.shape, np.nan)
    z = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    reach = NORMAL_QUANTILE / np.sqrt(n - 3)
    return np.tanh(z - reach), np.tanh(z + reach)


def orders(size: int, permutations: int, seed: int) -> np.ndarray:
    """Draw permutations of `size` emotions, the same for equal sizes and seeds.

    Returns
    -------
    ndarray of int, shape (permutations, size)
    """
    return draw_permutations(size, permutations, np.random.default_rng([seed, size]))


def standardised(values: np.ndarray) -> np.ndarray:
    """Centre columns and scale them to length 1, so that products are correlations.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)

    Returns
    -------
    ndarray, of the same shape
        NaN where a column is constant.
    """
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    return np.asarray(centred / np.where(length > 0, length, np.nan))
