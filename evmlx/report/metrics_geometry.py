"""Headline figures of `validation_results.json` and `arousal_results.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from evmlx import norm_correlation
from evmlx.report.metric_row import MetricRow, difference_row, figure, finite, whole
from evmlx.report.run_results import RunResults, get, number, reason

NORMS = ("valence", "arousal", "dominance")
WORDS_COHESION = ("text_cosine", "bootstrap", "corrected", "estimate")


def geometry_rows(results: RunResults, layer: int) -> list[MetricRow]:
    """Cohesion, reliability, and likeness of the cosines to those of the words."""
    found = results.layer("geometry", layer)
    rows = _cohesion(get(found, "cosine"), layer)
    words = number(results.stages["geometry"], *WORDS_COHESION)
    if len(rows) > 1 and math.isfinite(words):
        rows[1] = replace(rows[1], control=words, control_name="TF-IDF means of the stories")
    gain = get(found, "cohesion_gain")
    if math.isfinite(number(gain, "difference")):
        count = rows[0].n
        rows.append(difference_row("cluster_cohesion_gain", gain, "difference", count, layer))
    reliability = get(found, "reliability")
    if isinstance(reliability, Mapping):
        rows.append(_reliability(reliability, rows[0].n, layer))
    for metric, key in (("rsa_text", "text"), ("rsa_embedding", "embedding")):
        rsa = get(found, "rsa", key)
        if isinstance(rsa, Mapping):
            rows.append(
                MetricRow(
                    metric,
                    **figure(rsa, "r"),
                    n=whole(get(rsa, "n_pairs")),
                    control=0.0,
                    control_name="emotions permuted",
                    p=finite(number(rsa, "p")),
                    layer=layer,
                    draws=whole(get(rsa, "p_draws")),
                    ceiling=finite(number(rsa, "ceiling")),
                )
            )
    norms = get(found, "rsa", "norms")
    if isinstance(norms, Mapping):
        rows.append(
            MetricRow(
                "rsa_norms_partial",
                **figure(norms, "partial_r", "partial_low", "partial_high"),
                n=_pairs(whole(get(norms, "n"))),
                control=0.0,
                control_name="emotions permuted",
                p=finite(number(norms, "partial_p")),
                layer=layer,
                draws=whole(get(norms, "p_draws")),
            )
        )
    return rows


def _pairs(emotions: int | None) -> int | None:
    return None if emotions is None else emotions * (emotions - 1) // 2


def _cohesion(cosine: Any, layer: int) -> list[MetricRow]:
    fields = figure(cosine, "diff")
    bounds = get(cosine, "bootstrap")
    null = get(cosine, "permutation")
    plain = MetricRow(
        "cluster_cohesion",
        value=fields["value"],
        low=finite(number(bounds, "low")),
        high=finite(number(bounds, "high")),
        n=len(get(cosine, "emotions") or ()) or None,
        control=finite(number(null, "null_mean")),
        control_name="clusters permuted",
        p=finite(number(null, "p")),
        layer=layer,
        draws=whole(get(null, "draws")),
        reason=fields["reason"],
    )
    corrected = get(bounds, "corrected")
    if not isinstance(corrected, Mapping):
        return [plain]
    fields = figure(corrected, "estimate")
    why = fields["reason"] and (plain.reason or fields["reason"])
    name = "cluster_cohesion_corrected"
    return [
        plain,
        replace(plain, metric=name, **{**fields, "reason": why}, p=None, draws=None),
    ]


def _reliability(found: Mapping[str, Any], count: int | None, layer: int) -> MetricRow:
    """Spearman-Brown of the halves' correlation; its range is that of the splits."""
    return MetricRow(
        "reliability",
        value=finite(number(found, "spearman_brown")),
        low=finite(stepped_up(number(found, "low"))),
        high=finite(stepped_up(number(found, "high"))),
        n=count,
        control=0.0,
        control_name="unrelated halves",
        p=None,
        layer=layer,
        reason=figure(found, "spearman_brown")["reason"],
    )


