"""Linear CKA: whether two models lay the same texts out alike, whatever their widths and axes.

Takes features or Gram matrices whose rows are the same texts in the same order; knows nothing
about emotions. Invariant to rotation and to the overall scale of either side, so raw units of two
models never meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from evmlx.resampling import permutation_p

NAN = float("nan")
PERMUTATIONS = 199


@dataclass(frozen=True)
class Cka:
    """Debiased linear CKA of two models.

    Attributes
    ----------
    value : float
        1 where the two lay the texts out alike, about 0 where they have nothing in common.
    low, high : float
        95% interval: jackknife over groups on Fisher's z.
    null_mean : float
        Mean under permutations of one model's rows within groups.
    p : float
        Share of permutations that reach the value.
    draws : int
        Permutations.
    n : int
        Rows.
    reason : str or None
        Why a figure is missing.
    """

    value: float
    low: float
    high: float
    null_mean: float
    p: float
    draws: int
    n: int
    reason: str | None


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Linear CKA as published; too high where there are more columns than rows.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    y : ndarray, shape (n, q)
        Features of the same n texts.

    Returns
    -------
    float
        ||Y'X||_F^2 / (||X'X||_F ||Y'Y||_F) of centred columns; NaN where either does not vary.

    References
    ----------
    Kornblith, Norouzi, Lee and Hinton (2019), "Similarity of Neural Network Representations
    Revisited", ICML.
    """
    a = x - x.mean(axis=0, dtype=np.float64)
    b = y - y.mean(axis=0, dtype=np.float64)
    k, m = a @ a.T, b @ b.T
    scale = np.linalg.norm(k) * np.linalg.norm(m)
    return float((k * m).sum() / scale) if scale > 0 else NAN


def debiased_cka(k: np.ndarray, m: np.ndarray) -> float:
    """CKA of two Gram matrices with the unbiased estimate of HSIC in each of its three places.

    With the diagonals set to 0, HSIC(K, L) is (tr KL + sum K sum L / ((n - 1)(n - 2)) -
    2 / (n - 2) 1'KL1) / (n (n - 3)). Noise that two models do not share adds nothing to it,
    however many columns there are.

    Parameters
    ----------
    k, m : ndarray, shape (n, n)
        Gram matrices X X' and Y Y' of the same n >= 4 texts; centring changes nothing.

    Returns
    -------
    float
        At most 1; NaN where there are fewer than four rows or either does not vary.

    References
    ----------
    Song, Smola, Gretton, Bedo and Borgwardt (2012), "Feature Selection via Dependence
    Maximization", JMLR 13 (the estimator of HSIC); Nguyen, Raghu and Kornblith (2021), "Do Wide
    and Deep Networks Learn the Same Things?", ICLR (in CKA).
    """
    if len(k) < 4:
        return NAN
    a, b = _hollow(k), _hollow(m)
    own = _hsic(a, a), _hsic(b, b)
    # a constant side leaves rounding, of either sign
    if min(own) <= 1e-20 * max(float(np.square(k).sum()), float(np.square(m).sum())):
        return NAN
    return _hsic(a, b) / math.sqrt(own[0] * own[1])


def _hollow(k: np.ndarray) -> np.ndarray:
    """Float64 copy, centred to keep rounding small, with an empty diagonal."""
    exact = np.array(k, np.float64)
    exact -= exact.mean(axis=0, keepdims=True)
    exact -= exact.mean(axis=1, keepdims=True)
    np.fill_diagonal(exact, 0.0)
    return exact


def _hsic(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased HSIC of two symmetric matrices with empty diagonals."""
    n = len(a)
    sums = a.sum(axis=0), b.sum(axis=0)
    return _assemble(float((a * b).sum()), sums[0], sums[1], n)


def _assemble(trace: float, a: np.ndarray, b: np.ndarray, n: int) -> float:
    total = float(a.sum()) * float(b.sum()) / ((n - 1) * (n - 2))
    return (trace + total - 2 / (n - 2) * float(a @ b)) / (n * (n - 3))


def grouped_cka(
    k: np.ndarray,
    m: np.ndarray,
    groups: Sequence[str],
    rng: np.random.Generator,
    *,
    permutations: int = PERMUTATIONS,
) -> Cka:
    """Debiased CKA with an interval over groups of rows and a null within them.

    Parameters
    ----------
    k, m : ndarray, shape (n, n)
        Gram matrices of the same n rows.
    groups : sequence of str, length n
        Rows of a group (a topic) stand or fall together in the jackknife, and only rows of a
        group are exchanged under the null: what groups share is no evidence of likeness.
    rng : numpy.random.Generator
        Of the permutations.
    permutations : int
        How many.

    Returns
    -------
    Cka
    """
    value = debiased_cka(k, m)
    n = len(k)
    if math.isnan(value):
        why = f"{n} rows are too few" if n < 4 else "one side does not vary"
        return Cka(value, NAN, NAN, NAN, NAN, 0, n, why)
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    low, high = jackknife_interval(value, lambda g: _without(k, m, group == g), len(names))
    null = _null(k, m, group, rng, permutations)
    mean = float(null.mean()) if null.size else NAN
    reason = "fewer than three topics: no interval" if math.isnan(low) else None
    return Cka(value, low, high, mean, permutation_p(value, null), null.size, n, reason)


def _without(k: np.ndarray, m: np.ndarray, left_out: np.ndarray) -> float:
    kept = np.flatnonzero(~left_out)
    return debiased_cka(k[np.ix_(kept, kept)], m[np.ix_(kept, kept)])


def _null(
    k: np.ndarray, m: np.ndarray, group: np.ndarray, rng: np.random.Generator, draws: int
) -> np.ndarray:
    a, b = _hollow(k), _hollow(m)
    scale = math.sqrt(_hsic(a, a) * _hsic(b, b))
    sums = a.sum(axis=0), b.sum(axis=0)
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    null = np.empty(draws)
    for draw in range(draws):
        order = np.empty(len(k), np.int64)
        for rows in members:
            order[rows] = rng.permutation(rows)
        trace = float((a[np.ix_(order, order)] * b).sum())
        null[draw] = _assemble(trace, sums[0][order], sums[1], len(k)) / scale
    return null


def jackknife_interval(
    estimate: float, without: Callable[[int], float], groups: int
) -> tuple[float, float]:
    """95% interval of a figure between -1 and 1 from leaving out one group at a time.

    With z the inverse hyperbolic tangent and z_g the figure without group g, the squared standard
    error is (G - 1) / G * sum (z_g - mean z)^2; bounds are Student's t with G - 1 degrees of
    freedom.

    Parameters
    ----------
    estimate : float
        The figure with every group.
    without : callable
        Takes the number of a group, gives the figure without it.
    groups : int
        G.

    Returns
    -------
    low, high : float
        NaN with fewer than three groups; both 1 where the figure is 1 whatever is left out.

    References
    ----------
    Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 11.
    """
    if groups < 3 or math.isnan(estimate):
        return NAN, NAN
    left = np.array([without(g) for g in range(groups)])
    if np.isnan(left).any():
        return NAN, NAN
    inside = 1 - 1e-12
    z = np.arctanh(np.clip(left, -inside, inside))
    error = math.sqrt((groups - 1) / groups * float(((z - z.mean()) ** 2).sum()))
    reach = float(student.ppf(0.975, groups - 1)) * error
    centre = math.atanh(min(max(estimate, -inside), inside))
    return math.tanh(centre - reach), math.tanh(centre + reach)
