"""Section of the report on human valence, arousal and dominance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evmlx.report.format import (
    ABSENT,
    interval,
    literal,
    p_number,
    percent,
    picture,
    signed,
    table,
)
from evmlx.report.metrics_geometry import NORMS
from evmlx.report.run_results import RunResults, get, number, reason

OVERLAY = (
    "Filled markers: the emotions on the model's first two principal components, turned, "
    "scaled and mirrored as a whole so that they lie as near as they can to the hollow ones, "
    "which are where people rate the words. A line joins the two places of an emotion: short "
    "lines are agreement. Ellipses hold 95% of the places that the emotion takes when the topics "
    "are drawn anew; where two overlap, the two cannot be told apart. The same "
    "marker is the same cluster. Colours are those of the clusters."
)
SIDE_BY_SIDE = (
    "Left, where the model has the emotions: first two principal components of their unit "
    "vectors. Right, where people rate the words. The same marker is the same cluster. The planes "
    "agree where emotions keep their neighbours, and left-right and up-down mean the same in "
    "both; a sign or a rotation alone means nothing. p under the axes is corrected over the "
    "components."
)


def circumplex_section(results: RunResults, plots: set[str]) -> list[str]:
    """Norm axes, the fitted plane, and components against human norms."""
    if "circumplex" not in results.stages:
        return []
    layer = results.layer("circumplex", results.primary)
    source = get(results.stages["circumplex"], "norms", "source")
    lines = ["## Human valence and arousal", ""]
    if source:
        lines += [f"Ratings of the emotion words by people: {literal(source)}.", ""]
    lines += _axes(layer, get(results.stages["circumplex"], "text_control"))
    name = f"circumplex_layer_{results.primary}"
    if f"{name}.png" in plots:
        fitted = bool(get(layer, "procrustes", "model"))
        lines += picture(
            f"{name}.png",
            "Emotions on the model's first two components and in human ratings",
            OVERLAY if fitted else SIDE_BY_SIDE,
        )
    lines += _fit(layer)
    components = layer.get("components") or []
    if not components:
        why = reason(layer) or "the results file has no components"
        return [*lines, f"Correlations not computed: {why}."]
    lines += _components(results, layer, components)
    return [*lines, *_among_negative(components)]


def _axes(layer: Mapping[str, Any], words: Any) -> list[str]:
    """Table of the norm axes, and how to read it."""
    axes = get(layer, "norm_axis")
    if not isinstance(axes, Mapping):
        return []
    body = []
    for norm in NORMS:
        axis = get(axes, norm)
        if not math.isfinite(number(axis, "r")):
            why = reason(axis) or "the results file has no such figure"
            body.append([norm, f"not computed: {why}", "", "", "", "", "", ""])
            continue
        bounds = interval(number(axis, "low"), number(axis, "high"))
        wide = interval(number(axis, "low_emotions"), number(axis, "high_emotions"))
        null = signed(number(axis, "null_mean"))
        rated = number(axis, "n")
        count = f"{rated:.0f}" if math.isfinite(rated) else ABSENT
        p = p_number(number(axis, "p"))
        given = get(words, "norm_axis", norm)
        low = signed(number(given, "null_mean"))
        beside = f"{signed(number(given, 'r'))} ({low}, p = {p_number(number(given, 'p'))})"
        cells = [norm, f"**{signed(number(axis, 'r'))}**", wide, bounds, null, p]
        body.append([*cells, beside if math.isfinite(number(given, "r")) else ABSENT, count])
    head = ["rating", "r", "95%, emotions", "95%, topics", "ratings permuted", "p", "word counts"]
    return [
        *table([*head, "emotions"], body),
        "",
        "A direction is fitted to the human ratings of all emotions but one and predicts the one "
        "left out; r compares predictions with ratings. This is the figure to go by. Leaving one "
        "out pulls the mean the other way, so that permuted ratings give less than zero. The "
        "interval over emotions is for what other emotions would give; that over topics only for "
        "what other stories of these emotions would. p asks whether these emotions' ratings are "
        "read off better than the same ratings dealt at random, each rating for itself, so that "
        "it can be small where the interval over other emotions is wide. Word counts: the same "
        "fit to means of TF-IDF in place of the vectors, with what permuted ratings give them and "
        "p. Where they do as well, the rating can be read off the words.",
        "",
    ]


def _fit(layer: Mapping[str, Any]) -> list[str]:
    fit = get(layer, "procrustes")
    if not isinstance(fit, Mapping):
        return []
    if not math.isfinite(number(fit, "r2")):
        why = reason(fit) or "the results file has no such figure"
        return [f"Fit of the two planes not computed: {why}.", ""]
    return [
        f"The fitted planes share {percent(number(fit, 'r2'))} of their variance "
        f"(p = {p_number(number(fit, 'p'))}). Ratings permuted share "
        f"{percent(number(fit, 'null_mean'))}: with few points, even random planes can be aligned "
        "partly.",
        "",
    ]


def _components(
    results: RunResults, layer: Mapping[str, Any], components: list[Mapping[str, Any]]
) -> list[str]:
    body = []
    for found in components:
        cells = [f"PC{found['pc']}", percent(number(found, "explained_variance"))]
        for norm in NORMS:
            p = number(found, f"{norm}_p")
            corrected = number(found, f"{norm}_p_max")
            both = f"{p_number(p)} ({p_number(corrected)})" if math.isfinite(corrected) else ""
            cells += [signed(number(found, f"{norm}_r")), both or p_number(p)]
        body.append(cells)
    head = ["component", "variance", "valence r", "p", "arousal r", "p", "dominance r", "p"]
    draws = get(results.stages["circumplex"], "permutations")
    by = f" by {draws:,} permutations of the words" if isinstance(draws, int) else ""
    lines = [
        *table(head, body),
        "",
        f"Correlation of each principal component with the ratings. p{by}; in brackets corrected "
        f"for looking at {len(components)} components, which is the one to go by unless the "
        "component was named beforehand.",
    ]
    return [*lines, f"Not computed: {reason(layer)}."] if reason(layer) else lines


def _among_negative(components: list[Mapping[str, Any]]) -> list[str]:
    """Tell the correlations that the pleasant emotions cannot carry."""
    among, corrected = [], False
    for found in components[:2]:
        for norm in ("valence", "arousal"):
            if not math.isfinite(number(found, f"{norm}_negative_r")):
                continue
            over = number(found, f"{norm}_negative_p_max")
            corrected = corrected or math.isfinite(over)
            p = over if math.isfinite(over) else number(found, f"{norm}_negative_p")
            r = signed(number(found, f"{norm}_negative_r"))
            among.append(f"PC{found['pc']} {norm} r = {r} (p = {p_number(p)})")
    if not among:
        return []
    note = " p is corrected over the components." if corrected else ""
    return [
        "",
        f"Among the negative emotions alone, where the pleasant ones cannot carry a correlation: "
        f"{', '.join(among)}.{note}",
    ]


def without_outliers(results: RunResults) -> list[str]:
    """Tell the figures again without dominant dimensions, for layers that have any."""
    lines = []
    for layer in results.layers:
        outlier = get(results.layer("geometry", layer), "outlier")
        removed = get(outlier, "removed")
        if not removed:
            continue
        figures = [f"cohesion {signed(number(outlier, 'without', 'cosine', 'diff'))}"]
        again = get(results.layer("circumplex", layer), "without_outliers") or ()
        figures += [
            f"PC{c['pc']} {norm} r {signed(number(c, f'{norm}_r'))}"
            for c in again[:2]
            for norm in ("valence", "arousal")
        ]
        named = ", ".join(map(str, removed))
        lines += ["", f"Layer {layer} without dimension {named}: {', '.join(figures)}."]
    return lines