def stepped_up(r: float) -> float:
    """Spearman and Brown's reliability of the whole from the correlation of its halves."""
    return 2 * r / (1 + r) if r > -1 else math.nan


def circumplex_rows(results: RunResults, layer: int) -> list[MetricRow]:
    """Norm axes, the Procrustes fit, and the first two components beside human norms."""
    found = results.layer("circumplex", layer)
    words = get(results.stages["circumplex"], "text_control")
    rows = []
    for norm in NORMS:
        axis = get(found, "norm_axis", norm)
        if isinstance(axis, Mapping):
            row = _permuted(f"norm_axis_{norm}_r", axis, "r", "ratings permuted", layer)
            rows.append(
                _beside_words(_over_emotions(row, axis), get(words, "norm_axis", norm), "r")
            )
    fit = get(found, "procrustes")
    if isinstance(fit, Mapping):
        row = _permuted("procrustes_r2", fit, "r2", "ratings permuted", layer)
        rows.append(_beside_words(row, get(words, "procrustes"), "r2"))
    return rows + _components(results, layer)


def _beside_words(row: MetricRow, found: Any, value: str) -> MetricRow:
    return replace(row, words=finite(number(found, value)), words_p=finite(number(found, "p")))


def _over_emotions(row: MetricRow, axis: Mapping[str, Any]) -> MetricRow:
    """Take the interval over emotions, of which there are few; topics alone make it too narrow."""
    low, high = number(axis, "low_emotions"), number(axis, "high_emotions")
    if not (math.isfinite(low) and math.isfinite(high)):
        return row
    return replace(row, low=low, high=high, basis="interval over emotions")


def _permuted(metric: str, found: Any, value: str, name: str, layer: int) -> MetricRow:
    """Row of a figure that is held against the mean of its own null, which is not zero."""
    return MetricRow(
        metric,
        **figure(found, value),
        n=whole(get(found, "n")),
        control=finite(number(found, "null_mean")),
        control_name=name,
        p=finite(number(found, "p")),
        layer=layer,
        draws=whole(get(found, "draws")),
    )


def _components(results: RunResults, layer: int) -> list[MetricRow]:
    stage, found = results.stages["circumplex"], results.layer("circumplex", layer)
    by_pc = {c["pc"]: c for c in get(found, "components") or ()}
    rows = []
    for pc in (1, 2):
        for norm in ("valence", "arousal"):
            rated = sum(math.isfinite(number(v)) for v in get(stage, "norms", norm) or ())
            r = number(by_pc.get(pc), f"{norm}_r")
            low, high = fisher_interval(r, rated)
            why = reason(found) or reason(stage) or f"PC{pc} has no correlation with {norm}"
            rows.append(
                MetricRow(
                    f"pc{pc}_{norm}_r",
                    value=finite(r),
                    low=finite(low),
                    high=finite(high),
                    n=rated or None,
                    control=0.0,
                    control_name="ratings permuted",
                    p=finite(corrected_p(by_pc.get(pc), norm)),
                    layer=layer,
                    draws=whole(get(stage, "permutations")),
                    reason=None if math.isfinite(r) else why,
                )
            )
    return rows


def corrected_p(component: Mapping[str, Any] | None, norm: str) -> float:
    """P of a component's correlation, corrected over the components where the run has that."""
    corrected = number(component, f"{norm}_p_max")
    return corrected if math.isfinite(corrected) else number(component, f"{norm}_p")


def fisher_interval(r: float, n: int) -> tuple[float, float]:
    """95% interval of a Pearson correlation by Fisher's z.

    Parameters
    ----------
    r : float
        Correlation.
    n : int
        Pairs; the interval is nan for fewer than four.

    Returns
    -------
    tuple of float

    References
    ----------
    Fisher (1921), "On the 'probable error' of a coefficient of correlation", Metron 1: atanh r
    is near normal with standard error 1 / sqrt(n - 3).
    """
    if n < 4 or not abs(r) < 1:
        return math.nan, math.nan
    low, high = norm_correlation.fisher_interval(np.array([r]), n)
    return float(low[0]), float(high[0])
