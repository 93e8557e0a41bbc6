"""From out-of-fold scores to accuracies, gains and tables, with intervals over topics.

Knows nothing about which classifier gave the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evmlx.folds import Fit, scores_out_of_fold
from evmlx.intervals import TopicBootstrap
from evmlx.probe_results import NAN, Folds, Gain
from evmlx.ranking import auc_interval, macro_auc_draws
from evmlx.selectivity import Selectivity, control_labels, no_selectivity
from evmlx.splits import Split

NO_AUC_INTERVAL = "a fold of one topic, or of one emotion, leaves no interval of the AUC"


@dataclass(frozen=True)
class Task:
    """What is the same for every classifier.

    Attributes
    ----------
    emotions : tuple of str
    labels : ndarray of int, shape (N,)
        Emotion of each story.
    cluster_of : ndarray of int, shape (emotions,)
        Cluster of each emotion, -1 for none.
    bootstrap : TopicBootstrap
        Of the N stories.
    """

    emotions: tuple[str, ...]
    labels: np.ndarray
    cluster_of: np.ndarray
    bootstrap: TopicBootstrap


@dataclass(frozen=True)
class Outcome:
    """How a classifier did.

    Attributes
    ----------
    folds : Folds
    predicted : ndarray of int, shape (N,), or None
        None where there is a reason.
    kept : ndarray of bool, shape (N,)
        Stories that lie in a fold.
    auc_draws : ndarray, shape (draws,), or None
        Bootstrap draws of the macro AUC.
    """

    folds: Folds
    predicted: np.ndarray | None
    kept: np.ndarray
    auc_draws: np.ndarray | None = None


def cross_validate(task: Task, split: Split, fit: Fit, *, parallel: bool) -> Outcome:
    """Score stories out of fold; a split that has a reason gives no figure."""
    if split.reason is not None:
        return absent(split)
    scores, unconverged = scores_out_of_fold(split.fold_of, fit, parallel=parallel)
    kept = split.fold_of >= 0
    predicted = np.where(kept, scores.argmax(axis=1), -1)
    right = (predicted == task.labels).astype(np.float64)
    low, high = task.bootstrap.interval(right, kept)
    auc, draws = macro_auc_draws(scores, task.labels, split.fold_of, task.bootstrap)
    auc_low, auc_high = auc_interval(draws, task.bootstrap)
    reason = task.bootstrap.reason
    if reason is None and np.isnan(low):
        reason = "a draw of topics can leave no story that counts: no interval"
    elif reason is None and np.isnan(auc_low):
        reason = NO_AUC_INTERVAL
    folds = Folds(
        accuracy=float(right[kept].mean()),
        low=low,
        high=high,
        fold_accuracies=tuple(
            float(right[split.fold_of == f].mean()) for f in np.unique(split.fold_of[kept])
        ),
        folds=split.folds,
        grouping=split.grouping,
        n=split.n,
        unconverged=unconverged,
        reason=reason,
        fold_names=split.names,
        macro_auc=auc,
        macro_auc_low=auc_low,
        macro_auc_high=auc_high,
    )
    return Outcome(folds, predicted, kept, draws)


def absent(split: Split, reason: str | None = None) -> Outcome:
    """Return the outcome of a classifier that could not be tried, with the reason."""
    why = split.reason or reason
    folds = Folds(NAN, NAN, NAN, (), split.folds, split.grouping, split.n, 0, why)
    return Outcome(folds, None, split.fold_of >= 0)


def gain(task: Task, model: Outcome, text: Outcome) -> Gain:
    """Accuracy and AUC of one classifier minus those of another on the same folds."""
    if model.predicted is None or text.predicted is None:
        return Gain(NAN, NAN, NAN, model.folds.reason or text.folds.reason)
    difference = (model.predicted == task.labels).astype(np.float64)
    difference -= text.predicted == task.labels
    low, high = task.bootstrap.interval(difference, model.kept)
    auc = auc_low = auc_high = NAN
    if model.auc_draws is not None and text.auc_draws is not None:
        auc = model.folds.macro_auc - text.folds.macro_auc
        auc_low, auc_high = task.bootstrap.of_draws(model.auc_draws - text.auc_draws)
    reason = task.bootstrap.reason
    if reason is None and np.isnan(auc_low):
        reason = NO_AUC_INTERVAL
    return Gain(
        gain=float(difference[model.kept].mean()),
        low=low,
        high=high,
        reason=reason,
        macro_auc=auc,
        macro_auc_low=auc_low,
        macro_auc_high=auc_high,
    )


def selectivity(
    task: Task,
    split: Split,
    cells: np.ndarray,
    fit_to: Callable[[np.ndarray], Fit],
    rng: np.random.Generator,
) -> Selectivity:
    """Hold the emotions against random labels of the cells, on folds that split the cells.

    Parameters
    ----------
    task : Task
    split : Split
    cells : ndarray of int, shape (N,)
        Cell of each story, from `evmlx.splits.cell_split`.
    fit_to : callable
        Takes labels, returns the probe that learns them.
    rng : numpy.random.Generator
        Draws the random labels.

    Returns
    -------
    Selectivity
    """
    if split.reason is not None:
        return no_selectivity(split.n, split.reason)
    kept = split.fold_of >= 0
    control = task.labels.copy()
    topics = task.bootstrap.topic[kept]
    control[kept] = control_labels(cells[kept], task.labels[kept], topics, rng)
    right, unconverged = [], 0
    for labels in (task.labels, control):
        scores, failed = scores_out_of_fold(split.fold_of, fit_to(labels), parallel=True)
        right.append((scores.argmax(axis=1) == labels).astype(np.float64))
        unconverged += failed
    difference = right[0] - right[1]
    low, high = task.bootstrap.interval(difference, kept)
    return Selectivity(
        accuracy=float(right[0][kept].mean()),
        control_accuracy=float(right[1][kept].mean()),
        selectivity=float(difference[kept].mean()),
        low=low,
        high=high,
        folds=split.folds,
        n=split.n,
        unconverged=unconverged,
        reason=task.bootstrap.reason,
    )


def confusion(labels: np.ndarray, predicted: np.ndarray, emotions: int) -> np.ndarray:
    """Share of the stories of the row's emotion that were taken for the column's."""
    counts = np.bincount(labels * emotions + predicted, minlength=emotions**2)
    table = counts.reshape(emotions, emotions).astype(np.float64)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def cluster_accuracy(task: Task, predicted: np.ndarray) -> tuple[float, float, float, float]:
    """Accuracy at the level of clusters, its interval, and that of a guess at random."""
    cluster = task.cluster_of[task.labels]
    kept = cluster >= 0
    if not kept.any():
        return NAN, NAN, NAN, NAN
    right = (task.cluster_of[predicted] == cluster).astype(np.float64)
    sizes = np.bincount(task.cluster_of[task.cluster_of >= 0])
    chance = float(sizes[cluster[kept]].mean() / len(task.emotions))
    return float(right[kept].mean()), *task.bootstrap.interval(right, kept), chance
