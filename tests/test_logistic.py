"""The probe's solver, against scikit-learn and differences of the loss."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import evmlx.logistic
from evmlx.folds import out_of_fold, scores_out_of_fold, standardised_logistic
from evmlx.logistic import fit_logistic


def loss(model_weights: np.ndarray, rows: np.ndarray, labels: np.ndarray, penalty: float) -> float:
    """Mean objective; the last row of the weights is the intercepts."""
    scores = rows @ model_weights[:-1] + model_weights[-1]
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels]
    return float((losses.sum() + penalty * (model_weights[:-1] ** 2).sum() / 2) / len(labels))


def uneven(rng: np.random.Generator, count: int, width: int, classes: int, signal: float) -> Any:
    """Features whose variance falls over rotated directions, and labels."""
    labels = np.tile(np.arange(classes), count // classes)
    spectrum = np.arange(1, width + 1) ** -0.5
    means = signal * rng.normal(size=(classes, width))
    features = (rng.normal(size=(count, width)) + means[labels]) * spectrum
    features = features @ rng.normal(size=(width, width)) + 50
    return features.astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 6])
@pytest.mark.parametrize(("width", "signal"), [(30, 0.5), (400, 0.15)])
def test_predictions_equal_scikit_learns_pipeline(width: int, signal: float, classes: int) -> None:
    features, labels = uneven(np.random.default_rng(width), 180, width, classes, signal)
    fold_of = np.arange(180) // classes % 5
    fit = standardised_logistic(features, labels)
    scores, unconverged = scores_out_of_fold(fold_of, fit, parallel=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-8, max_iter=20_000))
    expected = cross_val_predict(
        pipeline,
        features.astype(float),
        labels,
        cv=PredefinedSplit(fold_of),
        method="predict_log_proba",
    )
    right = (expected.argmax(axis=1) == labels).mean()
    assert 1 / classes < right < 1  # or the comparison says little
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert scores == pytest.approx(expected, abs=1e-2)
    assert unconverged == 0


@pytest.mark.parametrize("classes", [2, 3])
def test_optimum_has_no_slope_in_any_direction(classes: int) -> None:
    features, labels = uneven(np.random.default_rng(0), 60, 8, classes, 0.5)
    features -= features.mean(axis=0)
    model = fit_logistic(features, labels, classes)
    weights = np.vstack([model.coefficients, model.intercepts])
    penalty = 2 if classes == 2 else 1
    slopes = []
    for at in np.ndindex(weights.shape):
        step = np.zeros_like(weights)
        step[at] = 1e-5
        ahead, behind = (loss(weights + s, features, labels, penalty) for s in (step, -step))
        slopes.append((ahead - behind) / 2e-5)
    assert np.abs(slopes).max() < 3e-6
    assert model.gradient == pytest.approx(np.abs(slopes).max(), abs=1e-7)
    assert model.converged


def test_fit_that_stops_short_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(5), 20)
    fit = standardised_logistic(rng.normal(size=(100, 60)).astype(np.float32), labels)
    monkeypatch.setattr(evmlx.logistic, "MOST_ITERATIONS", 3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert out_of_fold(np.arange(100) % 5, fit, parallel=True)[1] == 5
    assert not told  # the count says it, once


def test_float64_takes_over_where_float32_cannot_reach_the_optimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(5), 20)
    features = rng.normal(size=(100, 60)).astype(np.float32)
    precisions: list[np.dtype[Any]] = []
    descend = evmlx.logistic._descend

    def watched(values: np.ndarray, *rest: Any) -> np.ndarray:
        precisions.append(values.dtype)
        return descend(values, *rest)

    monkeypatch.setattr(evmlx.logistic, "_descend", watched)
    monkeypatch.setattr(evmlx.logistic, "GRADIENT_TOLERANCE", 1e-4)
    assert fit_logistic(features, labels, 5).converged
    assert precisions == [np.float32]
    monkeypatch.setattr(evmlx.logistic, "GRADIENT_TOLERANCE", 1e-7)
    assert fit_logistic(features, labels, 5).converged
    assert precisions == [np.float32, np.float32, np.float64]


def test_strong_directions_change_the_way_but_not_the_optimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, labels = uneven(np.random.default_rng(3), 120, 40, 4, 0.3)
    features = (features - features.mean(axis=0)) * np.float32(20)
    calls = 0
    product = evmlx.logistic.log_softmax

    def counted(scores: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return product(scores)

    monkeypatch.setattr(evmlx.logistic, "log_softmax", counted)
    quick, steps = fit_logistic(features, labels, 4), calls
    monkeypatch.setattr(evmlx.logistic, "TYPICAL_CURVATURE", 0.0)
    slow = fit_logistic(features, labels, 4)
    assert steps < (calls - steps) / 2
    scores = [features @ m.coefficients + m.intercepts for m in (quick, slow)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02 * np.abs(scores[1]).max())


def test_constant_columns_are_harmless() -> None:
    features = np.zeros((20, 3), np.float32)
    features[:, 1] = np.tile([1, -1], 10)
    model = fit_logistic(features, np.tile([0, 1], 10), 2)
    assert model.converged
    assert model.coefficients[[0, 2]] == pytest.approx(0, abs=1e-6)
