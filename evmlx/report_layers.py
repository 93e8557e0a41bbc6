"""Section of the report on the sampled layers beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evmlx.metrics import MetricRow, at_layer
from evmlx.report_format import ABSENT, interval, percent, picture, plain, signed, table
from evmlx.run_results import RunResults, get, number, reason


def layers_section(results: RunResults, rows: Sequence[MetricRow], plots: set[str]) -> list[str]:
    """Table and curves over the sampled layers."""
    if not rows:
        return []
    lines = ["## Over the layers", ""]
    if "layers.png" in plots:
        lines += picture(
            "layers.png",
            "Probe accuracy, cohesion and correlations over layers",
            "The headline figures at every sampled layer, with 95% intervals. The primary layer "
            "(grey) was fixed beforehand at two thirds of the depth, not chosen on these curves; "
            "the best point of a curve is biased upwards.",
        )
    head = ["layer", "probe", "cohesion", "PC1 valence r", "PC1 arousal r", "PC2 valence r"]
    head += ["PC2 arousal r", "situations", "messages"]
    wanted = ["probe_accuracy", "cluster_cohesion", "pc1_valence_r", "pc1_arousal_r"]
    wanted += ["pc2_valence_r", "pc2_arousal_r"]
    wanted += ["implicit_situation_top1", "implicit_message_top1"]
    body = []
    for layer in results.layers:
        here = at_layer(rows, layer)
        label = f"**{layer}** (primary)" if layer == results.primary else str(layer)
        body.append([label, *(_cell(here, metric) for metric in wanted)])
    lines += table(head, body)
    lines += _other_plots(results, plots)
    stability = get(results.stages.get("geometry"), "cross_layer_stability")
    mean = number(stability, "mean_correlation")
    if math.isfinite(mean):
        pairs = [number(r) for r in (get(stability, "pairwise") or {}).values()]
        lines += [
            "",
            f"The cosine matrices of the sampled layers correlate at {plain(mean)} on average "
            f"(from {plain(min(pairs))} to {plain(max(pairs))}).",
        ]
    elif reason(stability):
        lines += ["", f"Stability over layers not computed: {reason(stability)}."]
    lines += _health(results)
    return lines


def _other_plots(results: RunResults, plots: set[str]) -> list[str]:
    """Links to the plots of the layers that are not shown."""
    others = []
    for layer in results.layers:
        links = [
            f"[{kind}](plots/{kind}_layer_{layer}.png)"
            for kind in ("circumplex", "cosine", "pca")
            if layer != results.primary and f"{kind}_layer_{layer}.png" in plots
        ]
        others += [f"layer {layer} {', '.join(links)}"] if links else []
    return ["", f"Plots of the other layers: {'; '.join(others)}."] if others else []


def _cell(here: Mapping[str, MetricRow], metric: str) -> str:
    row = here.get(metric)
    if row is None or row.value is None:
        return ABSENT
    if metric.endswith("_r"):
        return signed(row.value)
    ends = interval(row.low, row.high)
    return plain(row.value) if ends == ABSENT else f"{plain(row.value)} {ends}"


def _health(results: RunResults) -> list[str]:
    """Tell what could spoil a layer's vectors: neutral components, dominant dimensions, size."""
    body = []
    for layer in results.layers:
        found = results.layer("geometry", layer)
        if not found:
            continue
        norms = [number(v) for v in (get(found, "norms", "relative") or {}).values()]
        norms = [v for v in norms if math.isfinite(v)]
        spread = f"{plain(min(norms), 3)} to {plain(max(norms), 3)}" if norms else ABSENT
        count = get(found, "neutral", "components")
        held = f"{count} ({percent(number(found, 'neutral', 'variance'))})"
        share, where = number(found, "outlier", "share"), get(found, "outlier", "dimension")
        largest = f"{percent(share)} (dimension {where})" if math.isfinite(share) else ABSENT
        body.append([str(layer), held if count else "none", largest, spread])
    if not body:
        return []
    head = ["layer", "neutral components (variance)", "largest dimension's share", "vector norms"]
    return [
        "",
        *table(head, body),
        "",
        "Neutral components were projected out of every vector. Where one dimension holds more "
        "than 10% of the squared norm, cosines are much its own. Norms are relative to the "
        "stories' mean residual norm at the layer.",
        *_without_outliers(results),
    ]


def _without_outliers(results: RunResults) -> list[str]:
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
