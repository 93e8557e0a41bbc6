"""Cross-validation: how stories are dealt to folds, and predictions out of fold.

Knows nothing about what the features are: activations and words go through the same folds.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from evmlx.logistic import fit_logistic, log_softmax

MOST_WORKERS = 8  # each holds two copies of a fold's features

Fit = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, bool]]
"""(training rows, test rows) -> (scores of the test rows for each class, whether it converged)."""


def grouped_folds(groups: Sequence[str], folds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal whole groups to folds, so that the folds' sizes are as even as can be.

    Groups are shuffled, then dealt from the largest to the smallest, each to the fold with the
    fewest stories so far (among equals, the one with the fewest groups). The result depends on
    the names and sizes of the groups, not on the order of the stories.

    Parameters
    ----------
    groups : sequence of str, length N
        Group (topic) of each story; at least `folds` different ones.
    folds : int
        Number of folds.
    rng : numpy.random.Generator
        Shuffles the groups.

    Returns
    -------
    ndarray of int, shape (N,)
        Fold in which each story is held out.
    """
    _, group, sizes = np.unique(
        np.asarray(groups, dtype=str), return_inverse=True, return_counts=True
    )
    shuffled = rng.permutation(len(sizes))
    fold_of_group = np.empty(len(sizes), np.int64)
    dealt = np.zeros((folds, 2), np.int64)  # stories, groups
    for g in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold = int(np.lexsort((dealt[:, 1], dealt[:, 0]))[0])
        fold_of_group[g] = fold
        dealt[fold] += (sizes[g], 1)
    return np.asarray(fold_of_group[group])


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal stories to folds so that each emotion is spread evenly; topics are on both sides.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        Class of each story; every class has at least `folds` stories.
    folds : int
        Number of folds.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    ndarray of int, shape (N,)
        Fold in which each story is held out.
    """
    fold_of = np.empty(len(labels), np.int64)
    splits = StratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    for fold, (_, test) in enumerate(splits.split(labels, labels)):
        fold_of[test] = fold
    return fold_of


def cell_splitting_folds(
    cells: np.ndarray, units: Sequence[str], groups: Sequence[str], folds: int, seed: int
) -> np.ndarray:
    """Deal the units of a group to folds, so that every cell has stories in more than one fold.

    Parameters
    ----------
    cells : ndarray of int, shape (N,)
        Cell (emotion and topic) of each story.
    units : sequence of str, length N
        What is held out together within a group: a scene, or a story that stands by itself.
    groups : sequence of str, length N
        What is dealt by itself: the topic of each story, or its cell; a unit lies in one.
    folds : int
        Number of folds.
    seed : int
        Seed of the dealing.

    Returns
    -------
    ndarray of int, shape (N,)
        Fold in which each story is held out; -1 for stories of cells that lie in one fold whole,
        which nothing could be learnt of.
    """
    rng = np.random.default_rng([seed, 2])
    units_of: dict[str, dict[str, int]] = {}
    for group, unit in sorted(set(zip(groups, units, strict=True))):
        units_of.setdefault(group, {})[unit] = 0
    for dealt in units_of.values():
        order = rng.permutation(folds)
        for at, unit in enumerate(rng.permutation(list(dealt))):
            dealt[str(unit)] = int(order[at % folds])
    fold_of = np.array([units_of[g][u] for g, u in zip(groups, units, strict=True)], np.int64)
    for cell in np.unique(cells):
        inside = cells == cell
        if len(np.unique(fold_of[inside])) < 2:
            fold_of[inside] = -1
    return fold_of


def missing_in_training(labels: np.ndarray, fold_of: np.ndarray) -> tuple[int, int] | None:
    """Find a class that is to be predicted in a fold without being in its training stories.

    Stories whose fold is -1 are left out.

    Returns
    -------
    (fold, class) or None
    """
    for fold in np.unique(fold_of[fold_of >= 0]):
        untrained = np.setdiff1d(
            labels[fold_of == fold], labels[(fold_of >= 0) & (fold_of != fold)]
        )
        if untrained.size:
            return int(fold), int(untrained[0])
    return None


def out_of_fold(fold_of: np.ndarray, fit: Fit, *, parallel: bool) -> tuple[np.ndarray, int]:
    """Predict every story by a classifier that was not trained on its fold.

    Takes the class with the highest score; parameters as those of `scores_out_of_fold`.

    Returns
    -------
    predicted : ndarray of int, shape (N,)
    unconverged : int
        Folds whose fit did not reach its optimum.
    """
    scores, unconverged = scores_out_of_fold(fold_of, fit, parallel=parallel)
    return scores.argmax(axis=1), unconverged


def scores_out_of_fold(fold_of: np.ndarray, fit: Fit, *, parallel: bool) -> tuple[np.ndarray, int]:
    """Score every story by a classifier that was not trained on its fold.

    Parameters
    ----------
    fold_of : ndarray of int, shape (N,)
        Fold in which each story is held out; -1 leaves it out.
    fit : callable
        Trains on some rows and scores others.
    parallel : bool
        Run folds side by side. Each then has one BLAS thread: the products of a fit are too
        narrow to share out, and threads that wait for each other cost more than they do.

    Returns
    -------
    scores : ndarray of float64, shape (N, classes)
        NaN for stories that are left out.
    unconverged : int
        Folds whose fit did not reach its optimum.
    """
    folds = np.unique(fold_of[fold_of >= 0])
    workers = min(len(folds), os.cpu_count() or 1, MOST_WORKERS) if parallel else 1

    def one(fold: int) -> tuple[np.ndarray, bool]:
        kept = fold_of >= 0
        return fit(np.flatnonzero(kept & (fold_of != fold)), np.flatnonzero(fold_of == fold))

    # scikit-learn's warning does not say which fold; the count of `unconverged` does it once
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(one, folds))
    scores = np.full((len(fold_of), found[0][0].shape[1]), np.nan)
    for fold, (rows, _) in zip(folds, found, strict=True):
        scores[fold_of == fold] = rows
    return scores, sum(not converged for _, converged in found)


def standardised_logistic(features: np.ndarray, labels: np.ndarray) -> Fit:
    """Multinomial logistic regression on features standardised by the training rows.

    See `evmlx.logistic`: the sum of losses + ||W||^2 / 2 (C = 1), intercepts not penalised.

    Parameters
    ----------
    features : ndarray of float32, shape (N, hidden)
        May be a view; the rows of a fold are copied.
    labels : ndarray of int, shape (N,)
        Class of each row.

    Returns
    -------
    callable
        For `scores_out_of_fold`; its scores are log probabilities.
    """
    count = int(labels.max(initial=-1)) + 1

    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        """Train on some rows, score others."""
        scaler = StandardScaler(copy=False)
        known = scaler.fit_transform(features[training])
        classes, class_of = np.unique(labels[training], return_inverse=True)
        model = fit_logistic(known, class_of, len(classes))
        scores = scaler.transform(features[test]) @ model.coefficients + model.intercepts
        return spread(log_softmax(scores), classes, count), model.converged

    return fit


def spread(scores: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """Give scores of some classes (rows, classes) a column for every class, -inf where unknown."""
    wide = np.full((len(scores), count), -np.inf)
    wide[:, classes] = scores
    return wide
