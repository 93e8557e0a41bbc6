"""Norm axis: whether some direction among the emotion vectors predicts a human norm.

Takes cosines of emotion vectors, which say all that a linear fit to unit vectors depends on;
knows nothing about layers, stories or files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from evmlx.intervals import expanded_interval
from evmlx.norm_correlation import orders, standardised
from evmlx.resampling import permutation_p
from evmlx.stability import correlation

FEWEST_RATED = 5
"""Rated emotions below which nothing is fitted: leaving one out has to leave four."""

VANISHED = "a vector vanishes when topics are drawn anew: there is no interval"

NAN = float("nan")
_NEAR_ONE = 1 - 1e-12


@dataclass(frozen=True)
class DrawnCosines:
    """Cosines of the emotion vectors under resampled topics.

    Attributes
    ----------
    cosines : ndarray, shape (draws, emotions, emotions)
        No draws where `reason` says why.
    topics : int
        Topics that were drawn from.
    reason : str or None
    """

    cosines: np.ndarray
    topics: int
    reason: str | None


@dataclass(frozen=True)
class NormAxis:
    """Prediction of one norm, each emotion by a direction fitted to the others.

    Attributes
    ----------
    r : float
        Pearson correlation of predictions and ratings.
    low, high : float
        95% interval over topics: other topics, the same emotions. Expanded percentiles of
        Fisher's z, moved to have that of r as its mean.
    low_emotions, high_emotions : float
        95% interval over emotions: other emotions, the same topics. Jackknife of Fisher's z.
    p : float
        One-sided: share of permutations of the ratings whose r is as large.
    null_mean : float
        Mean r of those permutations. Below 0: the emotion that is left out pulls the mean of
        the others, and so its own prediction, the other way.
    draws : int
        Permutations.
    n : int
        Rated emotions.
    predicted : ndarray, shape (emotions,)
        On the scale of the ratings; NaN where an emotion has none.
    reason : str or None
        Why a figure is missing.
    """

    r: float
    low: float
    high: float
    low_emotions: float
    high_emotions: float
    p: float
    null_mean: float
    draws: int
    n: int
    predicted: np.ndarray
    reason: str | None


def norm_axis(
    cosines: np.ndarray, drawn: DrawnCosines, norm: np.ndarray, seed: int, permutations: int
) -> NormAxis:
    """Predict a norm from unit vectors by ridge regression, leaving one emotion out at a time.

    The penalty is the mean variance of the centred unit vectors over their n - 1 dimensions
    (trace of the centred cosines / (n - 1)). It depends neither on the norm nor on the scale of
    the vectors, so that nothing is chosen on the figure.

    Parameters
    ----------
    cosines : ndarray, shape (emotions, emotions)
        Cosines of the emotion vectors.
    drawn : DrawnCosines
        The same under resampled topics, for the interval.
    norm : ndarray, shape (emotions,)
        Human ratings; emotions with NaN are left out.
    seed : int
        Of the permutations, which are the same at every layer.
    permutations : int
        Permutations of the ratings over emotions.

    Returns
    -------
    NormAxis
        NaN, with the reason, where fewer than five emotions are rated or something is constant.

    References
    ----------
    Hoerl and Kennard (1970), "Ridge regression", Technometrics 12; the closed form for leaving
    one out is in Golub, Heath and Wahba (1979), Technometrics 21.
    """
    rated = np.flatnonzero(np.isfinite(norm))
    predicted = np.full(norm.shape, NAN)
    ratings = norm[rated]
    inner = cosines[np.ix_(rated, rated)]
    reason = why_no_fit(inner, ratings, FEWEST_RATED)
    if reason is not None:
        return NormAxis(NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0, rated.size, predicted, reason)
    smoother = leave_one_out(inner)
    predicted[rated] = smoother @ ratings
    r = correlation(predicted[rated], ratings)
    permuted = ratings[orders(rated.size, permutations, seed)]
    null = _correlations(permuted @ smoother.T, permuted)
    low, high = NAN, NAN
    again, reason = drawn.cosines[:, rated[:, None], rated], drawn.reason
    if not np.isfinite(again).all():
        reason = VANISHED
    elif len(again):
        r_again = _correlations(leave_one_out(again) @ ratings, ratings[None])
        low, high = _interval(r, r_again, drawn.topics)
    low_emotions, high_emotions = _over_emotions(r, inner, ratings)
    return NormAxis(
        r=r,
        low=low,
        high=high,
        low_emotions=low_emotions,
        high_emotions=high_emotions,
        p=permutation_p(r, null),
        null_mean=float(null.mean()) if null.size else NAN,
        draws=permutations,
        n=rated.size,
        predicted=predicted,
        reason=reason,
    )


def leave_one_out(cosines: np.ndarray) -> np.ndarray:
    """Matrix that takes ratings to their predictions, each from the other emotions.

    With K the centred inner products, ridge regression with an unpenalised intercept fits
    H y, H = 11'/n + K (K + lambda I)^-1, and the prediction of y_i without emotion i is
    y_i - (y_i - (H y)_i) / (1 - H_ii), exactly. It is linear in y, so that any number of
    permutations is one matrix product.

    Parameters
    ----------
    cosines : ndarray, shape (..., n, n)

    Returns
    -------
    ndarray of float64, shape (..., n, n)
        NaN where cosines are.
    """
    n = cosines.shape[-1]
    centred = cosines - cosines.mean(axis=-1, keepdims=True)
    centred = centred - centred.mean(axis=-2, keepdims=True)
    # never quite 0: equal vectors are to give the others' mean, not an error
    penalty = np.maximum(np.einsum("...ii->...", centred) / (n - 1), np.finfo(np.float64).tiny)
    identity = np.eye(n)
    hat = 1 / n + np.linalg.solve(centred + penalty[..., None, None] * identity, centred)
    kept = 1 - np.einsum("...ii->...i", hat)
    return np.asarray(identity - (identity - hat) / kept[..., None])


def _interval(r: float, drawn: np.ndarray, topics: int) -> tuple[float, float]:
    """Interval of a correlation over topics, by Fisher's z, whose spread does not shrink near 1."""
    z, middle = _fishers_z(drawn), float(_fishers_z(np.array(r)))
    low, high = expanded_interval(z + (middle - z.mean()), topics)
    return float(np.tanh(low)), float(np.tanh(high))


