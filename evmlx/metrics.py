"""The headline figures of a run as rows: value, interval, control and p of each.

`metrics.json` and the tables and sentences of the report are made of these rows alone, so that
they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evmlx.run_results import RunResults, get, number, read_results, reason


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
        Stories, emotions or texts that it rests on.
    control : float or None
        What it is to be held against, in the same units.
    control_name : str or None
        What the control is.
    p : float or None
        Permutation p. Of a component's correlation: corrected over the components. Of an
        implicit battery: that of the mean rank, targets permuted.
    layer : int
        Sampled layer.
    draws : int or None
        Permutations behind p.
    reason : str or None
        Why `value` is None.
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


LABELS = {  # metric: (what the report calls it, decimals, what n counts)
    "probe_accuracy": ("Probe accuracy, unseen topics", 3, "stories"),
    "probe_gain": ("Probe's gain over TF-IDF", 3, "stories"),
    "cluster_cohesion": ("Cohesion of clusters (cosine)", 3, "emotions"),
    "cluster_cohesion_corrected": ("Cohesion without the vectors' noise", 3, "emotions"),
    "pc1_valence_r": ("PC1 with human valence, r", 2, "emotions"),
    "pc1_arousal_r": ("PC1 with human arousal, r", 2, "emotions"),
    "pc2_valence_r": ("PC2 with human valence, r", 2, "emotions"),
    "pc2_arousal_r": ("PC2 with human arousal, r", 2, "emotions"),
    "implicit_situation_top1": ("Situations, right emotion first", 2, "texts"),
    "implicit_message_top1": ("Messages, right emotion first", 2, "texts"),
    "implicit_message_last_top1": ("Messages, last token, right emotion first", 2, "texts"),
}


def metrics(folder: Path) -> list[MetricRow]:
    """Collect the headline figures of every sampled layer.

    Parameters
    ----------
    folder : Path
        Run folder with ``run.json`` and those result files whose stage was run.

    Returns
    -------
    list of MetricRow
        By layer, then in the order of `LABELS`; nothing of stages that were not run.

    Raises
    ------
    EvmlxError
        As `read_results`.
    """
    return metric_rows(read_results(folder))


def metric_rows(results: RunResults) -> list[MetricRow]:
    """Collect the rows of `metrics` from result files already read."""
    rows: list[MetricRow] = []
    for layer in results.layers:
        if "probe" in results.stages:
            rows += _probe(results, layer)
        if "geometry" in results.stages:
            rows += _cohesion(results, layer)
        if "circumplex" in results.stages:
            rows += _norms(results, layer)
        if "implicit" in results.stages:
            rows += _implicit(results, layer)
    return rows


def at_layer(rows: Sequence[MetricRow], layer: int) -> dict[str, MetricRow]:
    """Rows of one layer by metric."""
    return {row.metric: row for row in rows if row.layer == layer}


def finite(value: float) -> float | None:
    """Return None for nan, which JSON has no word for."""
    return value if math.isfinite(value) else None


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
    reach = 1.959963984540054 / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def _probe(results: RunResults, layer: int) -> list[MetricRow]:
    probe, found = results.stages["probe"], results.layer("probe", layer)
    text, model = get(probe, "text_control", "tfidf"), get(found, "grouped")
    accuracy = MetricRow(
        "probe_accuracy",
        **_figure(model, "accuracy", "low", "high"),
        n=_count(get(model, "n")),
        control=finite(number(text, "accuracy")),
        control_name="TF-IDF, same folds",
        p=None,
        layer=layer,
    )
    gain = get(found, "gain_over_tfidf")
    if not isinstance(gain, Mapping):
        return [accuracy]
    return [
        accuracy,
        MetricRow(
            "probe_gain",
            **_figure(gain, "gain", "low", "high"),
            n=accuracy.n,
            control=0.0,
            control_name="no gain",
            p=None,
            layer=layer,
        ),
    ]


def _cohesion(results: RunResults, layer: int) -> list[MetricRow]:
    cosine = get(results.layer("geometry", layer), "cosine")
    figure = _figure(cosine, "diff", "low", "high")
    bounds = get(cosine, "bootstrap")
    null = get(cosine, "permutation")
    plain = MetricRow(
        "cluster_cohesion",
        value=figure["value"],
        low=finite(number(bounds, "low")),
        high=finite(number(bounds, "high")),
        n=len(get(cosine, "emotions") or ()) or None,
        control=finite(number(null, "null_mean")),
        control_name="clusters permuted",
        p=finite(number(null, "p")),
        layer=layer,
        draws=_count(get(null, "draws")),
        reason=figure["reason"],
    )
    corrected = get(bounds, "corrected")
    if not isinstance(corrected, Mapping):
        return [plain]
    fields = _figure(corrected, "estimate", "low", "high")
    why = fields["reason"] and (plain.reason or fields["reason"])
    name = "cluster_cohesion_corrected"
    return [
        plain,
        replace(plain, metric=name, **{**fields, "reason": why}, p=None, draws=None),
    ]


def _norms(results: RunResults, layer: int) -> list[MetricRow]:
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
                    control_name="norms permuted",
                    p=finite(corrected_p(by_pc.get(pc), norm)),
                    layer=layer,
                    draws=_count(get(stage, "permutations")),
                    reason=None if math.isfinite(r) else why,
                )
            )
    return rows


def corrected_p(component: Mapping[str, Any] | None, norm: str) -> float:
    """P of a component's correlation, corrected over the components where the run has that."""
    corrected = number(component, f"{norm}_p_max")
    return corrected if math.isfinite(corrected) else number(component, f"{norm}_p")


def _implicit(results: RunResults, layer: int) -> list[MetricRow]:
    rows = []
    for battery in ("situation", "message", "message_last"):
        found = get(results.layer("implicit", layer), battery)
        if found is None:
            continue
        score = get(found, "centred")
        figure = _figure(score, "top1", "top1_low", "top1_high")
        rows.append(
            MetricRow(
                f"implicit_{battery}_top1",
                value=figure["value"],
                low=figure["low"],
                high=figure["high"],
                n=_count(get(found, "n")),
                control=finite(number(score, "chance_top1")),
                control_name="chance",
                p=finite(number(score, "p")),
                layer=layer,
                draws=_count(get(score, "draws")),
                reason=figure["reason"] and (reason(found) or figure["reason"]),
            )
        )
    return rows


def _figure(found: Any, value: str, low: str, high: str) -> dict[str, Any]:
    """Value, interval and, where there is none, the reason, as fields of a row."""
    figure = finite(number(found, value))
    why = None if figure is not None else reason(found) or "the results file has no such figure"
    return {
        "value": figure,
        "low": finite(number(found, low)),
        "high": finite(number(found, high)),
        "reason": why,
    }


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None
