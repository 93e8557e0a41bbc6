"""Everything measured at one layer: cosines, components, lengths, likeness to words and norms.

All on unit vectors. Knows nothing about other layers, nor about how residuals were had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evmlx.affect import Affect
from evmlx.clusters import Clusters
from evmlx.cohesion import CohesionGain, CosineGeometry, cohesion_gain, cosine_geometry
from evmlx.components import (
    OUTLIER_SHARE,
    oriented,
    outlier_shares,
    principal_components,
    unit_vectors,
)
from evmlx.cosine_draws import NAN, CosineDraws, TopicPlan, cosine_draws, no_draws
from evmlx.norm_rsa import NormRSA, norm_rsa
from evmlx.reliability import Reliability, reliability
from evmlx.rsa import RSA, Compared, compared, rsa


@dataclass(frozen=True)
class ComponentGeometry:
    """PCA of the unit vectors of one layer; separations are without sign."""

    emotions: tuple[str, ...]
    explained_variance: np.ndarray
    coordinates: np.ndarray
    participation_ratio: float
    valence_separation_pc1: float
    positive_mean_pc1: float
    negative_mean_pc1: float
    reason: str | None


@dataclass(frozen=True)
class RelativeNorms:
    """Norm of each denoised vector over the mean norm of the stories' residuals."""

    relative: Mapping[str, float]


@dataclass(frozen=True)
class Likeness:
    """What the layer's cosines are like: TF-IDF's, the token embeddings', and human ratings."""

    text: RSA
    embedding: RSA
    norms: NormRSA


@dataclass(frozen=True)
class WithoutOutliers:
    """The layer's figures again, with its outlier dimensions taken out."""

    cosine: CosineGeometry
    pca: ComponentGeometry
    reliability: Reliability
    rsa: Likeness
    cohesion_gain: CohesionGain


@dataclass(frozen=True)
class OutlierDimensions:
    """Mean share of an emotion vector's squared norm in its largest dimensions."""

    share: float
    dimension: int | None
    threshold: float
    removed: tuple[int, ...]
    without: WithoutOutliers | None


@dataclass(frozen=True)
class NeutralComponents:
    """Number of neutral components projected out, and the variance they hold."""

    components: int
    variance: float


@dataclass(frozen=True)
class LayerGeometry:
    """Everything measured at one layer."""

    cosine: CosineGeometry
    pca: ComponentGeometry
    norms: RelativeNorms
    outlier: OutlierDimensions
    neutral: NeutralComponents
    reliability: Reliability
    rsa: Likeness
    cohesion_gain: CohesionGain


@dataclass(frozen=True)
class Setting:
    """What is the same at every layer.

    Attributes
    ----------
    emotions : tuple of str
        Names of the rows.
    clusters : Clusters
        Of the emotions.
    affect : Affect
        Valence groups and norms of the emotions.
    plan : TopicPlan
        How topics are resampled.
    relabelled : ndarray of int, shape (permutations, R)
        Permutations of the emotions that have a cluster.
    permutations : ndarray of int, shape (permutations, emotions)
        Permutations of all emotions.
    text, embedding : Compared
        What the cosines are compared with.
    words : CosineDraws
        Those of TF-IDF under the plan.
    """

    emotions: tuple[str, ...]
    clusters: Clusters
    affect: Affect
    plan: TopicPlan
    relabelled: np.ndarray
    permutations: np.ndarray
    text: Compared
    embedding: Compared
    words: CosineDraws


def layer_geometry(
    vectors: np.ndarray,
    sums: np.ndarray | None,
    setting: Setting,
    residual_norm: float,
    neutral: NeutralComponents,
) -> LayerGeometry:
    """Measure one layer.

    Parameters
    ----------
    vectors : ndarray, shape (emotions, hidden)
        Denoised vectors; zero where one has no direction.
    sums : ndarray of float64, shape (emotions, topics, hidden), or None
        Cell sums of the stories with neutral components projected out; None where there are no
        activations.
    setting : Setting
        What is the same at every layer.
    residual_norm : float
        Mean norm of the stories' residuals.
    neutral : NeutralComponents
        Passed on.

    Returns
    -------
    LayerGeometry
    """
    shares = outlier_shares(vectors)
    removed = np.flatnonzero(shares > OUTLIER_SHARE)
    without = None
    if removed.size:
        kept = np.delete(vectors, removed, axis=1)
        without = _arrangement(
            kept, None if sums is None else np.delete(sums, removed, axis=2), setting
        )
    defined = bool(np.isfinite(shares).all())
    lengths = np.linalg.norm(vectors, axis=1) / residual_norm
    whole = _arrangement(vectors, sums, setting)
    return LayerGeometry(
        cosine=whole.cosine,
        pca=whole.pca,
        norms=RelativeNorms(dict(zip(setting.emotions, map(float, lengths), strict=True))),
        outlier=OutlierDimensions(
            share=float(shares.max()) if defined else NAN,
            dimension=int(shares.argmax()) if defined else None,
            threshold=OUTLIER_SHARE,
            removed=tuple(int(dimension) for dimension in removed),
            without=without,
        ),
        neutral=neutral,
        reliability=whole.reliability,
        rsa=whole.rsa,
        cohesion_gain=whole.cohesion_gain,
    )


def _arrangement(vectors: np.ndarray, sums: np.ndarray | None, setting: Setting) -> WithoutOutliers:
    """Compute what depends on the dimensions that are looked at."""
    emotions = setting.emotions
    unit = unit_vectors(vectors)
    matrix = unit @ unit.T
    if sums is None:
        drawn = no_draws(len(emotions), "no activations to resample")
    else:
        drawn = cosine_draws(sums, setting.plan)
    halves = reliability(drawn)
    model = compared(matrix, drawn)
    text, embedding = (
        rsa(model, other, setting.permutations, halves.ceiling)
        for other in (setting.text, setting.embedding)
    )
    norms = norm_rsa(model, setting.text, setting.affect, setting.permutations)
    return WithoutOutliers(
        cosine_geometry(emotions, matrix, setting.clusters, drawn, setting.relabelled),
        component_geometry(emotions, vectors, setting.affect),
        halves,
        Likeness(text, embedding, norms),
        cohesion_gain(drawn, setting.words, setting.clusters),
    )


def component_geometry(
    emotions: Sequence[str], vectors: np.ndarray, affect: Affect
) -> ComponentGeometry:
    """PCA of unit vectors, and how far apart the valence groups lie on PC1.

    Parameters
    ----------
    emotions : sequence of str
        Names of the rows.
    vectors : ndarray, shape (emotions, hidden)
        Denoised vectors of one layer, of any length.
    affect : Affect
        Valence groups and norms of the same emotions.

    Returns
    -------
    ComponentGeometry
        NaN, with the reason, where there are no components or no valence groups.
    """
    found = oriented(principal_components(unit_vectors(vectors)), affect)
    means = [NAN, NAN]
    reason = None
    if found.coordinates.shape[1] == 0:
        reason = "fewer than two emotions with vectors that differ: there are no components"
    elif not affect.positive or not affect.negative:
        reason = "the corpus names no positive or no negative emotions"
    else:
        groups = (affect.positive, affect.negative)
        means = [float(found.coordinates[list(group), 0].mean()) for group in groups]
    return ComponentGeometry(
        emotions=tuple(emotions),
        explained_variance=found.explained_variance,
        coordinates=found.coordinates,
        participation_ratio=found.participation_ratio,
        valence_separation_pc1=abs(means[0] - means[1]),
        positive_mean_pc1=means[0],
        negative_mean_pc1=means[1],
        reason=reason,
    )
