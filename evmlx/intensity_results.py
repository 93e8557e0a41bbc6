"""What `intensity_results.json` holds. Knows nothing about how it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class GradedTemplate:
    """One template, its control text, and how their scores follow the numbers.

    Attributes
    ----------
    id, target, direction : str
        As the corpus has them; `direction` is "up" or "down".
    values : tuple of float, length V
        The numbers put in.
    scores, control_scores : tuple of float, length V
        Centred cosine of the text, and of its control, with the target's denoised vector.
    rho, control_rho, difference : float
        Spearman correlation of scores and numbers, its sign turned where `direction` is "down";
        the same for the control; the former minus the latter.
    p : float
        Share of random directions, the vector included, whose difference is as large; one-sided
        and not corrected for the number of templates.
    reason : str or None
        Why a figure cannot be had.
    """

    id: str
    target: str
    direction: str
    values: tuple[float, ...]
    scores: tuple[float, ...]
    control_scores: tuple[float, ...]
    rho: float
    control_rho: float
    difference: float
    p: float
    reason: str | None


@dataclass(frozen=True)
class LayerIntensity:
    """Graded intensity at one layer.

    Attributes
    ----------
    templates : tuple of GradedTemplate
        In the order of the corpus.
    mean_rho, mean_control_rho, mean_difference : float
        Means over the templates that have a difference.
    rho_low, rho_high : float
        95% interval of the mean rho, Student's over templates.
    low, high : float
        95% interval of the mean difference, Student's over templates.
    p : float
        Share of random draws, the vectors included, whose mean difference is as large.
    null_mean : float
        Mean of the draws' mean differences.
    draws, n : int
        Random draws; templates that count.
    reason : str or None
        Why a figure cannot be had.
    """

    templates: tuple[GradedTemplate, ...]
    mean_rho: float
    mean_control_rho: float
    mean_difference: float
    low: float
    high: float
    p: float
    null_mean: float
    draws: int
    n: int
    reason: str | None
    rho_low: float = float("nan")
    rho_high: float = float("nan")


@dataclass(frozen=True)
class Intensity:
    """What `intensity_results.json` holds, less the names of the run."""

    primary_layer: int
    layers: Mapping[str, LayerIntensity]
    reason: str | None
