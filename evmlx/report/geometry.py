"""Section of the report on the cosines between emotion vectors, and whose geometry it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evmlx.report.claim import ALPHA
from evmlx.report.format import (
    at_floor,
    dagger,
    interval,
    literal,
    p_number,
    picture,
    plain,
    signed,
    table,
)
from evmlx.report.metrics_geometry import stepped_up
from evmlx.report.run_results import RunResults, get, number, reason


def coherent_clusters(results: RunResults) -> dict[str, bool]:
    """Whether each cluster of two or more emotions is told from emotions dealt at random."""
    found = get(results.layer("geometry", results.primary), "cosine", "clusters") or {}
    ps = {name: number(cluster, "p") for name, cluster in found.items()}
    return {name: p < ALPHA for name, p in ps.items() if math.isfinite(p)}


def geometry_section(results: RunResults, plots: set[str]) -> list[str]:
    """Cosines, cohesion of each cluster, likeness to the words' cosines, the principal plane."""
    if "geometry" not in results.stages:
        return []
    layer = results.layer("geometry", results.primary)
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
            f"a little below zero.{_unbroken(get(layer, 'cosine'))}",
        )
    lines += _clusters(get(layer, "cosine"))
    lines += _against_words(layer)
    name = f"pca_layer_{results.primary}.png"
    if name in plots:
        ratio = number(layer, "pca", "participation_ratio")
        spread = f" The vectors spread over about {plain(ratio, 1)} dimensions (participation "
        spread += "ratio), of which two are shown."
        lines += picture(
            name,
            "Emotions on the first two principal components",
            "The plane in which the emotion vectors differ most. Distances in it are at most "
            "those of the full space: what lies apart here is apart, what lies together need "
            f"not be close.{spread if math.isfinite(ratio) else ''}",
        )
    return lines


def _unbroken(cosine: Any) -> str:
    """Count the clusters whose emotions stand side by side in the order of the plot."""
    from evmlx.plots.draw import defined_cosines, similarity_order

    matrix, emotions = defined_cosines(cosine)
    order, _ = similarity_order(matrix)
    place = {emotions[row]: at for at, row in enumerate(order)}
    clusters = [get(found, "emotions") or () for found in (get(cosine, "clusters") or {}).values()]
    places = [[place[e] for e in members if e in place] for members in clusters]
    several = [at for at in places if len(at) > 1]
    whole = [at for at in several if max(at) - min(at) + 1 == len(at)]
    names = len(several)
    if not names:
        return ""
    count = len(whole) or "none"
    return (
        f" Of the {names} clusters of several emotions {count} forms one unbroken block; some may "
        "be closer within than to others all the same (table below)."
    )


def _clusters(cosine: Any) -> list[str]:
    lines = []
    if reason(cosine):
        lines += [f"Cohesion not computed: {reason(cosine)}.", ""]
    body = []
    for cluster, found in (get(cosine, "clusters") or {}).items():
        p = number(found, "p")
        floor = " †" if at_floor(p, get(cosine, "permutation", "draws")) else ""
        bounds = interval(number(found, "low"), number(found, "high"))
        cells = [signed(number(found, key)) for key in ("within", "cross", "diff")]
        members = ", ".join(get(found, "emotions") or ())
        body.append([literal(f"{cluster}: {members}"), *cells, bounds, p_number(p) + floor])
    if body:
        lines += table(["cluster", "within", "to others", "difference", "95%", "p"], body)
        note = (
            "The clusters come with the corpus, not from any model. Within, to others: mean "
            "cosine; their difference is of unrounded figures. A cluster of one emotion has no "
            "pairs to average. p is for each cluster alone."
        )
        lines += ["", note + dagger(body, get(cosine, "permutation", "draws")), ""]
    return lines


def _against_words(layer: Mapping[str, Any]) -> list[str]:
    """Table of what the pattern of cosines is like: the words', human ratings', its own half."""
    rsa = get(layer, "rsa")
    if not isinstance(rsa, Mapping):
        return []
    lines = ["### Is this the geometry of the words?", ""]
    body = [
        _rsa_cells("TF-IDF of the stories", get(rsa, "text")),
        _rsa_cells("the model's token embeddings", get(rsa, "embedding")),
        *_norm_cells(get(rsa, "norms")),
    ]
    lines += table(["cosines of the model beside", "r", "95%", "p"], body)
    reliability = get(layer, "reliability")
    ceiling = number(rsa, "text", "ceiling")
    lines += [
        "",
        "Every pair of emotions has a cosine in the model, and another among mere word counts; r "
        "is the rank correlation of the two lists. Near the ceiling, the words explain the "
        "model's geometry; near zero, it is not that of the words. The last row asks what human "
        "ratings explain beyond the words. p by permuting the emotions.",
    ]
    if math.isfinite(number(reliability, "spearman_brown")):
        halves = interval(
            stepped_up(number(reliability, "low")), stepped_up(number(reliability, "high"))
        )
        top = f"; no r can be expected above {plain(ceiling)}" if math.isfinite(ceiling) else ""
        lines[-1] += (
            " Reliability, from halves of the topics: "
            f"{plain(number(reliability, 'spearman_brown'))} {halves}{top}."
        )
    elif reason(reliability):
        lines[-1] += f" Reliability not computed: {reason(reliability)}."
    return [*lines, ""]


def _rsa_cells(label: str, found: Any) -> list[str]:
    if not math.isfinite(number(found, "r")):
        return [label, f"not computed: {reason(found) or 'no figure'}", "", ""]
    bounds = interval(number(found, "low"), number(found, "high"))
    return [label, signed(number(found, "r")), bounds, p_number(number(found, "p"))]


def _norm_cells(found: Any) -> list[list[str]]:
    label = "human valence, arousal and dominance"
    if not math.isfinite(number(found, "r")):
        return [[label, f"not computed: {reason(found) or 'no figure'}", "", ""]]
    bounds = interval(number(found, "low"), number(found, "high"))
    rows = [[label, signed(number(found, "r")), bounds, p_number(number(found, "p"))]]
    if math.isfinite(number(found, "partial_r")):
        partial, p = signed(number(found, "partial_r")), p_number(number(found, "partial_p"))
        bounds = interval(number(found, "partial_low"), number(found, "partial_high"))
        rows.append(["human ratings, TF-IDF taken out", partial, bounds, p])
    return rows
