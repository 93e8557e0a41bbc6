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
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

GRADIENT_TOLERANCE = 1e-6
"""Largest entry of the mean loss' gradient at which a fit counts as converged.

scikit-learn's default of 1e-4 stops far short where there are more features than stories: on a
width of 4,096 it changed one prediction in six.
"""

MOST_ITERATIONS = 5000
MOST_WORKERS = 8  # each holds two copies of a fold's features

Fit = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, bool]]
"""(training rows, test rows) -> (predicted classes of the test rows, whether the fit converged)."""


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


def missing_in_training(labels: np.ndarray, fold_of: np.ndarray) -> tuple[int, int] | None:
    """Find a class that is to be predicted in a fold without being in its training stories.

    Returns
    -------
    (fold, class) or None
    """
    for fold in np.unique(fold_of):
        held_out = fold_of == fold
        untrained = np.setdiff1d(labels[held_out], labels[~held_out])
        if untrained.size:
            return int(fold), int(untrained[0])
    return None


def out_of_fold(fold_of: np.ndarray, fit: Fit, *, parallel: bool) -> tuple[np.ndarray, int]:
    """Predict every story by a classifier that was not trained on its fold.

    Parameters
    ----------
    fold_of : ndarray of int, shape (N,)
        Fold in which each story is held out.
    fit : callable
        Trains on some rows and predicts others.
    parallel : bool
        Run folds side by side. Each then has one BLAS thread: the products of a fit are too
        narrow to share out, and threads that wait for each other cost more than they do.

    Returns
    -------
    predicted : ndarray of int, shape (N,)
    unconverged : int
        Folds whose fit did not reach its optimum.
    """
    folds = np.unique(fold_of)
    workers = min(len(folds), os.cpu_count() or 1, MOST_WORKERS) if parallel else 1
    predicted = np.empty(len(fold_of), np.int64)
    unconverged = 0

    def one(fold: int) -> tuple[np.ndarray, bool]:
        return fit(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))

    # scikit-learn's warning does not say which fold; `fit` looks at the gradient itself
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        with ThreadPoolExecutor(workers) as pool:
            for fold, (classes, converged) in zip(folds, pool.map(one, folds), strict=True):
                predicted[fold_of == fold] = classes
                unconverged += not converged
    return predicted, unconverged


def standardised_logistic(features: np.ndarray, labels: np.ndarray) -> Fit:
    """Multinomial logistic regression on features standardised by the training rows.

    Minimises sum of losses + ||W||^2 / 2 (C = 1), intercepts not penalised. Fits in float32; where
    rounding keeps that from the optimum, goes on in float64.

    Parameters
    ----------
    features : ndarray of float32, shape (N, hidden)
        May be a view; the rows of a fold are copied.
    labels : ndarray of int, shape (N,)
        Class of each row.

    Returns
    -------
    callable
        For `out_of_fold`.
    """

    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        """Train on some rows, predict others."""
        scaler = StandardScaler(copy=False)
        known = scaler.fit_transform(features[training])
        y = labels[training]
        model = LogisticRegression(
            C=1.0, tol=GRADIENT_TOLERANCE, max_iter=MOST_ITERATIONS, warm_start=True
        )
        for dtype in (np.float32, np.float64):
            rows = known.astype(dtype, copy=False)
            model.fit(rows, y)  # the second time from where the first one ended
            converged = largest_gradient(model, rows, y) <= 2 * GRADIENT_TOLERANCE
            if converged:
                break
        return np.asarray(model.predict(scaler.transform(features[test]))), converged

    return fit


def largest_gradient(model: LogisticRegression, rows: np.ndarray, y: np.ndarray) -> float:
    """Largest entry, without sign, of the gradient that a fit brings to 0.

    The gradient is that of the mean over rows of the loss and the penalty, with respect to the
    coefficients: (X'(P - Y) + W / C) / N, with P the probabilities and Y the classes.
    """
    error = model.predict_proba(rows) - (y[:, None] == model.classes_)
    if len(model.classes_) == 2:  # one row of coefficients, for the second class
        error = error[:, 1:]
    gradient = (error.T @ rows + model.coef_ / model.C) / len(rows)
    return float(np.abs(gradient).max())
