"""Graded intensity: whether a target's score follows a number that makes a text more of it.

Each template is read at several numbers, and so is a control text with the same numbers and none
of the emotion. Nothing is trained here. Knows nothing about how the texts were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata, t

from evmlx.errors import EvmlxError
from evmlx.intensity_results import GradedTemplate, Intensity, LayerIntensity
from evmlx.random_directions import in_span, random_rotations
from evmlx.resampling import permutation_p
from evmlx.store import Activations
from evmlx.text_scores import centred, cosines, directions
from evmlx.vectors import EmotionVectors

if TYPE_CHECKING:
    from evmlx.corpus import Corpus, IntensityTemplate

DRAWS = 1000
SAME = 1e-12
"""Difference of two cosines below which they are equal but for rounding."""


def intensity(
    texts: Activations | None,
    controls: Activations | None,
    vectors: EmotionVectors,
    corpus: Corpus,
    *,
    primary_layer: int,
    seed: int,
    draws: int = DRAWS,
) -> Intensity:
    """Correlate the scores of graded texts with the numbers in them, less their controls'.

    The score of a text is that of the implicit batteries: its pooled residual minus the stories'
    mean, neutral components projected out, cosine with the target's denoised vector. The null
    turns all vectors together, by a random rotation of the space that they span: each becomes a
    random direction of equal norm there, and the angles between them stay (ten independent
    directions would average out what ten related vectors share).

    Parameters
    ----------
    texts, controls : Activations or None
        Kinds "intensity" and "intensity_control": every template of the corpus at every value,
        template by template, with ids ``<template>/<value>``.
    vectors : EmotionVectors
        At the same layers.
    corpus : Corpus
        Has the templates.
    primary_layer : int
        The layer of the headline figures.
    seed : int
        Seed of the random rotations.
    draws : int
        Random rotations.

    Returns
    -------
    Intensity
        Without layers where corpus or run have no graded texts.

    Raises
    ------
    EvmlxError
        If the texts are not those of the corpus.

    References
    ----------
    Sofroniew et al. (2026), "Emotion Concepts and their Function in a Large Language Model",
    Transformer Circuits, for graded templates; controls and null are evmlx's own.
    """
    if not corpus.intensity:
        return Intensity(primary_layer, {}, "the corpus has no intensity templates")
    if texts is None or controls is None:
        why = "the run has no intensity texts: run `evmlx extract` again with this version"
        return Intensity(primary_layer, {}, why)
    _check_ids(texts, corpus.intensity)
    _check_ids(controls, corpus.intensity)
    denoised = directions(vectors)
    layers = {}
    for at in np.argsort(vectors.layers):
        residuals = np.concatenate(
            [kind.pooled[:, kind.layers.index(vectors.layers[at])] for kind in (texts, controls)]
        )
        given = centred(residuals, vectors.story_mean[at], vectors.neutral_basis[at])
        layers[f"layer_{vectors.layers[at]}"] = _layer(
            given, denoised[at], vectors.emotions, corpus.intensity, seed, draws
        )
    return Intensity(primary_layer, layers, None)


def spearman(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Spearman rank correlation, equal values sharing their mean rank.

    Parameters
    ----------
    values : ndarray, shape (V,)
        The numbers.
    scores : ndarray, shape (..., V)
        One series or many.

    Returns
    -------
    ndarray of float64, shape (...)
        NaN where either is the same throughout (scores: but for rounding).
    """
    x, y = rankdata(values), rankdata(scores, axis=-1)
    x, y = x - x.mean(), y - y.mean(axis=-1, keepdims=True)
    squares = (x**2).sum() * (y**2).sum(axis=-1)
    flat = (np.ptp(scores, axis=-1) <= SAME) | (squares <= 0)
    return np.asarray((y @ x) / np.sqrt(np.where(flat, np.nan, squares)))


def _check_ids(given: Activations, templates: Sequence[IntensityTemplate]) -> None:
    wanted = [f"{template.id}/{value:g}" for template in templates for value in template.values]
    if list(given.ids) != wanted:
        raise EvmlxError(
            f"the run has {len(given.ids)} intensity texts, which are not the {len(wanted)} of "
            "the corpus: run `evmlx extract` again"
        )