def _over_emotions(r: float, cosines: np.ndarray, ratings: np.ndarray) -> tuple[float, float]:
    """Jackknife interval of r: the whole measured again without each emotion in turn.

    The standard error of Fisher's z is sqrt((n - 1) / n * sum (z_i - mean z)^2), the quantile
    Student's with n - 1 degrees of freedom. Fisher's own 1 / sqrt(n - 3) is too small: the
    predictions share their training emotions.
    """
    n = len(ratings)
    if n <= FEWEST_RATED:
        return NAN, NAN
    others = np.array([np.delete(np.arange(n), row) for row in range(n)])
    smoothers = leave_one_out(cosines[others[:, :, None], others[:, None, :]])
    predicted = np.einsum("rij,rj->ri", smoothers, ratings[others])
    z = _fishers_z(_correlations(predicted, ratings[others]))
    error = np.sqrt((n - 1) / n * np.sum((z - z.mean()) ** 2))
    middle, reach = float(_fishers_z(np.array(r))), stdtrit(n - 1, 0.975) * error
    return float(np.tanh(middle - reach)), float(np.tanh(middle + reach))


def _fishers_z(r: np.ndarray) -> np.ndarray:
    return np.asarray(np.arctanh(np.clip(r, -_NEAR_ONE, _NEAR_ONE)))


def why_no_fit(cosines: np.ndarray, ratings: np.ndarray, fewest: int) -> str | None:
    """Say why nothing can be fitted to ratings of emotions, None where it can.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Of the rated emotions.
    ratings : ndarray, shape (n,) or (n, k)
    fewest : int
        Emotions that a fit takes.
    """
    if len(ratings) < fewest:
        return f"{len(ratings)} emotions are rated: a fit takes {fewest}"
    if not np.isfinite(cosines).all():
        return "the vector of an emotion is zero: it has no direction"
    if np.abs(cosines - cosines[0, 0]).max() <= 1e-10:
        return "all vectors have one direction: there is nothing to fit"
    if (np.ptp(ratings, axis=0) == 0).any():
        return "all emotions are rated alike: there is nothing to predict"
    return None


def _correlations(predicted: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """Pearson r of the rows of two tables, (draws,)."""
    return np.asarray(np.sum(standardised(predicted.T) * standardised(ratings.T), axis=0))
