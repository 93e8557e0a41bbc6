"""Section of the report on reading the emotion off a story, and what the text alone gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evmlx.report.format import ABSENT, interval, percent, picture, plain, signed, table
from evmlx.report.run_results import RunResults, get, number, reason


def probe_section(results: RunResults, plots: set[str]) -> list[str]:
    """Probe accuracies beside the text controls, and the confusions."""
    if "probe" not in results.stages:
        return []
    probe, found = results.stages["probe"], results.layer("probe", results.primary)
    lines = ["## Reading the emotion off a story", "", *_classifiers(probe, found)]
    if "confusion.png" in plots:
        lines += picture(
            "confusion.png",
            "Which emotion the probe answers for which",
            "Each row is one emotion's held-out stories and adds up to 100%. The diagonal is "
            "what the probe gets right; lines part the clusters, so that mistakes inside the "
            "blocks on the diagonal are between neighbours.",
        )
    share = number(found, "cluster_accuracy")
    if math.isfinite(share):
        low, high = (percent(number(found, f"cluster_{end}")) for end in ("low", "high"))
        lines.append(
            f"The answer lies in the right cluster for {percent(share)} [{low}, {high}] of "
            f"stories (guessing: {percent(number(found, 'cluster_chance'))})."
        )
    recall = {e: number(r) for e, r in (get(found, "recall") or {}).items()}
    ranked = sorted((e for e in recall if math.isfinite(recall[e])), key=lambda e: recall[e])
    if len(ranked) > 5:
        worst, best = (
            ", ".join(f"{e} {percent(recall[e])}" for e in some)
            for some in (ranked[:3], ranked[::-1][:3])
        )
        lines.append(f"Recalled least: {worst}; most: {best}.")
    return lines


def _classifiers(probe: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Table of classifiers, each beside its control on the same folds."""
    text = get(probe, "text_control")
    within = get(text, "within_scene") or get(text, "within_scene_tfidf")
    rows = [
        ("**residuals, unseen topics**", get(found, "grouped")),
        ("TF-IDF of the words, same folds", get(text, "tfidf")),
        ("style alone, same folds", get(text, "style")),
        ("**nearest vector**", get(found, "nearest")),
        ("nearest TF-IDF mean", get(text, "tfidf_nearest")),
        ("**residuals, unseen domains**", get(found, "leave_one_domain_out")),
        ("TF-IDF, unseen domains", get(text, "tfidf_leave_one_domain_out")),
        ("**residuals within scenes**", get(found, "within_scene")),
        ("TF-IDF within scenes", within),
    ]
    body = [[label, *_folds(folds)] for label, folds in rows if folds is not None]
    for label, key in (
        ("gain over TF-IDF", "gain_over_tfidf"),
        ("gain over style", "gain_over_style"),
        ("gain over TF-IDF, unseen domains", "leave_one_domain_out_gain"),
        ("gain over TF-IDF within scenes", "within_scene_gain"),
        ("gain of the nearest vector over TF-IDF means", "nearest_gain"),
    ):
        gain = get(found, key)
        if math.isfinite(number(gain, "gain")):
            bounds = interval(number(gain, "low"), number(gain, "high"), 3)
            body.append([label, signed(number(gain, "gain"), 3), bounds, ""])
    lines = [
        *table(["classifier", "accuracy", "95% interval", "stories"], body),
        "",
        f"Chance is {plain(number(probe, 'chance'))}. Stories of a topic are never in training "
        "and test at once. What TF-IDF reaches, the words give away without any model: only the "
        "gain over it is the model's. Gains are paired over topics. "
        "Style is function words, punctuation and lengths. Nearest: the emotion whose vector, or "
        "whose mean of word counts, has the largest cosine with the story; nothing is trained.",
    ]
    if get(found, "within_scene") is not None:
        lines[-1] += (
            " Within scenes, what the tellings of one event share (topic, place, person) has been "
            "taken out. That takes the scene's other tellings, also those tested, and leaves only "
            "the question which of them this is: an easier task, whose figures cannot be compared "
            "with the plain ones."
        )
    return [*lines, *_selectivity(get(found, "selectivity")), ""]


def _selectivity(found: Any) -> list[str]:
    if not isinstance(found, Mapping):
        return []
    value = number(found, "selectivity")
    if not math.isfinite(value):
        return ["", f"Selectivity not computed: {reason(found) or 'no figure'}."]
    bounds = interval(number(found, "low"), number(found, "high"), 3)
    return [
        "",
        f"Selectivity {signed(value, 3)} {bounds}: on labels dealt at random to every emotion and "
        f"topic the same probe reaches {plain(number(found, 'control_accuracy'), 3)}, against "
        f"{plain(number(found, 'accuracy'), 3)} on the true ones, in folds that split those "
        "cells. The more it learns of random labels, the less its accuracy says.",
    ]


def _folds(folds: Any) -> list[str]:
    accuracy = number(folds, "accuracy")
    if not math.isfinite(accuracy):
        return [f"not computed: {reason(folds) or 'no figure'}", "", ""]
    count = number(folds, "n")
    return [
        plain(accuracy, 3),
        interval(number(folds, "low"), number(folds, "high"), 3),
        f"{count:,.0f}" if math.isfinite(count) else ABSENT,
    ]