def _layer(
    given: np.ndarray,
    denoised: np.ndarray,
    emotions: Sequence[str],
    templates: Sequence[IntensityTemplate],
    seed: int,
    draws: int,
) -> LayerIntensity:
    """Figures of one layer; `given`: centred residuals, all texts' rows, then all controls'."""
    scores = cosines(given, denoised)
    texts, axes = in_span(given, denoised)
    turns = random_rotations(axes.shape[1], draws, np.random.default_rng(seed))
    half, begin = len(given) // 2, 0
    graded, null = [], []
    for template in templates:
        rows = np.arange(begin, begin + len(template.values))
        begin += len(rows)
        column = emotions.index(template.target) if template.target in emotions else None
        if column is None or not denoised[column].any():
            graded.append(_without_vector(template))
            continue
        found = _graded(template, scores[rows, column], scores[half + rows, column])
        if not np.isnan(found.difference):
            turned = turns @ axes[column]  # (draws, span)
            drawn = _signed(template, turned @ texts[rows].T)
            drawn -= _signed(template, turned @ texts[half + rows].T)
            null.append(np.nan_to_num(drawn))
            found = replace(found, p=permutation_p(found.difference, null[-1]))
        graded.append(found)
    return _summed(graded, np.array(null).reshape(-1, draws), draws)


def _signed(template: IntensityTemplate, scores: np.ndarray) -> np.ndarray:
    """Spearman correlation of scores (..., V) with the template's numbers, more feeling up."""
    rho = spearman(np.array(template.values), scores)
    return rho if template.direction == "up" else -rho


def _without_vector(template: IntensityTemplate) -> GradedTemplate:
    nothing = np.full(len(template.values), np.nan)
    found = _graded(template, nothing, nothing)
    return replace(found, reason=f"the vector of {template.target} is zero or missing here")


def _graded(
    template: IntensityTemplate, scores: np.ndarray, control_scores: np.ndarray
) -> GradedTemplate:
    """Correlations of one template, without its p."""
    rho = float(_signed(template, scores))
    control_rho = float(_signed(template, control_scores))
    reason = None
    if np.isnan(rho + control_rho):
        what = "text" if np.isnan(rho) else "control text"
        reason = f"the {what} has one score, whatever the number"
    return GradedTemplate(
        id=template.id,
        target=template.target,
        direction=template.direction,
        values=template.values,
        scores=tuple(float(score) for score in scores),
        control_scores=tuple(float(score) for score in control_scores),
        rho=rho,
        control_rho=control_rho,
        difference=rho - control_rho,
        p=float("nan"),
        reason=reason,
    )


def _summed(graded: Sequence[GradedTemplate], null: np.ndarray, draws: int) -> LayerIntensity:
    """Means over the templates that have a difference; `null`: their draws (n, draws)."""
    counted = [one for one in graded if not np.isnan(one.difference)]
    n = len(counted)
    if n == 0:
        why = graded[0].reason if graded else "no template"
        nan = float("nan")
        return LayerIntensity(tuple(graded), nan, nan, nan, nan, nan, nan, nan, draws, 0, why)
    differences = np.array([one.difference for one in counted])
    low, high, reason = _student(differences)
    rhos = np.array([one.rho for one in counted])
    rho_low, rho_high, rho_reason = _student(rhos)
    means = null.mean(axis=0)
    return LayerIntensity(
        templates=tuple(graded),
        mean_rho=float(rhos.mean()),
        mean_control_rho=float(np.mean([one.control_rho for one in counted])),
        mean_difference=float(differences.mean()),
        low=low,
        high=high,
        p=permutation_p(float(differences.mean()), means),
        null_mean=float(means.mean()),
        draws=draws,
        n=n,
        reason=reason or rho_reason,
        rho_low=float(np.clip(rho_low, -1, 1)),  # nan stays nan
        rho_high=float(np.clip(rho_high, -1, 1)),
    )


def _student(differences: np.ndarray) -> tuple[float, float, str | None]:
    """Student's 95% interval of a mean, within -2 and 2, and why there is none.

    With ten templates, bootstrap intervals (percentile, BCa) hold the mean in about 90% of data
    sets; Student's does in 93 to 96% unless a rare template goes quite another way.
    """
    n = len(differences)
    if n < 2 or np.ptp(differences) <= SAME:
        why = "one template alone has" if n < 2 else "all templates agree: there is"
        return float("nan"), float("nan"), f"{why} no spread to take an interval from"
    mean = float(differences.mean())
    half = float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n))
    return max(-2.0, mean - half), min(2.0, mean + half), None
