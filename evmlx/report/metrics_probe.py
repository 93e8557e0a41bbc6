"""Headline figures of `probe_results.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evmlx.report.metric_row import MetricRow, figure, finite, whole
from evmlx.report.run_results import RunResults, get, number

TFIDF = "TF-IDF, same folds"


def probe_rows(results: RunResults, layer: int) -> list[MetricRow]:
    """Accuracies of the probe beside those of the text alone; gains; selectivity."""
    probe, found = results.stages["probe"], results.layer("probe", layer)
    text = get(probe, "text_control")
    grouped = get(found, "grouped")
    rows = [_accuracy("probe_accuracy", grouped, get(text, "tfidf"), TFIDF, layer)]
    count = rows[0].n
    for metric, key in (("probe_gain", "gain_over_tfidf"), ("probe_style_gain", "gain_over_style")):
        gain = get(found, key)
        if isinstance(gain, Mapping):
            rows.append(_beyond(metric, gain, "gain", "no gain", count, layer))
    within = get(text, "within_scene") or get(text, "within_scene_tfidf")
    domains = get(text, "tfidf_leave_one_domain_out")
    means = get(text, "tfidf_nearest")
    for metric, key, control, name in (
        ("probe_within_scene", "within_scene", within, "TF-IDF less its scene mean"),
        ("probe_leave_one_domain_out", "leave_one_domain_out", domains, TFIDF),
        ("nearest_vector", "nearest", means, "nearest TF-IDF mean, same folds"),
    ):
        folds = get(found, key)
        if isinstance(folds, Mapping):
            rows.append(_accuracy(metric, folds, control, name, layer))
            gain = get(found, f"{key}_gain")
            if metric == "probe_within_scene" and isinstance(gain, Mapping):
                n = whole(get(folds, "n"))
                rows.append(_beyond(f"{metric}_gain", gain, "gain", "no gain", n, layer))
    selectivity = get(found, "selectivity")
    if isinstance(selectivity, Mapping):
        n = whole(get(selectivity, "n"))
        name = "no better than on random labels"
        rows.append(_beyond("probe_selectivity", selectivity, "selectivity", name, n, layer))
    if finite(number(grouped, "macro_auc")) is not None:
        fields = figure(grouped, "macro_auc", "macro_auc_low", "macro_auc_high")
        text_auc = finite(number(get(text, "tfidf"), "macro_auc"))
        rows.append(
            MetricRow(
                "probe_macro_auc",
                **fields,
                n=count,
                control=0.5 if text_auc is None else text_auc,
                control_name="chance" if text_auc is None else TFIDF,
                p=None,
                layer=layer,
            )
        )
    gain = get(found, "gain_over_tfidf")
    if finite(number(gain, "macro_auc")) is not None:
        rows.append(
            MetricRow(
                "probe_macro_auc_gain",
                **figure(gain, "macro_auc", "macro_auc_low", "macro_auc_high"),
                n=count,
                control=0.0,
                control_name="no gain",
                p=None,
                layer=layer,
            )
        )
    return rows


def _accuracy(metric: str, folds: Any, control: Any, name: str, layer: int) -> MetricRow:
    return MetricRow(
        metric,
        **figure(folds, "accuracy"),
        n=whole(get(folds, "n")),
        control=finite(number(control, "accuracy")),
        control_name=name,
        p=None,
        layer=layer,
    )


def _beyond(
    metric: str, found: Any, value: str, name: str, count: int | None, layer: int
) -> MetricRow:
    """Row of a difference, which is held against none."""
    return MetricRow(
        metric,
        **figure(found, value),
        n=count,
        control=0.0,
        control_name=name,
        p=None,
        layer=layer,
    )
