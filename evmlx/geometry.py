"""Geometry of emotion vectors: cosines within and across clusters, components, stability.

All on unit vectors. Knows nothing about human norms beyond the sign of a component, nor about
how residuals were had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evmlx.affect import Affect, affect_of
from evmlx.clusters import Clusters, cluster_membership
from evmlx.cohesion import (
    NAN,
    CosineGeometry,
    Resampling,
    cosine_geometry,
)
from evmlx.components import (
    OUTLIER_SHARE,
    oriented,
    outlier_shares,
    principal_components,
    unit_vectors,
)
from evmlx.corpus import Corpus
from evmlx.errors import EvmlxError
from evmlx.neutral import project_out
from evmlx.resampling import cell_sums, draw_permutations, draw_topics, story_cells
from evmlx.stability import Stability, cross_layer_stability
from evmlx.store import Activations
from evmlx.vectors import EmotionVectors, vanishing


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
class WithoutOutliers:
    """The layer's figures again, with its outlier dimensions taken out."""

    cosine: CosineGeometry
    pca: ComponentGeometry


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


@dataclass(frozen=True)
class Geometry:
    """What `validation_results.json` holds, less the names of the run."""

    vectors_used: str
    primary_layer: int
    layers: Mapping[str, LayerGeometry]
    cross_layer_stability: Stability


def geometry(
    vectors: EmotionVectors,
    stories: Activations | None,
    labels: Sequence[str],
    topic_ids: Sequence[str],
    corpus: Corpus,
    *,
    primary_layer: int,
    seed: int,
    draws: int = 2000,
    permutations: int = 9999,
) -> Geometry:
    """Measure the geometry of denoised emotion vectors at every layer.

    Parameters
    ----------
    vectors : EmotionVectors
        Vectors of `stories`.
    stories : Activations or None
        N stories, for the topic bootstrap; without them intervals are left out.
    labels, topic_ids : sequence of str, length N
        Emotion and topic of each story.
    corpus : Corpus
        For clusters, valence groups and norms.
    primary_layer : int
        Recorded as the layer of the headline numbers.
    seed : int
        Of the bootstrap and the permutations; both are the same at every layer.
    draws : int
        Bootstrap draws of topics.
    permutations : int
        Permutations of the emotion -> cluster labels.

    Returns
    -------
    Geometry

    Raises
    ------
    EvmlxError
        If the primary layer is not among the layers, or an emotion lies in two clusters.
    """
    if primary_layer not in vectors.layers:
        raise EvmlxError(
            f"layer {primary_layer} was not sampled: choose one of "
            f"{', '.join(map(str, vectors.layers))}"
        )
    topic_rng, label_rng = np.random.default_rng(seed).spawn(2)
    clusters = cluster_membership(vectors.emotions, corpus.clusters)
    cells = story_cells(labels, topic_ids, vectors.emotions)
    topics = draw_topics(cells.counts, draws, topic_rng)
    if stories is None:
        topics = replace(topics, weights=topics.weights[:0], reason="no activations to resample")
    relabelled = draw_permutations(len(clusters.rows), permutations, label_rng)
    affect = affect_of(vectors.emotions, corpus)
    # float32 rounding has a direction too: a vector that is zero but for it has none
    denoised = np.where(vanishing(vectors)[:, :, None], 0.0, vectors.denoised)
    layers: dict[str, LayerGeometry] = {}
    for at, layer in enumerate(vectors.layers):
        sums = None
        if stories is not None and topics.reason is None:
            residuals = stories.pooled[:, stories.layers.index(layer)]
            sums = cell_sums(residuals, cells, vectors.story_mean[at])
            sums = project_out(sums, vectors.neutral_basis[at])
        resampling = Resampling(sums, cells.counts, topics, relabelled)
        layers[f"layer_{layer}"] = _layer(vectors, at, denoised[at], clusters, affect, resampling)
    stability = cross_layer_stability({k: v.cosine.matrix for k, v in layers.items()})
    return Geometry("denoised", primary_layer, layers, stability)


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


def _layer(
    vectors: EmotionVectors,
    at: int,
    denoised: np.ndarray,
    clusters: Clusters,
    affect: Affect,
    resampling: Resampling,
) -> LayerGeometry:
    emotions = vectors.emotions
    shares = outlier_shares(denoised)
    removed = np.flatnonzero(shares > OUTLIER_SHARE)
    without = None
    if removed.size:
        kept = np.delete(denoised, removed, axis=1)
        sums = resampling.sums
        thinned = replace(
            resampling, sums=None if sums is None else np.delete(sums, removed, axis=2)
        )
        without = WithoutOutliers(
            cosine_geometry(emotions, kept, clusters, thinned),
            component_geometry(emotions, kept, affect),
        )
    defined = bool(np.isfinite(shares).all())
    length = np.linalg.norm(denoised, axis=1) / vectors.residual_norm[at]
    return LayerGeometry(
        cosine=cosine_geometry(emotions, denoised, clusters, resampling),
        pca=component_geometry(emotions, denoised, affect),
        norms=RelativeNorms(dict(zip(emotions, map(float, length), strict=True))),
        outlier=OutlierDimensions(
            share=float(shares.max()) if defined else NAN,
            dimension=int(shares.argmax()) if defined else None,
            threshold=OUTLIER_SHARE,
            removed=tuple(int(dimension) for dimension in removed),
            without=without,
        ),
        neutral=NeutralComponents(len(vectors.neutral_basis[at]), vectors.neutral_variance[at]),
    )
