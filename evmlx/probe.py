"""Linear probe: whether a story's emotion can be read off its residual, and off its words.

Knows nothing about files. The classifiers are in `evmlx.folds`, `evmlx.nearest` and
`evmlx.within_scene`, how stories are dealt to them in `evmlx.splits`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.folds import Fit, standardised_logistic
from evmlx.intervals import TopicBootstrap
from evmlx.nearest import nearest_vector, nearest_words
from evmlx.probe_figures import (
    Outcome,
    Task,
    absent,
    cluster_accuracy,
    confusion,
    cross_validate,
    gain,
    selectivity,
)
from evmlx.probe_results import NAN, LayerProbe, Probe
from evmlx.selectivity import Selectivity, no_selectivity
from evmlx.splits import FOLDS, Split, Splits, deal
from evmlx.store import Activations
from evmlx.style import style_rows
from evmlx.textcontrol import no_shared_words, term_counts, tfidf_logistic
from evmlx.within_scene import scene_centred, scene_centred_tfidf

if TYPE_CHECKING:
    from evmlx.corpus import Corpus

__all__ = ["FOLDS", "probe"]


@dataclass(frozen=True)
class _Texts:
    """Outcomes of the text controls."""

    style: Outcome
    tfidf: Outcome
    nearest: Outcome
    domain: Outcome
    scene: Outcome


def probe(
    stories: Activations,
    labels: Sequence[str],
    topic_ids: Sequence[str],
    texts: Sequence[str],
    corpus: Corpus,
    *,
    seed: int,
    draws: int = 2000,
    scenes: Sequence[str | None] | None = None,
    domains: Sequence[str | None] | None = None,
    neutral_basis: Mapping[int, np.ndarray] | None = None,
    primary_layer: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Probe:
    """Train and score linear probes at every layer, each beside what the text alone gives.

    Multinomial logistic regression, C = 1, on features standardised within the training folds;
    folds grouped by topic, by domain, and stratified ones as published. TF-IDF and style go
    through the same folds. Intervals resample topics; all share their draws, so that differences
    are paired.

    Parameters
    ----------
    stories : Activations
        N stories.
    labels, topic_ids, texts : sequence of str, length N
        Emotion, topic and text of each story.
    corpus : Corpus
        For the order of the emotions and their clusters.
    seed : int
        Seed of the folds, of the random labels and of the bootstrap.
    draws : int
        Bootstrap draws.
    scenes, domains : sequence of str or None, length N, optional
        Scene of each story and domain of its topic; without them the figures that need them are
        missing.
    neutral_basis : mapping of int to ndarray (k, hidden), optional
        Neutral components of each layer, which the nearest vector is had without.
    primary_layer : int, optional
        The layer at which selectivity is measured; every layer by default.
    progress : callable, optional
        Takes a line before each step.

    Returns
    -------
    Probe

    Raises
    ------
    EvmlxError
        If stories, labels, topics and texts differ in number.

    References
    ----------
    Hewitt and Liang (2019), "Designing and Interpreting Probes with Control Tasks", EMNLP. The
    published protocol is that of emotion-vector-bench (2026).
    """
    if not len(stories.ids) == len(labels) == len(topic_ids) == len(texts):
        raise EvmlxError(
            f"{len(stories.ids)} stories, {len(labels)} labels, {len(topic_ids)} topics and "
            f"{len(texts)} texts: give one of each for every story"
        )
    say = progress or (lambda _: None)
    task = _task(labels, topic_ids, corpus, seed, draws)
    splits = deal(task.labels, task.emotions, topic_ids, scenes, domains, seed)
    say("probe: the text alone")
    controls = _text_outcomes(texts, task, splits)
    layers = {}
    for at in np.argsort(stories.layers):
        layer = stories.layers[at]
        say(f"probe: layer {layer}")
        layers[f"layer_{layer}"] = _layer_probe(
            stories.pooled[:, at],
            task,
            splits,
            controls,
            basis=(neutral_basis or {}).get(layer),
            control_seed=seed if primary_layer in (None, layer) else None,
        )
    return Probe(
        emotions=task.emotions,
        n_emotions=len(task.emotions),
        chance=1 / len(task.emotions) if task.emotions else NAN,
        draws=draws,
        layers=layers,
        text_control={
            "tfidf": controls.tfidf.folds,
            "tfidf_nearest": controls.nearest.folds,
            "style": controls.style.folds,
            "tfidf_leave_one_domain_out": controls.domain.folds,
            "within_scene": controls.scene.folds,
        },
    )


def _task(
    labels: Sequence[str],
    topic_ids: Sequence[str],
    corpus: Corpus,
    seed: int,
    draws: int,
) -> Task:
    found = set(labels)
    emotions = [emotion for emotion in corpus.emotions if emotion in found]
    row_of = {emotion: row for row, emotion in enumerate(emotions)}
    cluster_of = np.full(len(emotions), -1)
    for number, members in enumerate(corpus.clusters.values()):
        cluster_of[[row_of[e] for e in members if e in row_of]] = number
    return Task(
        emotions=tuple(emotions),
        labels=np.array([row_of[label] for label in labels], np.int64),
        cluster_of=cluster_of,
        bootstrap=TopicBootstrap(topic_ids, draws, np.random.default_rng([seed, 1])),
    )


def _text_outcomes(texts: Sequence[str], task: Task, splits: Splits) -> _Texts:
    style = standardised_logistic(style_rows(texts).astype(np.float32), task.labels)
    try:
        counts = term_counts(texts)
    except ValueError as error:
        why = no_shared_words(error)
        held_out = (splits.topic, splits.topic, splits.domain, splits.scene)
        words = [absent(split, why) for split in held_out]
    else:
        tfidf = tfidf_logistic(counts, task.labels)
        centred = scene_centred_tfidf(counts, task.labels, splits.scene_of)
        words = [
            _text_outcome(task, splits.topic, tfidf),
            _text_outcome(task, splits.topic, nearest_words(counts, task.labels)),
            _text_outcome(task, splits.domain, tfidf),
            _text_outcome(task, splits.scene, centred),
        ]
    return _Texts(cross_validate(task, splits.topic, style, parallel=True), *words)


def _text_outcome(task: Task, split: Split, fit: Fit) -> Outcome:
    try:
        return cross_validate(task, split, fit, parallel=True)
    except ValueError as error:
        return absent(split, no_shared_words(error))


def _layer_probe(
    residuals: np.ndarray,
    task: Task,
    splits: Splits,
    texts: _Texts,
    *,
    basis: np.ndarray | None,
    control_seed: int | None,
) -> LayerProbe:
    if len(residuals) and (residuals == residuals[0]).all():
        splits = splits.without("all stories have the same residual at this layer")
    fit_to = partial(standardised_logistic, residuals)
    fit = fit_to(task.labels)
    grouped = cross_validate(task, splits.topic, fit, parallel=True)
    domain = cross_validate(task, splits.domain, fit, parallel=True)
    scene = _within_scene(residuals, task, splits)
    by_vectors = nearest_vector(residuals, task.labels, basis)
    nearest = cross_validate(task, splits.topic, by_vectors, parallel=True)
    table, recall, recall_interval, clusters = _tables(task, grouped)
    return LayerProbe(
        grouped=grouped.folds,
        published=cross_validate(task, splits.stratified, fit, parallel=True).folds,
        leave_one_domain_out=domain.folds,
        within_scene=scene.folds,
        nearest=nearest.folds,
        nearest_gain=gain(task, nearest, texts.nearest),
        selectivity=_selectivity(task, splits, fit_to, control_seed),
        gain_over_tfidf=gain(task, grouped, texts.tfidf),
        gain_over_style=gain(task, grouped, texts.style),
        leave_one_domain_out_gain=gain(task, domain, texts.domain),
        within_scene_gain=gain(task, scene, texts.scene),
        confusion=table,
        recall=recall,
        recall_interval=recall_interval,
        cluster_accuracy=clusters[0],
        cluster_low=clusters[1],
        cluster_high=clusters[2],
        cluster_chance=clusters[3],
    )


def _within_scene(residuals: np.ndarray, task: Task, splits: Splits) -> Outcome:
    if splits.scene.reason is not None:
        return absent(splits.scene)
    fit = standardised_logistic(scene_centred(residuals, splits.scene_of), task.labels)
    return cross_validate(task, splits.scene, fit, parallel=True)


def _selectivity(
    task: Task, splits: Splits, fit_to: Callable[[np.ndarray], Fit], seed: int | None
) -> Selectivity:
    if seed is None:
        return no_selectivity(splits.cell.n, "measured at the primary layer only")
    rng = np.random.default_rng([seed, 3])
    return selectivity(task, splits.cell, splits.cells, fit_to, rng)


def _tables(
    task: Task, model: Outcome
) -> tuple[
    np.ndarray | None,
    dict[str, float],
    dict[str, tuple[float, float]],
    tuple[float, float, float, float],
]:
    """Confusions, recall with its intervals, and accuracy at the level of clusters."""
    if model.predicted is None:
        return None, {}, {}, (NAN, NAN, NAN, NAN)
    table = confusion(task.labels, model.predicted, len(task.emotions))
    recall = dict(zip(task.emotions, table.diagonal().tolist(), strict=True))
    right = (model.predicted == task.labels).astype(np.float64)
    intervals = {
        emotion: task.bootstrap.interval(right, task.labels == row)
        for row, emotion in enumerate(task.emotions)
    }
    return table, recall, intervals, cluster_accuracy(task, model.predicted)
