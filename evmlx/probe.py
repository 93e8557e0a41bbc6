"""Linear probe: whether a story's emotion can be read off its residual, and off its words.

Knows nothing about emotion vectors; the probe is trained on other stories' residuals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.folds import (
    Fit,
    grouped_folds,
    missing_in_training,
    out_of_fold,
    standardised_logistic,
    stratified_folds,
)
from evmlx.intervals import TopicBootstrap
from evmlx.probe_results import Folds, Gain, LayerProbe, Probe
from evmlx.store import Activations
from evmlx.textcontrol import no_shared_words, tfidf_pipeline

if TYPE_CHECKING:
    from evmlx.corpus import Corpus

FOLDS = 5
NAN = float("nan")


@dataclass(frozen=True)
class _Split:
    """Stories dealt to folds, or the reason why they cannot be."""

    grouping: str
    fold_of: np.ndarray
    reason: str | None


@dataclass(frozen=True)
class _Outcome:
    """Out-of-fold predictions, None where there is a reason; and their accuracy."""

    folds: Folds
    predicted: np.ndarray | None


@dataclass(frozen=True)
class _Task:
    """What is the same at every layer."""

    emotions: tuple[str, ...]
    labels: np.ndarray
    cluster_of: np.ndarray  # cluster of each emotion, -1 for none
    bootstrap: TopicBootstrap


def probe(
    stories: Activations,
    labels: Sequence[str],
    topic_ids: Sequence[str],
    texts: Sequence[str],
    corpus: Corpus,
    *,
    seed: int,
    draws: int = 2000,
    progress: Callable[[str], None] | None = None,
) -> Probe:
    """Train and score linear probes at every layer, beside a bag of words.

    Multinomial logistic regression, C = 1, on features standardised within the training folds;
    five folds grouped by topic, and five stratified ones as published. The text control goes
    through the same grouped folds. Intervals resample topics; all share their draws, so that
    differences are paired.

    Parameters
    ----------
    stories : Activations
        N stories.
    labels, topic_ids, texts : sequence of str, length N
        Emotion, topic and text of each story.
    corpus : Corpus
        For the order of the emotions and their clusters.
    seed : int
        Seed of the folds and of the bootstrap.
    draws : int
        Bootstrap draws.
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
    The published protocol is that of emotion-vector-bench (2026).
    """
    if not len(stories.ids) == len(labels) == len(topic_ids) == len(texts):
        raise EvmlxError(
            f"{len(stories.ids)} stories, {len(labels)} labels, {len(topic_ids)} topics and "
            f"{len(texts)} texts: give one of each for every story"
        )
    task = _task(labels, topic_ids, corpus, seed, draws)
    splits = _grouped_split(task, topic_ids, seed), _stratified_split(task, seed)
    return _probe(stories, texts, task, splits, draws, progress or (lambda _: None))


def _probe(
    stories: Activations,
    texts: Sequence[str],
    task: _Task,
    splits: tuple[_Split, _Split],
    draws: int,
    say: Callable[[str], None],
) -> Probe:
    say("probe: TF-IDF, folds grouped by topic")
    text = _text_outcome(texts, task, splits[0])
    layers = {}
    for at in np.argsort(stories.layers):
        say(f"probe: layer {stories.layers[at]}")
        name = f"layer_{stories.layers[at]}"
        layers[name] = _layer_probe(stories.pooled[:, at], task, *splits, text)
    return Probe(
        emotions=task.emotions,
        n_emotions=len(task.emotions),
        chance=1 / len(task.emotions) if task.emotions else NAN,
        draws=draws,
        layers=layers,
        text_control={"tfidf": text.folds},
    )


def _task(
    labels: Sequence[str],
    topic_ids: Sequence[str],
    corpus: Corpus,
    seed: int,
    draws: int,
) -> _Task:
    found = set(labels)
    emotions = [emotion for emotion in corpus.emotions if emotion in found]
    row_of = {emotion: row for row, emotion in enumerate(emotions)}
    cluster_of = np.full(len(emotions), -1)
    for number, members in enumerate(corpus.clusters.values()):
        cluster_of[[row_of[e] for e in members if e in row_of]] = number
    return _Task(
        emotions=tuple(emotions),
        labels=np.array([row_of[label] for label in labels], np.int64),
        cluster_of=cluster_of,
        bootstrap=TopicBootstrap(topic_ids, draws, np.random.default_rng([seed, 1])),
    )


def _grouped_split(task: _Task, topic_ids: Sequence[str], seed: int) -> _Split:
    nowhere = np.zeros(0, np.int64)
    topics = len(set(topic_ids))
    if len(task.emotions) < 2:
        return _Split("topic", nowhere, "fewer than two emotions: there is nothing to tell apart")
    if topics < FOLDS:
        return _Split("topic", nowhere, f"{topics} topics are too few for {FOLDS} folds")
    fold_of = grouped_folds(topic_ids, FOLDS, np.random.default_rng([seed, 0]))
    untrained = missing_in_training(task.labels, fold_of)
    if untrained is not None:
        emotion = task.emotions[untrained[1]]
        return _Split("topic", nowhere, f"all topics of {emotion!r} are held out together")
    return _Split("topic", fold_of, None)


def _stratified_split(task: _Task, seed: int) -> _Split:
    nowhere = np.zeros(0, np.int64)
    counts = np.bincount(task.labels, minlength=len(task.emotions))
    if len(task.emotions) < 2:
        reason = "fewer than two emotions: there is nothing to tell apart"
        return _Split("stratified", nowhere, reason)
    if counts.min() < FOLDS:
        few = int(counts.argmin())
        reason = f"{task.emotions[few]!r} has {counts[few]} stories, too few for {FOLDS} folds"
        return _Split("stratified", nowhere, reason)
    return _Split("stratified", stratified_folds(task.labels, FOLDS, seed), None)


def _cross_validate(task: _Task, split: _Split, fit: Fit, *, parallel: bool) -> _Outcome:
    if split.reason is not None:
        return _Outcome(_no_folds(split.grouping, len(task.labels), split.reason), None)
    predicted, unconverged = out_of_fold(split.fold_of, fit, parallel=parallel)
    right = (predicted == task.labels).astype(np.float64)
    low, high = task.bootstrap.interval(right)
    folds = Folds(
        accuracy=float(right.mean()),
        low=low,
        high=high,
        fold_accuracies=tuple(float(right[split.fold_of == f].mean()) for f in range(FOLDS)),
        folds=FOLDS,
        grouping=split.grouping,
        n=len(right),
        unconverged=unconverged,
        reason=task.bootstrap.reason,
    )
    return _Outcome(folds, predicted)


def _no_folds(grouping: str, n: int, reason: str) -> Folds:
    return Folds(NAN, NAN, NAN, (), FOLDS, grouping, n, 0, reason)


def _text_outcome(texts: Sequence[str], task: _Task, split: _Split) -> _Outcome:
    try:
        return _cross_validate(task, split, _fit_texts(texts, task.labels), parallel=False)
    except ValueError as error:
        why = no_shared_words(error)
        return _Outcome(_no_folds(split.grouping, len(task.labels), why), None)


def _fit_texts(texts: Sequence[str], labels: np.ndarray) -> Fit:
    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        pipeline = tfidf_pipeline()
        pipeline.fit([texts[row] for row in training], labels[training])
        classifier = pipeline[-1]
        converged = bool((classifier.n_iter_ < classifier.max_iter).all())
        return np.asarray(pipeline.predict([texts[row] for row in test])), converged

    return fit


def _layer_probe(
    residuals: np.ndarray, task: _Task, grouped: _Split, stratified: _Split, text: _Outcome
) -> LayerProbe:
    if len(residuals) and (residuals == residuals[0]).all():
        reason = "all stories have the same residual at this layer"
        grouped = _Split("topic", grouped.fold_of, grouped.reason or reason)
        stratified = _Split("stratified", stratified.fold_of, stratified.reason or reason)
    fit = standardised_logistic(residuals, task.labels)
    model = _cross_validate(task, grouped, fit, parallel=True)
    published = _cross_validate(task, stratified, fit, parallel=True).folds
    if model.predicted is None or text.predicted is None:
        gain = Gain(NAN, NAN, NAN, model.folds.reason or text.folds.reason)
        return LayerProbe(model.folds, published, gain, None, {}, {}, NAN, NAN, NAN, NAN)
    right = (model.predicted == task.labels).astype(np.float64)
    difference = right - (text.predicted == task.labels)
    gain = Gain(float(difference.mean()), *task.bootstrap.interval(difference), None)
    of_emotion = [task.labels == row for row in range(len(task.emotions))]
    intervals = [task.bootstrap.interval(right, kept) for kept in of_emotion]
    confusion = _confusion(task.labels, model.predicted, len(task.emotions))
    return LayerProbe(
        model.folds,
        published,
        gain,
        confusion,
        dict(zip(task.emotions, confusion.diagonal().tolist(), strict=True)),
        dict(zip(task.emotions, intervals, strict=True)),
        *_cluster_accuracy(task, model.predicted),
    )


def _confusion(labels: np.ndarray, predicted: np.ndarray, emotions: int) -> np.ndarray:
    counts = np.bincount(labels * emotions + predicted, minlength=emotions**2)
    table = counts.reshape(emotions, emotions).astype(np.float64)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def _cluster_accuracy(task: _Task, predicted: np.ndarray) -> tuple[float, float, float, float]:
    """Accuracy at the level of clusters, its interval, and that of a guess at random."""
    cluster = task.cluster_of[task.labels]
    kept = cluster >= 0
    if not kept.any():
        return NAN, NAN, NAN, NAN
    right = (task.cluster_of[predicted] == cluster).astype(np.float64)
    sizes = np.bincount(task.cluster_of[task.cluster_of >= 0])
    chance = float(sizes[cluster[kept]].mean() / len(task.emotions))
    return float(right[kept].mean()), *task.bootstrap.interval(right, kept), chance
