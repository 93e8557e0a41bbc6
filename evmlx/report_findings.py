"""Sections of the report on what was measured, each with its plot and how to read it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evmlx.report_format import (
    ABSENT,
    at_floor,
    interval,
    p_number,
    percent,
    picture,
    plain,
    signed,
    table,
)
from evmlx.run_results import RunResults, get, number, reason
from evmlx.verdict import ALPHA

BATTERIES = {
    "situation": "situations, mean over tokens",
    "message": "messages, mean over tokens",
    "message_last": "messages, last token of the prompt",
}


def circumplex_section(results: RunResults, plots: set[str]) -> list[str]:
    """Components against human norms, and the circumplex plot."""
    if "circumplex" not in results.stages:
        return []
    lines = ["## Components and human ratings", ""]
    layer = results.layer("circumplex", results.primary)
    name = f"circumplex_layer_{results.primary}.png"
    if name in plots:
        lines += picture(
            name,
            "Emotions on the first two components, beside human valence and arousal",
            "Left, where the model has the emotions: first two principal components of their "
            "unit vectors. Right, where people rate the words. The same marker is the same "
            "cluster. The planes agree where emotions keep their neighbours, and left-right and "
            "up-down mean the same in both; a sign or a rotation alone means nothing. p under the "
            "axes is corrected over the components.",
        )
    components = layer.get("components") or []
    if not components:
        why = reason(layer) or "the results file has no components"
        return [*lines, f"Correlations not computed: {why}."]
    body = []
    for found in components:
        cells = [f"PC{found['pc']}", percent(number(found, "explained_variance"))]
        for norm in ("valence", "arousal", "dominance"):
            p = number(found, f"{norm}_p")
            corrected = number(found, f"{norm}_p_max")
            both = f"{p_number(p)} ({p_number(corrected)})" if math.isfinite(corrected) else ""
            cells += [signed(number(found, f"{norm}_r")), both or p_number(p)]
        body.append(cells)
    head = ["", "variance", "valence r", "p", "arousal r", "p", "dominance r", "p"]
    lines += table(head, body)
    draws = get(results.stages["circumplex"], "permutations")
    by = f" by {draws:,} permutations of the words" if isinstance(draws, int) else ""
    lines += [
        "",
        f"p{by}; in brackets corrected for looking at {len(components)} components, which is the "
        "one to go by unless the component was named beforehand.",
    ]
    if reason(layer):
        lines.append(f"Not computed: {reason(layer)}.")
    among = [
        f"PC{c['pc']} {norm} r = {signed(number(c, f'{norm}_negative_r'))} "
        f"(p = {p_number(number(c, f'{norm}_negative_p'))})"
        for c in components[:2]
        for norm in ("valence", "arousal")
        if math.isfinite(number(c, f"{norm}_negative_r"))
    ]
    if among:
        lines += ["", f"Among the negative emotions alone: {', '.join(among)}."]
    return lines


def loose_clusters(results: RunResults) -> list[str]:
    """Clusters of two or more emotions that are not told from emotions dealt at random."""
    found = get(results.layer("geometry", results.primary), "cosine", "clusters") or {}
    return [name for name, cluster in found.items() if number(cluster, "p") >= ALPHA]


def geometry_section(results: RunResults, plots: set[str]) -> list[str]:
    """Cosines, cohesion of each cluster and the principal plane."""
    if "geometry" not in results.stages:
        return []
    layer = results.layer("geometry", results.primary)
    cosine = get(layer, "cosine")
    lines = ["## Which emotions lie close together", ""]
    name = f"cosine_layer_{results.primary}.png"
    if name in plots:
        lines += picture(
            name,
            "Cosine between every two emotion vectors",
            "Cosine of every two emotion vectors, in hundredths. Rows and columns are ordered by "
            "similarity (the tree on the right), without knowing the clusters; where the strip "
            "of cluster colours falls into unbroken blocks, the model groups emotions as the "
            "clusters do. The mean over emotions has been taken out, so that the cosines centre "
            "a little below zero.",
        )
    if reason(cosine):
        lines += [f"Cohesion not computed: {reason(cosine)}.", ""]
    body = []
    for cluster, found in (get(cosine, "clusters") or {}).items():
        p = number(found, "p")
        floor = " †" if at_floor(p, get(cosine, "permutation", "draws")) else ""
        bounds = interval(number(found, "low"), number(found, "high"))
        cells = [signed(number(found, key)) for key in ("within", "cross", "diff")]
        members = ", ".join(get(found, "emotions") or ())
        body.append([f"{cluster}: {members}", *cells, bounds, p_number(p) + floor])
    if body:
        lines += table(["cluster", "within", "to others", "difference", "95%", "p"], body)
        note = "A cluster of one emotion has nothing within. p is for each cluster alone."
        lines += ["", note + _dagger(body, get(cosine, "permutation", "draws")), ""]
    name = f"pca_layer_{results.primary}.png"
    if name in plots:
        ratio = number(layer, "pca", "participation_ratio")
        spread = f" The vectors spread over about {plain(ratio, 1)} dimensions (participation "
        spread += "ratio), of which two are shown." if math.isfinite(ratio) else ""
        lines += picture(
            name,
            "Emotions on the first two principal components",
            "The plane in which the emotion vectors differ most. Distances in it are at most "
            "those of the full space: what lies apart here is apart, what lies together need "
            f"not be close.{spread if math.isfinite(ratio) else ''}",
        )
    return lines


def probe_section(results: RunResults, plots: set[str]) -> list[str]:
    """Probe accuracies beside the text control, and the confusions."""
    if "probe" not in results.stages:
        return []
    probe, found = results.stages["probe"], results.layer("probe", results.primary)
    lines = ["## Reading the emotion off a story", ""]
    rows = [
        ("residuals, unseen topics", get(found, "grouped")),
        ("TF-IDF of the words, same folds", get(probe, "text_control", "tfidf")),
    ]
    body = [[label, *_folds(folds)] for label, folds in rows if folds is not None]
    gain = get(found, "gain_over_tfidf")
    if math.isfinite(number(gain, "gain")):
        bounds = interval(number(gain, "low"), number(gain, "high"), 3)
        body.append(["gain, paired over topics", signed(number(gain, "gain"), 3), bounds, ""])
    lines += table(["classifier", "accuracy", "95% interval", "stories"], body)
    lines += [
        "",
        f"Chance is {plain(number(probe, 'chance'))}. Stories of a topic are never in training "
        "and test at once. What TF-IDF reaches, the words give away without any model: only the "
        "gain over it is the model's.",
        "",
    ]
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


def implicit_section(results: RunResults, plots: set[str]) -> list[str]:
    """Ranks of the right emotion in texts that do not name it."""
    if "implicit" not in results.stages:
        return []
    found = results.layer("implicit", results.primary)
    lines = ["## Texts that do not name the feeling", ""]
    if "implicit.png" in plots:
        lines += picture(
            "implicit.png",
            "How often the right emotion comes first, per battery",
            "Every new text is scored by its cosine with each emotion vector. Solid bars: the "
            "texts' common part taken out first; hatched: as published, without that. Lines are "
            "95% intervals, dashes chance.",
        )
    body = []
    for battery, label in BATTERIES.items():
        given = get(found, battery)
        if given is None:
            continue
        if get(given, "centred") is None:
            body.append([label, f"not computed: {reason(given) or 'no figure'}", *[""] * 6])
            continue
        texts = str(get(given, "n"))
        body.append([label, texts, *score_cells(get(given, "centred"))])
        if get(given, "z_scored") is not None:
            body.append([f"{label}, z-scored", texts, *score_cells(get(given, "z_scored"))])
    if not body:
        why = reason(results.stages["implicit"]) or "the results file has no such layer"
        return [*lines, f"Not computed: {why}."]
    lines += table(["battery (centred)", *SCORE_HEAD], body)
    chances = [number(battery, "centred", "chance_top1") for battery in found.values()]
    guess = next((f"Chance for first is {percent(c)}. " for c in chances if math.isfinite(c)), "")
    return [
        *lines,
        "",
        f"{guess}p is that of the mean rank, the targets permuted over the texts. Z-scored: each "
        "vector's scores standardised over the battery, so that none is high everywhere. Hub: the "
        "emotion that most often stands among the first three, and in what share of the texts."
        + _dagger(body, get(next(iter(found.values())), "centred", "draws")),
    ]


def _dagger(body: Sequence[Sequence[str]], draws: Any) -> str:
    """Footnote on the smallest p, where one of the cells has its mark."""
    marked = any(cell.endswith("†") for cells in body for cell in cells)
    return f" † the smallest p that {draws:,} draws allow." if marked and draws else ""


SCORE_HEAD = ("texts", "first", "first three", "first five", "mean rank", "p", "hub")


def score_cells(score: Any) -> list[str]:
    """Top-1, 3, 5 and mean rank with intervals, p and hub of one battery."""
    cells = []
    for key, digits in (("top1", 2), ("top3", 2), ("top5", 2), ("mean_rank", 1)):
        low, high = number(score, f"{key}_low"), number(score, f"{key}_high")
        bounds = f" {interval(low, high, digits)}" if math.isfinite(low) else ""
        cells.append(plain(number(score, key), digits) + bounds)
    p = number(score, "p")
    floor = " †" if at_floor(p, get(score, "draws")) else ""
    hub = f"{get(score, 'hub_emotion')} {percent(number(score, 'hub_share'))}"
    return [*cells, p_number(p) + floor, hub]
