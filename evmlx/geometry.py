"""Geometry of emotion vectors: cosines within and across clusters, components, stability.

Knows nothing about how residuals were had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evmlx.affect import affect_of
from evmlx.clusters import cluster_membership
from evmlx.cohesion import CosineGeometry, cosine_geometry
from evmlx.corpus import Corpus
from evmlx.cosine_draws import CosineDraws, TopicPlan, cosine_draws, no_draws, topic_plan
from evmlx.errors import EvmlxError
from evmlx.layer_geometry import LayerGeometry, NeutralComponents, Setting, layer_geometry
from evmlx.neutral import project_out
from evmlx.reliability import Reliability, reliability
from evmlx.resampling import cell_sums, draw_permutations, story_cells
from evmlx.rsa import Compared, compared, nothing_compared
from evmlx.stability import Stability, cross_layer_stability
from evmlx.store import Activations
from evmlx.text_cells import WordCells, embedding_cells, tfidf_cells
from evmlx.vectors import EmotionVectors, vanishing


@dataclass(frozen=True)
class Geometry:
    """What `validation_results.json` holds, less the names of the run.

    `text_cosine` and `text_reliability` are what TF-IDF of the stories gives in place of
    residuals: the control of every layer's figures.
    """

    vectors_used: str
    primary_layer: int
    layers: Mapping[str, LayerGeometry]
    cross_layer_stability: Stability
    text_cosine: CosineGeometry
    text_reliability: Reliability


def geometry(
    vectors: EmotionVectors,
    stories: Activations | None,
    labels: Sequence[str],
    topic_ids: Sequence[str],
    corpus: Corpus,
    *,
    primary_layer: int,
    seed: int,
    texts: Sequence[str] | None = None,
    embeddings: Mapping[str, np.ndarray] | None = None,
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
        Of the bootstrap, the splits and the permutations; all are the same at every layer.
    texts : sequence of str, length N, or None
        The stories themselves, for the text control.
    embeddings : mapping of str to ndarray, or None
        Contents of the run's ``token_embeddings.npz``.
    draws : int
        Bootstrap draws of topics.
    permutations : int
        Permutations of the emotions and of the emotion -> cluster labels.

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
    topic_rng, label_rng, emotion_rng, split_rng = np.random.default_rng(seed).spawn(4)
    emotions = vectors.emotions
    clusters = cluster_membership(emotions, corpus.clusters)
    cells = story_cells(labels, topic_ids, emotions)
    plan = topic_plan(cells, draws, topic_rng, split_rng)
    relabelled = draw_permutations(len(clusters.rows), permutations, label_rng)
    words, words_drawn = _compared(tfidf_cells(texts, cells), plan, len(emotions))
    setting = Setting(
        emotions=emotions,
        clusters=clusters,
        affect=affect_of(emotions, corpus),
        plan=plan,
        relabelled=relabelled,
        permutations=draw_permutations(len(emotions), permutations, emotion_rng),
        text=words,
        words=words_drawn,
        embedding=_compared(embedding_cells(embeddings, emotions, cells), plan, len(emotions))[0],
    )
    layers = _layers(vectors, stories, setting)
    text = cosine_geometry(emotions, words.matrix, clusters, words_drawn, relabelled)
    stability = cross_layer_stability({k: v.cosine.matrix for k, v in layers.items()})
    return Geometry(
        vectors_used="denoised",
        primary_layer=primary_layer,
        layers=layers,
        cross_layer_stability=stability,
        text_cosine=replace(text, reason=words.reason or text.reason),
        text_reliability=reliability(words_drawn),
    )


def _layers(
    vectors: EmotionVectors, stories: Activations | None, setting: Setting
) -> dict[str, LayerGeometry]:
    # float32 rounding has a direction too: a vector that is zero but for it has none
    denoised = np.where(vanishing(vectors)[:, :, None], 0.0, vectors.denoised)
    layers: dict[str, LayerGeometry] = {}
    for at, layer in enumerate(vectors.layers):
        sums = None
        if stories is not None:
            residuals = stories.pooled[:, stories.layers.index(layer)]
            sums = cell_sums(residuals, setting.plan.cells, vectors.story_mean[at])
            sums = project_out(sums, vectors.neutral_basis[at])
        neutral = NeutralComponents(len(vectors.neutral_basis[at]), vectors.neutral_variance[at])
        layers[f"layer_{layer}"] = layer_geometry(
            denoised[at], sums, setting, float(vectors.residual_norm[at]), neutral
        )
    return layers


def _compared(words: WordCells, plan: TopicPlan, emotions: int) -> tuple[Compared, CosineDraws]:
    """Cosines of word counts or embeddings in place of residuals."""
    if words.sums is None:
        reason = words.reason or "no words"
        return nothing_compared(emotions, reason), no_draws(emotions, reason)
    drawn = cosine_draws(words.sums, plan)
    return compared(drawn.plain[0], drawn), drawn
