"""Affective circumplex: whether principal components of the vectors follow human norms.

On unit vectors, but for the published protocol, which is kept for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evmlx.affect import SCALES, Affect, affect_of
from evmlx.components import (
    OUTLIER_SHARE,
    Components,
    oriented,
    outlier_shares,
    principal_components,
    separation,
    unit_vectors,
)
from evmlx.corpus import Corpus
from evmlx.resampling import draw_permutations, permutation_p
from evmlx.stability import correlation
from evmlx.vectors import EmotionVectors, vanishing

FEWEST_RATED = 4
"""Rated emotions below which a correlation is not reported."""

PUBLISHED_NOTE = (
    "raw activation units, on the component with the largest separation: "
    "not comparable across models or layers"
)


@dataclass(frozen=True)
class Correlation:
    """Pearson r of each component with one norm.

    Attributes
    ----------
    r, p : ndarray, shape (components,)
        p is two-sided, under permutation of the norms over emotions.
    p_max : ndarray, shape (components,)
        p corrected for looking at all components: share of permutations whose largest |r|
        over components reaches |r|.
    """

    r: np.ndarray
    p: np.ndarray
    p_max: np.ndarray


@dataclass(frozen=True)
class PublishedComponent:
    """Separations on one component in raw units, with emotion-vector-bench's names."""

    pc: int
    explained_variance: float
    valence_sep: float
    arousal_sep: float


@dataclass(frozen=True)
class PublishedProtocol:
    """What emotion-vector-bench reports, in raw units."""

    note: str
    pc_analysis: tuple[PublishedComponent, ...]
    best_valence_pc: int | None
    best_arousal_pc: int | None
    valence_separation: float
    arousal_separation: float


@dataclass(frozen=True)
class LayerCircumplex:
    """Components of one layer against the norms.

    Attributes
    ----------
    emotions : tuple of str
        Rows of `coordinates`.
    components : tuple of mapping
        For each component ``pc`` (from 1), ``explained_variance`` and, for each scale (valence,
        arousal, dominance), ``<scale>_r``, ``<scale>_p``, ``<scale>_p_max`` (corrected over
        the components), and ``<scale>_negative_r``, ``<scale>_negative_p`` among the negative
        emotions alone.
    coordinates : ndarray, shape (emotions, components)
        PC1 turned so that positive emotions lie right, PC2 so that arousal points up.
    without_outliers : tuple of mapping, or None
        `components` with the layer's outlier dimensions taken out; None where it has none.
    published_protocol : PublishedProtocol
        Emotion-vector-bench's figures.
    reason : str or None
        Why a figure is missing.
    """

    emotions: tuple[str, ...]
    components: tuple[Mapping[str, float], ...]
    coordinates: np.ndarray
    without_outliers: tuple[Mapping[str, float], ...] | None
    published_protocol: PublishedProtocol
    reason: str | None


@dataclass(frozen=True)
class NormsUsed:
    """The human norms of the measured emotions; NaN where a word has none."""

    source: str | None
    words: tuple[str, ...]
    valence: np.ndarray
    arousal: np.ndarray
    dominance: np.ndarray


@dataclass(frozen=True)
class Circumplex:
    """What `arousal_results.json` holds, less the names of the run."""

    permutations: int
    layers: Mapping[str, LayerCircumplex]
    norms: NormsUsed


def circumplex(
    vectors: EmotionVectors, corpus: Corpus, seed: int, permutations: int = 9999
) -> Circumplex:
    """Correlate principal components of the unit vectors with human norms at every layer.

    Parameters
    ----------
    vectors : EmotionVectors
        Denoised vectors are used.
    corpus : Corpus
        For norms and for valence and arousal groups; without norms r and p are NaN.
    seed : int
        Of the permutations, which are the same at every layer.
    permutations : int
        Permutations of the norms over emotions.

    Returns
    -------
    Circumplex
    """
    affect = affect_of(vectors.emotions, corpus)
    denoised = np.where(vanishing(vectors)[:, :, None], 0.0, vectors.denoised)
    layers = {
        f"layer_{layer}": _layer(vectors.emotions, denoised[at], affect, seed, permutations)
        for at, layer in enumerate(vectors.layers)
    }
    used = NormsUsed(source=affect.source, words=vectors.emotions, **affect.norms)
    return Circumplex(permutations, layers, used)


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
    if np.isnan(r).all() or permutations < 1:
        return Correlation(r, np.full(r.shape, np.nan), np.full(r.shape, np.nan))
    orders = draw_permutations(rated.size, permutations, np.random.default_rng([seed, rated.size]))
    null = np.abs(_standardised(y)[orders] @ _standardised(x))
    null[:, np.isnan(r)] = np.nan
    largest = np.nanmax(null, axis=1)
    p = [permutation_p(abs(value), null[:, k]) for k, value in enumerate(r)]
    p_max = [permutation_p(abs(value), largest) for value in r]
    return Correlation(r, np.array(p), np.array(p_max))


