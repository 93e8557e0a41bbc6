"""Bias-corrected and accelerated bootstrap intervals (BCa).

Knows nothing about what is resampled: it takes draws and leave-one-out values of a figure.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

LEVEL = 0.95
"""Coverage of every interval."""


def bca_interval(
    estimate: float, draws: np.ndarray, left_out: np.ndarray
) -> tuple[float, float, str | None]:
    """95% BCa interval.

    With z0 the normal quantile of the share of draws below the estimate (ties count half), a
    the acceleration from the leave-one-out values j, a = sum d^3 / (6 (sum d^2)^1.5) with
    d = mean(j) - j, and z the normal quantile of a tail, the bound is the draws' quantile at
    Phi(z0 + (z0 + z) / (1 - a (z0 + z))).

    Parameters
    ----------
    estimate : float
        The figure with every unit once.
    draws : ndarray, shape (n,)
        The figure under resampled units.
    left_out : ndarray, shape (units,)
        The figure with each unit left out in turn.

    Returns
    -------
    low, high : float
        NaN where `reason` says why.
    reason : str or None

    References
    ----------
    Efron (1987), "Better Bootstrap Confidence Intervals", Journal of the American Statistical
    Association 82.
    """
    nan = float("nan")
    if draws.size == 0 or np.isnan(estimate) or np.isnan(draws).any():
        return nan, nan, "the figure or one of its draws is undefined"
    if left_out.size == 0 or np.isnan(left_out).any():
        return nan, nan, "the figure is undefined with one topic left out"
    below = (np.mean(draws < estimate) + np.mean(draws <= estimate)) / 2
    if not 0 < below < 1:
        return nan, nan, "every draw lies on one side of the estimate"
    bias = ndtri(below)
    tails = bias + ndtri([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    share = ndtr(bias + tails / (1 - _acceleration(left_out) * tails))
    low, high = np.quantile(draws, share)
    return float(low), float(high), None


def _acceleration(left_out: np.ndarray) -> float:
    apart = left_out.mean() - left_out
    spread = float(np.sum(apart**2))
    return float(np.sum(apart**3) / (6 * spread**1.5)) if spread > 0 else 0.0
