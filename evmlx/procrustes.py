"""Procrustes fit: how near the emotions lie to the human valence-arousal plane.

Takes cosines of emotion vectors; knows nothing about layers, stories or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evmlx.intervals import expanded_interval
from evmlx.norm_axis import FEWEST_RATED, NAN, VANISHED, DrawnCosines, why_no_fit
from evmlx.norm_correlation import orders, standardised
from evmlx.resampling import permutation_p


@dataclass(frozen=True)
class Procrustes:
    """The first two components, turned, mirrored and scaled into the human plane.

    Attributes
    ----------
    r2 : float
        1 - disparity: share of the variance of the standardised human plane that the fitted
        model plane accounts for.
    low, high : float
        95% interval over topics: other topics, the same emotions. Expanded percentiles, moved
        to have the estimate as their mean.
    p : float
        Share of permutations of the human points over emotions whose fit is as good.
    null_mean : float
        Mean r2 of those permutations; above 0, since a plane can always be turned to fit a bit.
    draws : int
        Permutations.
    n : int
        Emotions with valence and arousal.
    emotions : tuple of str
        Their names, rows of the following.
    model : ndarray, shape (n, 2)
        Fitted model points.
    human : ndarray, shape (n, 2)
        Valence and arousal, each with mean 0 and variance 1 over these emotions.
    covariance : ndarray, shape (n, 2, 2), or None
        Of each fitted model point under resampled topics, each draw fitted anew.
    reason : str or None
        Why a figure is missing.
    """

    r2: float
    low: float
    high: float
    p: float
    null_mean: float
    draws: int
    n: int
    emotions: tuple[str, ...]
    model: np.ndarray
    human: np.ndarray
    covariance: np.ndarray | None
    reason: str | None


def procrustes(
    emotions: Sequence[str],
    cosines: np.ndarray,
    drawn: DrawnCosines,
    plane: np.ndarray,
    seed: int,
    permutations: int,
) -> Procrustes:
    """Fit the first two components of the unit vectors to human valence and arousal.

    Components are those of all emotions; the fit is over the rated ones. Rotation, reflection,
    one scale for both axes and a shift are free, so that neither the sign nor the order of the
    components matters. The two components are fixed beforehand, not chosen for their fit.

    Parameters
    ----------
    emotions : sequence of str
        Names of the rows.
    cosines : ndarray, shape (emotions, emotions)
        Cosines of the emotion vectors.
    drawn : DrawnCosines
        The same under resampled topics, for the interval and the covariances.
    plane : ndarray, shape (emotions, 2)
        Human valence and arousal; emotions with NaN in either are left out.
    seed : int
        Of the permutations, which are the same at every layer.
    permutations : int
        Permutations of the human points over emotions.

    Returns
    -------
    Procrustes
        NaN, with the reason, where fewer than five emotions are rated or something is constant.

    References
    ----------
    Schoenemann and Carroll (1970), "Fitting one matrix to another under choice of a central
    dilation and a rigid motion", Psychometrika 35; Jackson (1995), "PROTEST", Ecoscience 2,
    for the permutation test.
    """
    rated = np.flatnonzero(np.isfinite(plane).all(axis=1))
    names = tuple(emotions[int(row)] for row in rated)
    why = why_no_fit(cosines[np.ix_(rated, rated)], plane[rated], FEWEST_RATED)
    if why is None and not np.isfinite(cosines).all():
        why = "the vector of an emotion is zero: it has no direction"
    if why is not None:
        none = np.zeros((0, 2))
        return Procrustes(NAN, NAN, NAN, NAN, NAN, 0, rated.size, names, none, none, None, why)
    human = standardised(plane[rated])  # columns of length 1
    points = first_two(cosines)[rated]
    fitted, r2 = fit(points, human)
    cross = human[orders(rated.size, permutations, seed)].transpose(0, 2, 1) @ points
    null = _nuclear_squared(cross) / (2 * np.sum((points - points.mean(axis=0)) ** 2))
    low, high, covariance = NAN, NAN, None
    reason = drawn.reason
    if not np.isfinite(drawn.cosines).all():
        reason = VANISHED
    elif len(drawn.cosines):
        again, drawn_r2 = fit(first_two(drawn.cosines)[:, rated], human)
        moved = np.clip(drawn_r2 + (float(r2) - drawn_r2.mean()), 0, 1)
        low, high = expanded_interval(moved, drawn.topics)
        apart = again - again.mean(axis=0)
        covariance = rated.size * np.einsum("dni,dnj->nij", apart, apart) / (len(again) - 1)
    return Procrustes(
        r2=float(r2),
        low=low,
        high=high,
        p=permutation_p(float(r2), null),
        null_mean=float(null.mean()) if null.size else NAN,
        draws=permutations,
        n=rated.size,
        emotions=names,
        model=np.sqrt(rated.size) * fitted,
        human=np.sqrt(rated.size) * human,
        covariance=covariance,
        reason=reason,
    )


def first_two(cosines: np.ndarray) -> np.ndarray:
    """Coordinates of unit vectors on their first two principal components.

    Parameters
    ----------
    cosines : ndarray, shape (..., n, n)

    Returns
    -------
    ndarray of float64, shape (..., n, 2)
        Signs are as the eigenvectors come.
    """
    centred = cosines - cosines.mean(axis=-1, keepdims=True)
    centred = centred - centred.mean(axis=-2, keepdims=True)
    variances, left = np.linalg.eigh(centred)
    scale = np.sqrt(np.clip(variances[..., None, :-3:-1], 0, None))
    return np.asarray(left[..., :-3:-1] * scale)


def fit(points: np.ndarray, human: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn, mirror, scale and shift points to lie as near to `human` as they can.

    With X the centred points and U S V' the singular value decomposition of X' Y, the fitted
    points are X U V' tr(S) / |X|^2, and they account for tr(S)^2 / (|X|^2 |Y|^2) of Y.

    Parameters
    ----------
    points : ndarray, shape (..., n, 2)
    human : ndarray, shape (n, 2)
        Centred.

    Returns
    -------
    fitted : ndarray, shape (..., n, 2)
    r2 : ndarray, shape (...)
    """
    centred = points - points.mean(axis=-2, keepdims=True)
    size = np.sum(centred**2, axis=(-2, -1))
    left, values, right = np.linalg.svd(np.swapaxes(centred, -1, -2) @ human)
    total = values.sum(axis=-1)
    fitted = (centred @ (left @ right)) * (total / size)[..., None, None]
    return fitted, total**2 / (size * np.sum(human**2))


def _nuclear_squared(cross: np.ndarray) -> np.ndarray:
    """Squared sum of the singular values of 2 x 2 matrices: |M|^2 + 2 |det M|."""
    return np.asarray(np.sum(cross**2, axis=(1, 2)) + 2 * np.abs(np.linalg.det(cross)))