def published_protocol(vectors: np.ndarray, affect: Affect) -> PublishedProtocol:
    """Compute emotion-vector-bench's separations: group means on PCs in raw units.

    The best valence component is the one that separates positive from negative most; the best
    arousal component the one that separates high from low most, of the others.

    Parameters
    ----------
    vectors : ndarray, shape (emotions, hidden)
        Denoised vectors of one layer, at their own length.
    affect : Affect
        Groups of the same emotions.

    Returns
    -------
    PublishedProtocol
        NaN and None where a group is empty.
    """
    found = principal_components(vectors)
    valence = separation(found.coordinates, affect.positive, affect.negative)
    arousal = separation(found.coordinates, affect.high, affect.low)
    best_valence = _largest(valence, None)
    best_arousal = _largest(arousal, best_valence)
    return PublishedProtocol(
        note=PUBLISHED_NOTE,
        pc_analysis=tuple(
            PublishedComponent(k + 1, float(share), float(valence[k]), float(arousal[k]))
            for k, share in enumerate(found.explained_variance)
        ),
        best_valence_pc=best_valence,
        best_arousal_pc=best_arousal,
        valence_separation=float(valence[best_valence - 1]) if best_valence else float("nan"),
        arousal_separation=float(arousal[best_arousal - 1]) if best_arousal else float("nan"),
    )


def _layer(
    emotions: tuple[str, ...], vectors: np.ndarray, affect: Affect, seed: int, draws: int
) -> LayerCircumplex:
    found = oriented(principal_components(unit_vectors(vectors)), affect)
    outliers = np.flatnonzero(outlier_shares(vectors) > OUTLIER_SHARE)
    without = None
    if outliers.size:
        kept = unit_vectors(np.delete(vectors, outliers, axis=1))
        without = _components(oriented(principal_components(kept), affect), affect, seed, draws)
    return LayerCircumplex(
        emotions=emotions,
        components=_components(found, affect, seed, draws),
        coordinates=found.coordinates,
        without_outliers=without,
        published_protocol=published_protocol(vectors, affect),
        reason=_why_none(found.coordinates.shape[1], affect),
    )


def _components(
    found: Components, affect: Affect, seed: int, draws: int
) -> tuple[Mapping[str, float], ...]:
    rows: list[dict[str, float]] = [
        {"pc": k + 1, "explained_variance": float(share)}
        for k, share in enumerate(found.explained_variance)
    ]
    negative = list(affect.negative)
    for scale in SCALES:
        norm = affect.norms[scale]
        every = norm_correlation(found.coordinates, norm, seed, draws)
        among = norm_correlation(found.coordinates[negative], norm[negative], seed, draws)
        for k, row in enumerate(rows):
            row[f"{scale}_r"] = float(every.r[k])
            row[f"{scale}_p"] = float(every.p[k])
            row[f"{scale}_p_max"] = float(every.p_max[k])
            row[f"{scale}_negative_r"] = float(among.r[k])
            row[f"{scale}_negative_p"] = float(among.p[k])
    return tuple(rows)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Centre columns and scale them to length 1, so that products are correlations."""
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    return np.asarray(centred / np.where(length > 0, length, np.nan))


def _largest(separations: np.ndarray, other_than: int | None) -> int | None:
    """Pick the component (counted from 1) with the largest separation, or None."""
    candidates = [(value, -k) for k, value in enumerate(separations, start=1) if k != other_than]
    if not candidates or np.isnan(separations).any():
        return None
    return -max(candidates)[1]


def _why_none(components: int, affect: Affect) -> str | None:
    if components == 0:
        return "fewer than two emotions with vectors that differ: there are no components"
    if affect.source is None:
        return "the corpus has no norms: r and p are left out"
    rated = min(int(np.isfinite(norm).sum()) for norm in affect.norms.values())
    if rated < FEWEST_RATED:
        return f"{rated} emotions have norms on every scale: r takes {FEWEST_RATED}"
    return None
