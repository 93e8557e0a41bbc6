"""Section of the report on the sampled layers beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evmlx.report.affect import without_outliers
from evmlx.report.format import ABSENT, interval, percent, picture, plain, signed, table
from evmlx.report.metrics import MetricRow, at_layer
from evmlx.report.run_results import RunResults, get, number, reason


def layers_section(
    results: RunResults, rows: Sequence[MetricRow], plots: set[str], other_plots: bool = True
) -> list[str]:
    """Table and curves over the sampled layers; links to their plots if `other_plots`."""
    if not rows:
        return []
    lines = ["## Over the layers", ""]
    if "layers.png" in plots:
        lines += picture(
            "layers.png",
            "Probe accuracy, cohesion and correlations over layers",
            "The headline figures at every sampled layer, with 95% intervals. The primary layer "
            "(grey) was fixed beforehand at two thirds of the depth, not chosen on these curves; "
            "the best point of a curve is biased upwards. Dashed: the control, word counts where "
            "the figure has them. Messages: mean over tokens.",
        )
    wanted = {"probe": "probe_accuracy", "cohesion": "cluster_cohesion"}
    if any(row.metric.startswith("norm_axis") for row in rows):
        wanted |= {f"{norm} r": f"norm_axis_{norm}_r" for norm in ("valence", "arousal")}
    else:
        wanted |= {
            f"PC{pc} {norm} r": f"pc{pc}_{norm}_r"
            for pc in (1, 2)
            for norm in ("valence", "arousal")
        }
    wanted |= {"situations": "implicit_situation_top1", "messages": "implicit_message_top1"}
    body = []
    for layer in results.layers:
        here = at_layer(rows, layer)
        label = f"**{layer}** (primary)" if layer == results.primary else str(layer)
        body.append([label, *(_cell(here, metric) for metric in wanted.values())])
    lines += table(["layer", *wanted], body)
    if other_plots:
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
    ends = interval(row.low, row.high)
    value = signed(row.value) if metric.endswith("_r") else plain(row.value)
    return value if ends == ABSENT or metric.startswith("pc") else f"{value} {ends}"


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
    head = ["layer", "neutral components (variance)", "largest dimension's share"]
    head.append("lengths of the vectors")
    return [
        "",
        *table(head, body),
        "",
        "Neutral components were projected out of every vector. Where one dimension holds more "
        "than 10% of the squared length, it dominates the cosines. Lengths are relative to the "
        "mean length of the stories' residuals at the layer.",
        *without_outliers(results),
    ]
