"""How much of a probe's accuracy is the emotion's, and how much the probe could learn of anything.

Knows nothing about where the features come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def control_labels(
    cells: np.ndarray, labels: np.ndarray, topics: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Deal the emotions of each topic anew to its cells.

    A cell is an emotion in a topic. Its stories keep one label, so that a probe with room for
    it can learn which cell has which; but over topics the label says nothing about the emotion.
    Labels are shuffled within topics, so that a scene told for every emotion has every label
    once, as before: were training folds to have more of one label and test folds less, the
    control would fall below chance and flatter the probe.

    Parameters
    ----------
    cells : ndarray of int, shape (N,)
        Cell of each story; stories of a cell have one label and one topic.
    labels : ndarray of int, shape (N,)
        Emotion of each story.
    topics : ndarray, shape (N,)
        Topic of each story.
    rng : numpy.random.Generator
        Shuffles the cells' labels.

    Returns
    -------
    ndarray of int, shape (N,)

    References
    ----------
    Hewitt and Liang (2019), "Designing and Interpreting Probes with Control Tasks", EMNLP; there
    the random labels belong to word types.
    """
    _, first, cell = np.unique(cells, return_index=True, return_inverse=True)
    dealt = labels[first]
    for topic in np.unique(topics):
        own = np.flatnonzero(topics[first] == topic)
        dealt[own] = rng.permutation(dealt[own])
    return np.asarray(dealt[cell])


@dataclass(frozen=True)
class Selectivity:
    """Accuracy on the emotions minus accuracy on random labels, on the same folds.

    Attributes
    ----------
    accuracy, control_accuracy : float
        Share of stories classified rightly by a probe of the emotions and by one of random
        labels, one for each cell of an emotion and a topic. Folds split the cells.
    selectivity, low, high : float
        Their difference, with its paired 95% bootstrap interval over topics.
    folds, n : int
        Folds and stories.
    unconverged : int
        Fits, of both probes, that did not reach their optimum.
    reason : str or None
        Why a figure is missing.
    """

    accuracy: float
    control_accuracy: float
    selectivity: float
    low: float
    high: float
    folds: int
    n: int
    unconverged: int
    reason: str | None


def no_selectivity(n: int, reason: str) -> Selectivity:
    """Return the figure of a probe that has none, and why."""
    nan = float("nan")
    return Selectivity(nan, nan, nan, nan, nan, 0, n, 0, reason)
