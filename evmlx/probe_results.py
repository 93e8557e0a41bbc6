"""What the probe found, as `probe_results.json` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evmlx.selectivity import Selectivity

NAN = float("nan")


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
        What is held out together: "topic" or "domain"; "stratified" where topics are on both
        sides.
    n : int
        Stories.
    unconverged : int
        Folds whose fit did not reach its optimum.
    reason : str or None
        Why a figure is missing.
    fold_names : tuple of str
        Domain held out in each fold; empty for other groupings.
    macro_auc : float
        Mean over emotions of the area under the ROC curve of the scores, the emotion against
        the rest, over pairs of stories of one fold; chance is 0.5.
    macro_auc_low, macro_auc_high : float
        95% bootstrap interval over topics.
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
    fold_names: tuple[str, ...] = ()
    macro_auc: float = NAN
    macro_auc_low: float = NAN
    macro_auc_high: float = NAN


@dataclass(frozen=True)
class Gain:
    """What a classifier reaches beyond a text classifier on the same folds.

    Intervals are bootstraps over topics in which both classifiers have the same draws.

    Attributes
    ----------
    gain, low, high : float
        Accuracy less that of the text, with its 95% interval.
    reason : str or None
        Why a figure is missing.
    macro_auc, macro_auc_low, macro_auc_high : float
        Macro AUC less that of the text, with its 95% interval.
    """

    gain: float
    low: float
    high: float
    reason: str | None
    macro_auc: float = NAN
    macro_auc_low: float = NAN
    macro_auc_high: float = NAN


@dataclass(frozen=True)
class LayerProbe:
    """The probe at one layer.

    Attributes
    ----------
    grouped, published : Folds
        Topic-grouped folds, and the stratified ones of emotion-vector-bench.
    leave_one_domain_out : Folds
        One domain of topics held out after another.
    within_scene : Folds
        Topic-grouped folds, residuals less the mean over the tellings of their scene.
    nearest : Folds
        Topic-grouped folds, the emotion whose vector is nearest instead of a trained probe.
    nearest_gain : Gain
        Of `nearest` over the nearest mean of TF-IDF.
    selectivity : Selectivity
        Against random labels; at the primary layer.
    gain_over_tfidf, gain_over_style : Gain
        Of `grouped`.
    leave_one_domain_out_gain, within_scene_gain : Gain
        Over TF-IDF on the same folds, centred within scenes likewise.
    confusion : ndarray of float64, shape (emotions, emotions), or None
        Share of the stories of the row's emotion that were taken for the column's; this and all
        that follows is of `grouped`.
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
    leave_one_domain_out: Folds
    within_scene: Folds
    nearest: Folds
    nearest_gain: Gain
    selectivity: Selectivity
    gain_over_tfidf: Gain
    gain_over_style: Gain
    leave_one_domain_out_gain: Gain
    within_scene_gain: Gain
    confusion: np.ndarray | None
    recall: Mapping[str, float]
    recall_interval: Mapping[str, tuple[float, float]]
    cluster_accuracy: float
    cluster_low: float
    cluster_high: float
    cluster_chance: float


@dataclass(frozen=True)
class Probe:
    """What `probe_results.json` holds, less the names of the run.

    Attributes
    ----------
    emotions : tuple of str
        In the order of the confusion matrices.
    n_emotions : int
    chance : float
        1 / n_emotions.
    draws : int
        Bootstrap draws of every interval.
    layers : mapping of str to LayerProbe
        "layer_<l>", ascending.
    text_control : mapping of str to Folds
        Classifiers that see the text alone, on the folds of the probe they are held against:
        "tfidf" and "style" (topic), "tfidf_nearest" (topic; the nearest mean of an emotion's
        stories in place of a trained classifier), "tfidf_leave_one_domain_out", and
        "within_scene" (TF-IDF).
    """

    emotions: tuple[str, ...]
    n_emotions: int
    chance: float
    draws: int
    layers: Mapping[str, LayerProbe]
    text_control: Mapping[str, Folds]
