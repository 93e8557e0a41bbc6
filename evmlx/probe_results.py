"""What the probe found, as `probe_results.json` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Folds:
    """Accuracy of a classifier on stories that it was not trained on.

    Attributes
    ----------
    accuracy : float
        Share of stories classified rightly; NaN where there is none, see `reason`.
    low, high : float
        95% bootstrap interval over topics.
    fold_accuracies : tuple of float
        The same in each fold.
    folds : int
        Number of folds.
    grouping : str
        "topic" where a topic's stories are held out together, "stratified" where they are not.
    n : int
        Stories.
    unconverged : int
        Folds whose fit did not reach its optimum.
    reason : str or None
        Why a figure is missing.
    """

    accuracy: float
    low: float
    high: float
    fold_accuracies: tuple[float, ...]
    folds: int
    grouping: str
    n: int
    unconverged: int
    reason: str | None


@dataclass(frozen=True)
class Gain:
    """Accuracy minus that of a text classifier on the same folds, with its paired interval."""

    gain: float
    low: float
    high: float
    reason: str | None


@dataclass(frozen=True)
class LayerProbe:
    """The probe at one layer; all but `published` are of the topic-grouped folds.

    Attributes
    ----------
    grouped, published : Folds
        Topic-grouped folds, and the stratified ones of emotion-vector-bench.
    gain_over_tfidf : Gain
        Of `grouped`.
    confusion : ndarray of float64, shape (emotions, emotions), or None
        Share of the stories of the row's emotion that were taken for the column's.
    recall : mapping of str to float
        Diagonal of `confusion`.
    recall_interval : mapping of str to (low, high)
        95% bootstrap intervals over topics.
    cluster_accuracy, cluster_low, cluster_high : float
        Share of stories taken for an emotion of the right cluster, of those whose emotion has
        one; NaN in a corpus without clusters.
    cluster_chance : float
        The same for a guess at random among the emotions.
    """

    grouped: Folds
    published: Folds
    gain_over_tfidf: Gain
    confusion: np.ndarray | None
    recall: Mapping[str, float]
    recall_interval: Mapping[str, tuple[float, float]]
    cluster_accuracy: float
    cluster_low: float
    cluster_high: float
    cluster_chance: float


@dataclass(frozen=True)
class Probe:
    """What `probe_results.json` holds, less the names of the run."""

    emotions: tuple[str, ...]
    n_emotions: int
    chance: float
    draws: int
    layers: Mapping[str, LayerProbe]
    text_control: Mapping[str, Folds]
