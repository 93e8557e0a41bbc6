"""One headline figure with its interval and control, and what the report calls each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from evmlx.report.run_results import number, reason


@dataclass(frozen=True)
class MetricRow:
    """One figure at one layer; None is what could not be computed.

    Attributes
    ----------
    metric : str
        Name, a key of `LABELS`.
    value : float or None
        The figure.
    low, high : float or None
        Ends of its 95% interval.
    n : int or None
        What it rests on; `LABELS` says what is counted.
    control : float or None
        What it is to be held against, in the same units.
    control_name : str or None
        What the control is.
    p : float or None
        Of the figure against its control. Of a component's correlation: corrected over the
        components.
    layer : int
        Sampled layer.
    draws : int or None
        Permutations behind p.
    reason : str or None
        Why `value` is None.
    ceiling : float or None
        The highest value that the noise of the vectors allows, where that is known.
    basis : str or None
        Which of several ways of scoring the figure was taken from, where there are several.
    p_chance : float or None
        Of an implicit battery: that of the mean rank against guessing, targets permuted. Where
        words are the control, it says nothing about them.
    words, words_p : float or None
        What word counts give by the same estimator, where the control is another, and their p.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    control: float | None
    control_name: str | None
    p: float | None
    layer: int
    draws: int | None = None
    reason: str | None = None
    ceiling: float | None = None
    basis: str | None = None
    p_chance: float | None = None
    words: float | None = None
    words_p: float | None = None


HEADLINES = (  # shown first, the others after them
    "probe_accuracy",
    "probe_gain",
    "probe_within_scene",
    "probe_within_scene_gain",
    "nearest_vector",
    "cluster_cohesion",
    "cluster_cohesion_gain",
    "rsa_text",
    "norm_axis_valence_r",
    "norm_axis_arousal_r",
    "implicit_situation_top1",
    "implicit_situation_gain",
    "implicit_message_top1",
    "implicit_message_gain",
    "intensity_difference",
)
LABELS = {  # metric: (what the report calls it, decimals, what n counts)
    "probe_accuracy": ("Probe accuracy, unseen topics", 3, "stories"),
    "probe_gain": ("Probe's gain over TF-IDF", 3, "stories"),
    "probe_style_gain": ("Probe's gain over style alone", 3, "stories"),
    "probe_within_scene": ("Probe accuracy within scenes", 3, "stories"),
    "probe_within_scene_gain": ("Probe's gain over TF-IDF within scenes", 3, "stories"),
    "probe_leave_one_domain_out": ("Probe accuracy, unseen domains", 3, "stories"),
    "nearest_vector": ("Nearest vector, unseen topics", 3, "stories"),
    "probe_selectivity": ("Selectivity of the probe", 3, "stories"),
    "probe_macro_auc": ("Probe, macro AUC", 3, "stories"),
    "probe_macro_auc_gain": ("Probe, macro AUC beyond TF-IDF's", 3, "stories"),
    "cluster_cohesion": ("Cohesion of clusters (cosine)", 3, "emotions"),
    "cluster_cohesion_corrected": ("Cohesion without the vectors' noise", 3, "emotions"),
    "cluster_cohesion_gain": ("Cohesion beyond TF-IDF's, noise taken out", 3, "emotions"),
    "reliability": ("Reliability of the cosines", 2, "emotions"),
    "rsa_text": ("Likeness of the cosines to TF-IDF's, RSA", 2, "pairs"),
    "rsa_embedding": ("Likeness of the cosines to token embeddings', RSA", 2, "pairs"),
    "rsa_norms_partial": ("Likeness to human ratings, TF-IDF taken out, RSA", 2, "pairs"),
    "norm_axis_valence_r": ("Valence read off the vectors, r", 2, "emotions"),
    "norm_axis_arousal_r": ("Arousal read off the vectors, r", 2, "emotions"),
    "norm_axis_dominance_r": ("Dominance read off the vectors, r", 2, "emotions"),
    "procrustes_r2": ("PC1 and PC2 fitted to human ratings, R²", 2, "emotions"),
    "pc1_valence_r": ("PC1 with human valence, r", 2, "emotions"),
    "pc1_arousal_r": ("PC1 with human arousal, r", 2, "emotions"),
    "pc2_valence_r": ("PC2 with human valence, r", 2, "emotions"),
    "pc2_arousal_r": ("PC2 with human arousal, r", 2, "emotions"),
    "implicit_situation_top1": ("Situations, right emotion first", 2, "texts"),
    "implicit_situation_gain": ("Situations, gain over words alone", 2, "texts"),
    "implicit_situation_z_top1": ("Situations, z-scored, right emotion first", 2, "texts"),
    "implicit_situation_macro_auc": ("Situations, macro AUC", 2, "texts"),
    "implicit_message_top1": ("Messages, right emotion first", 2, "texts"),
    "implicit_message_gain": ("Messages, gain over words alone", 2, "texts"),
    "implicit_message_z_top1": ("Messages, z-scored, right emotion first", 2, "texts"),
    "implicit_message_macro_auc": ("Messages, macro AUC", 2, "texts"),
    "implicit_message_last_top1": ("Messages, last token, right emotion first", 2, "texts"),
    "implicit_message_last_gain": ("Messages, last token, gain over words alone", 2, "texts"),
    "implicit_message_last_z_top1": ("Messages, last token, z-scored", 2, "texts"),
    "implicit_message_last_macro_auc": ("Messages, last token, macro AUC", 2, "texts"),
    "intensity_rho": ("Graded intensity, rho", 2, "templates"),
    "intensity_difference": ("Graded intensity, rho beyond the control's", 2, "templates"),
}


def finite(value: float) -> float | None:
    """Return None for nan, which JSON has no word for."""
    return value if math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """Return a count as int, None where it is missing."""
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else None


def figure(found: Any, value: str, low: str = "low", high: str = "high") -> dict[str, Any]:
    """Value, interval and, where there is no value, the reason, as fields of a row."""
    given = finite(number(found, value))
    why = None if given is not None else reason(found) or "the results file has no such figure"
    return {
        "value": given,
        "low": finite(number(found, low)),
        "high": finite(number(found, high)),
        "reason": why,
    }


def difference_row(
    metric: str,
    found: Any,
    value: str,
    count: int | None,
    layer: int,
    ends: tuple[str, str] = ("low", "high"),
    *,
    none: str = "no gain",
    p: float | None = None,
) -> MetricRow:
    """Row of a difference, which is held against none."""
    return MetricRow(
        metric,
        **figure(found, value, *ends),
        n=count,
        control=0.0,
        control_name=none,
        p=p,
        layer=layer,
    )
