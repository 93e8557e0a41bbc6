"""Headline figures on new texts: `implicit_emotion_results.json`, `intensity_results.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evmlx.report.metric_row import MetricRow, difference_row, figure, finite, whole
from evmlx.report.run_results import RunResults, get, number, reason

WORDS = "TF-IDF means of the stories"


def headline_score(found: Any) -> tuple[str, Any]:
    """Which way of scoring a battery's headline goes by, and its figures.

    The stage says which (`evmlx.implicit.HEADLINE`); older results, which do not, go by centred
    scores.
    """
    way = str(get(found, "headline") or "centred")
    return way, get(found, way)


def implicit_rows(results: RunResults, layer: int) -> list[MetricRow]:
    """Share of texts whose right emotion comes first, per battery and way of scoring; AUC."""
    rows = []
    for battery in ("situation", "message", "message_last"):
        found = get(results.layer("implicit", layer), battery)
        if found is None:
            continue
        basis, score = headline_score(found)
        words = words_score(results, battery, "centred")
        rows.append(_first(f"implicit_{battery}_top1", found, score, basis, layer, words))
        rows += _gain(battery, found, layer)
        if isinstance(get(found, "z_scored"), Mapping):
            z, by_words = get(found, "z_scored"), words_score(results, battery, "z_scored")
            name = f"implicit_{battery}_z_top1"
            rows.append(_first(name, found, z, "z_scored", layer, by_words))
        if "macro_auc" in (score or {}):
            auc = number(words, "macro_auc")
            rows.append(
                MetricRow(
                    f"implicit_{battery}_macro_auc",
                    **figure(score, "macro_auc", "macro_auc_low", "macro_auc_high"),
                    n=whole(get(found, "n")),
                    control=auc if math.isfinite(auc) else 0.5,
                    control_name=WORDS if math.isfinite(auc) else "chance",
                    p=None,
                    layer=layer,
                    basis=basis,
                )
            )
    return rows


def words_score(results: RunResults, battery: str, way: str) -> Any:
    """What the words of the stories make of a battery's texts; None in older results.

    The last token of a prompt is held against the words of the same messages.
    """
    control = get(results.stages["implicit"], "text_control", battery.removesuffix("_last"))
    return get(control, way)


def _gain(battery: str, found: Any, layer: int) -> list[MetricRow]:
    gain = get(found, "gain_over_words")
    if not isinstance(gain, Mapping):
        return []
    count, p = whole(get(gain, "n")), finite(number(gain, "p"))
    return [difference_row(f"implicit_{battery}_gain", gain, "difference", count, layer, p=p)]


def _first(metric: str, found: Any, score: Any, basis: str, layer: int, words: Any) -> MetricRow:
    fields = figure(score, "top1", "top1_low", "top1_high")
    by_words, p_chance = finite(number(words, "top1")), finite(number(score, "p"))
    return MetricRow(
        metric,
        **{**fields, "reason": fields["reason"] and (reason(found) or fields["reason"])},
        n=whole(get(found, "n")),
        control=finite(number(score, "chance_top1")) if by_words is None else by_words,
        control_name="chance" if by_words is None else WORDS,
        p=p_chance if by_words is None else None,
        layer=layer,
        draws=whole(get(score, "draws")),
        basis=basis,
        p_chance=p_chance,
    )


def intensity_rows(results: RunResults, layer: int) -> list[MetricRow]:
    """How much better the target's score follows the number than that of the control text."""
    found = results.layer("intensity", layer)
    if not found:
        return []
    fields = figure(found, "mean_difference")
    why = reason(results.stages["intensity"])
    if fields["reason"] and not reason(found) and why:
        fields["reason"] = why
    rho = MetricRow(
        "intensity_rho",
        **{**figure(found, "mean_rho", "rho_low", "rho_high"), "reason": fields["reason"]},
        n=whole(get(found, "n")),
        control=finite(number(found, "mean_control_rho")),
        control_name="texts without feeling",
        p=None,
        layer=layer,
    )
    return [
        *([rho] if "rho_low" in found else []),
        MetricRow(
            "intensity_difference",
            **fields,
            n=whole(get(found, "n")),
            control=finite(number(found, "null_mean")),
            control_name="random directions",
            p=finite(number(found, "p")),
            layer=layer,
            draws=whole(get(found, "draws")),
        ),
    ]
