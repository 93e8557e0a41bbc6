"""Headline figures of `probe_results.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evmlx.report.metric_row import MetricRow, difference_row, figure, finite, whole
from evmlx.report.run_results import RunResults, get, number

TFIDF = "TF-IDF, same folds"


def probe_rows(results: RunResults, layer: int) -> list[MetricRow]:
    """Accuracies of the probe beside those of the text alone; gains; selectivity."""
    probe, found = results.stages["probe"], results.layer("probe", layer)
    text = get(probe, "text_control")
    grouped = get(found, "grouped")
    rows = [_accuracy("probe_accuracy", grouped, get(text, "tfidf"), TFIDF, layer)]
    count = rows[0].n
    for metric, key, folds in (
        ("probe_gain", "gain_over_tfidf", grouped),
        ("probe_style_gain", "gain_over_style", grouped),
        ("probe_within_scene_gain", "within_scene_gain", get(found, "within_scene")),
    ):
        gain = get(found, key)
        if isinstance(gain, Mapping) and isinstance(folds, Mapping):
            n = whole(get(folds, "n"))
            rows.append(difference_row(metric, gain, "gain", n, layer))
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
    selectivity = get(found, "selectivity")
    if isinstance(selectivity, Mapping):
        n = whole(get(selectivity, "n"))
        name, none = "probe_selectivity", "no better than on random labels"
        rows.append(difference_row(name, selectivity, "selectivity", n, layer, none=none))
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
        ends = ("macro_auc_low", "macro_auc_high")
        row = difference_row("probe_macro_auc_gain", gain, "macro_auc", count, layer, ends)
        rows.append(row)
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
