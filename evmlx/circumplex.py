"""Affective circumplex: whether principal components of the vectors follow human norms.

On unit vectors, but for the published protocol, which is kept for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evmlx.affect import SCALES, Affect, affect_of
from evmlx.components import (
    OUTLIER_SHARE,
    Components,
    oriented,
    outlier_shares,
    principal_components,
    unit_vectors,
)
from evmlx.corpus import Corpus
from evmlx.neutral import project_out
from evmlx.norm_axis import DrawnCosines, NormAxis, norm_axis
from evmlx.norm_correlation import FEWEST_RATED, norm_correlation
from evmlx.procrustes import Procrustes, procrustes
from evmlx.published_separations import PublishedProtocol, published_protocol
from evmlx.resampling import (
    Cells,
    TopicDraws,
    cell_sums,
    draw_topics,
    resampled_cosines,
    story_cells,
)
from evmlx.store import Activations
from evmlx.text_cells import tfidf_cells
from evmlx.vectors import EmotionVectors, vanishing


@dataclass(frozen=True)
class Fits:
    """What is fitted to norms."""

    norm_axis: Mapping[str, NormAxis]
    norm_axis_negative: Mapping[str, NormAxis]
    procrustes: Procrustes


@dataclass(frozen=True)
class LayerCircumplex:
    """One layer against the norms.

    Attributes
    ----------
    emotions : tuple of str
        Rows of `coordinates`.
    components : tuple of mapping
        For each component ``pc`` (from 1), ``explained_variance`` and, for each scale (valence,
        arousal, dominance), ``<scale>_r``, ``<scale>_low``, ``<scale>_high``, ``<scale>_p``,
        ``<scale>_p_max`` (corrected over the components), and the same among the negative
        emotions alone, ``<scale>_negative_r`` and so on.
    coordinates : ndarray, shape (emotions, components)
        PC1 turned so that positive emotions lie right, PC2 so that arousal points up.
    norm_axis, norm_axis_negative : mapping of str to NormAxis
        For each scale, over all emotions and over the negative ones alone.
    procrustes : Procrustes
        Of the first two components to valence and arousal.
    without_outliers : tuple of mapping, or None
        `components` with the layer's outlier dimensions taken out; None where it has none.
    fits_without_outliers : Fits or None
        The norm axes and the Procrustes fit, likewise.
    published_protocol : PublishedProtocol
        Emotion-vector-bench's figures.
    reason, negative_reason : str or None
        Why figures of the components are missing, and those among the negative emotions.
    """

    emotions: tuple[str, ...]
    components: tuple[Mapping[str, float], ...]
    coordinates: np.ndarray
    norm_axis: Mapping[str, NormAxis]
    norm_axis_negative: Mapping[str, NormAxis]
    procrustes: Procrustes
    without_outliers: tuple[Mapping[str, float], ...] | None
    fits_without_outliers: Fits | None
    published_protocol: PublishedProtocol
    reason: str | None
    negative_reason: str | None


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
    """What `arousal_results.json` holds, less the names of the run.

    Attributes
    ----------
    permutations : int
        Of the norms, for every p.
    bootstrap_draws : int
        Draws of topics, for the intervals of the norm axes and the Procrustes fit.
    layers : mapping of str to LayerCircumplex
        By name, ``layer_<l>``.
    norms : NormsUsed
        What they were held against.
    text_control, text_reason
        The same fits to TF-IDF of the stories in place of residuals; why figures are missing.
    """

    permutations: int
    bootstrap_draws: int
    layers: Mapping[str, LayerCircumplex]
    norms: NormsUsed
    text_control: Fits | None = None
    text_reason: str | None = None


@dataclass(frozen=True)
class _Setting:
    """What is the same at every layer."""

    emotions: tuple[str, ...]
    affect: Affect
    cells: Cells
    topics: TopicDraws
    seed: int
    permutations: int


def circumplex(
    vectors: EmotionVectors,
    corpus: Corpus,
    seed: int,
    permutations: int = 9999,
    *,
    stories: Activations | None = None,
    labels: Sequence[str] = (),
    topic_ids: Sequence[str] = (),
    texts: Sequence[str] | None = None,
    draws: int = 2000,
) -> Circumplex:
    """Hold the unit vectors of every layer against human norms.

    Parameters
    ----------
    vectors : EmotionVectors
        Denoised vectors are used.
    corpus : Corpus
        For norms and for valence and arousal groups; without norms r and p are NaN.
    seed : int
        Of permutations and draws, which are the same at every layer.
    permutations : int
        Permutations of the norms over emotions.
    stories : Activations, optional
        The N stories behind the vectors; without them the intervals of the fits are left out.
    labels, topic_ids, texts : sequence of str, length N
        Emotion, topic and text of each story; without texts there is no text control.
    draws : int
        Bootstrap draws of topics.

    Returns
    -------
    Circumplex
    """
    affect = affect_of(vectors.emotions, corpus)
    cells = story_cells(labels, topic_ids, vectors.emotions)
    topics = draw_topics(cells.counts, draws, np.random.default_rng(seed))
    if stories is None:
        topics = TopicDraws(topics.weights[:0], 0, "no activations to resample")
    setting = _Setting(vectors.emotions, affect, cells, topics, seed, permutations)
    denoised = np.where(vanishing(vectors)[:, :, None], 0.0, vectors.denoised)
    layers: dict[str, LayerCircumplex] = {}
    for at, layer in enumerate(vectors.layers):
        sums = None
        if stories is not None and topics.reason is None:
            residuals = stories.pooled[:, stories.layers.index(layer)]
            sums = cell_sums(residuals, cells, vectors.story_mean[at])
            sums = project_out(sums, vectors.neutral_basis[at])
        layers[f"layer_{layer}"] = _layer(denoised[at], sums, setting)
    used = NormsUsed(source=affect.source, words=vectors.emotions, **affect.norms)
    words, why = _text_control(texts, setting)
    return Circumplex(permutations, len(topics.weights), layers, used, words, why)


def _text_control(texts: Sequence[str] | None, setting: _Setting) -> tuple[Fits | None, str | None]:
    """Fit the norms to what TF-IDF of the stories gives in place of the vectors."""
    words, counts = tfidf_cells(texts, setting.cells), setting.cells.counts
    if words.sums is None:
        return None, words.reason
    weights = np.vstack([np.ones(counts.shape[1]), setting.topics.weights])
    cosines, _ = resampled_cosines(words.sums, counts, weights)
    unrated = any(np.isnan(norm).any() for norm in setting.affect.norms.values())
    why = "an emotion without ratings has no prediction" if unrated else None
    return _fits_to(cosines[0], cosines[1:], setting), _why_none_negative(setting.affect) or why


def _layer(vectors: np.ndarray, sums: np.ndarray | None, setting: _Setting) -> LayerCircumplex:
    affect = setting.affect
    found = oriented(principal_components(unit_vectors(vectors)), affect)
    fits = _fits(vectors, sums, setting)
    outliers = np.flatnonzero(outlier_shares(vectors) > OUTLIER_SHARE)
    without, fits_without = None, None
    if outliers.size:
        kept = np.delete(vectors, outliers, axis=1)
        kept_sums = None if sums is None else np.delete(sums, outliers, axis=2)
        thinned = oriented(principal_components(unit_vectors(kept)), affect)
        without = _components(thinned, setting)
        fits_without = _fits(kept, kept_sums, setting)
    return LayerCircumplex(
        emotions=setting.emotions,
        components=_components(found, setting),
        coordinates=found.coordinates,
        norm_axis=fits.norm_axis,
        norm_axis_negative=fits.norm_axis_negative,
        procrustes=fits.procrustes,
        without_outliers=without,
        fits_without_outliers=fits_without,
        published_protocol=published_protocol(vectors, affect),
        reason=_why_none(found.coordinates.shape[1], affect),
        negative_reason=_why_none_negative(affect),
    )


def _fits(vectors: np.ndarray, sums: np.ndarray | None, setting: _Setting) -> Fits:
    """Fits to the vectors of a layer."""
    unit = unit_vectors(vectors)
    again = np.zeros((0, len(unit), len(unit)))
    if sums is not None:
        again, _ = resampled_cosines(sums, setting.cells.counts, setting.topics.weights)
    return _fits_to(unit @ unit.T, again, setting)


def _fits_to(cosines: np.ndarray, again: np.ndarray, setting: _Setting) -> Fits:
    """Norm axes and Procrustes fit, with the cosines drawn once for all of them."""
    drawn = DrawnCosines(again, setting.topics.weights.shape[1], setting.topics.reason)
    affect, seed, permutations = setting.affect, setting.seed, setting.permutations
    negative = np.isin(np.arange(len(cosines)), affect.negative)
    axes, among = (
        {
            scale: norm_axis(
                cosines, drawn, np.where(rows, affect.norms[scale], np.nan), seed, permutations
            )
            for scale in SCALES
        }
        for rows in (np.ones(len(cosines), bool), negative)
    )
    human = np.column_stack([affect.norms["valence"], affect.norms["arousal"]])
    plane = procrustes(setting.emotions, cosines, drawn, human, seed, permutations)
    return Fits(axes, among, plane)


def _components(found: Components, setting: _Setting) -> tuple[Mapping[str, float], ...]:
    rows: list[dict[str, float]] = [
        {"pc": k + 1, "explained_variance": float(share)}
        for k, share in enumerate(found.explained_variance)
    ]
    affect, negative = setting.affect, list(setting.affect.negative)
    for scale in SCALES:
        norm = affect.norms[scale]
        for name, members in ((scale, slice(None)), (f"{scale}_negative", negative)):
            r = norm_correlation(
                found.coordinates[members], norm[members], setting.seed, setting.permutations
            )
            for k, row in enumerate(rows):
                row[f"{name}_r"], row[f"{name}_p"] = float(r.r[k]), float(r.p[k])
                row[f"{name}_low"], row[f"{name}_high"] = float(r.low[k]), float(r.high[k])
                row[f"{name}_p_max"] = float(r.p_max[k])
    return tuple(rows)


def _why_none(components: int, affect: Affect) -> str | None:
    if components == 0:
        return "fewer than two emotions with vectors that differ: there are no components"
    if affect.source is None:
        return "the corpus has no norms: r and p are left out"
    rated = min(int(np.isfinite(norm).sum()) for norm in affect.norms.values())
    if rated < FEWEST_RATED:
        return f"{rated} emotions have norms on every scale: r takes {FEWEST_RATED}"
    return None


def _why_none_negative(affect: Affect) -> str | None:
    rows = list(affect.negative)
    rated = min(int(np.isfinite(norm[rows]).sum()) for norm in affect.norms.values())
    if rated < FEWEST_RATED:
        return f"{rated} negative emotions have norms on every scale: r takes {FEWEST_RATED}"
    return None
