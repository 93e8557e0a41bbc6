"""A comparison as text for a terminal, as Markdown, CSV or JSON.

Nothing is computed here; every figure is shown with its interval and its control.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence

from evmlx.comparison.cka import Cka
from evmlx.comparison.compare import Comparison, PairComparison, RunSummary
from evmlx.comparison.paired import Difference
from evmlx.comparison.rsa import ModelRsa
from evmlx.report.format import ABSENT, interval, known, p_number, p_phrase, plain, signed, table
from evmlx.report.metrics import LABELS, MetricRow
from evmlx.results import to_json

RANK_LABELS = {
    "implicit_situation_mean_rank": ("Situations, mean rank of the right emotion", 2),
    "implicit_message_mean_rank": ("Messages, mean rank of the right emotion", 2),
    "implicit_message_last_mean_rank": ("Messages, last token, mean rank", 2),
}
CSV_HEAD = (
    "table", "run", "other_run", "metric", "layer", "value", "low", "high", "n", "control",
    "control_name", "p", "p_holm", "unit", "reason",
)  # fmt: skip


def label_of(metric: str) -> tuple[str, int]:
    """Name and decimals of a figure."""
    if metric in RANK_LABELS:
        return RANK_LABELS[metric]
    if metric in LABELS:
        return LABELS[metric][0], LABELS[metric][1]
    return metric, 3


def metrics_of(comparison: Comparison) -> list[str]:
    """Headlines that at least one run has, in the order of the report."""
    there = {row.metric for run in comparison.runs for row in run.headlines}
    return [metric for metric in LABELS if metric in there]


def terminal(comparison: Comparison) -> list[str]:
    """Lines for a terminal: runs, warnings, headlines run by run, pairs."""
    names = [run.name for run in comparison.runs]
    wide = max(map(len, names))
    lines = [_run_line(run, wide) for run in comparison.runs]
    lines += [f"warning: {line}" for line in comparison.warnings]
    for metric in metrics_of(comparison):
        label, digits = label_of(metric)
        lines += ["", label]
        for run in comparison.runs:
            row = next((r for r in run.headlines if r.metric == metric), None)
            lines.append(f"  {run.name:<{wide}}  {_cells(row, digits)}")
    for pair in comparison.pairs:
        lines += ["", f"{pair.b} minus {pair.a}", *_pair_lines(pair)]
    return lines


def _run_line(run: RunSummary, wide: int) -> str:
    of = f" of {run.blocks}" if run.blocks else ""
    weights = f"{run.quantization} weights, " if run.quantization else ""
    about = f"{run.model}, {weights}{run.dtype}, {run.backend}, layer {run.layer}{of}"
    return f"{run.name:<{wide}}  {about}"


def _cells(row: MetricRow | None, digits: int) -> str:
    if row is None:
        return "not in this run's results"
    if not known(row.value):
        return f"not computed: {row.reason}"
    parts = [f"{plain(row.value, digits):>6}"]
    parts.append(f"{interval(row.low, row.high, digits):<16}" if known(row.low) else " " * 16)
    if known(row.control):
        parts.append(f"{row.control_name} {plain(row.control, digits)}")
    if known(row.words):
        parts.append(f"word counts {plain(row.words, digits)}")
    if known(row.ceiling):
        parts.append(f"ceiling {plain(row.ceiling, digits)}")
    if known(row.p):
        parts.append(p_phrase(row.p))
    return "  ".join(parts).rstrip()


def _pair_lines(pair: PairComparison) -> list[str]:
    if not pair.differences:
        return [f"  not compared: {pair.reason}"]
    wide = max(len(label_of(d.metric)[0]) for d in pair.differences)
    lines = []
    for found in pair.differences:
        label, digits = label_of(found.metric)
        lines.append(f"  {label:<{wide}}  {_difference(found, digits)}")
    names = "Cosines of the emotions, RSA", "Emotion x topic means, CKA"
    if pair.rsa:
        first, *others = rsa_phrases(pair.rsa)
        lines.append(f"  {names[0]:<{wide}}  {first}")
        lines += [f"  {'':<{wide}}    {line}" for line in others]
    if pair.cka:
        lines.append(f"  {names[1]:<{wide}}  {cka_phrase(pair.cka)}")
    return lines


def _difference(found: Difference, digits: int) -> str:
    if not known(found.difference):
        return f"not computed: {found.reason}"
    parts = [f"{signed(found.difference, digits):>7}", _bounds(found.low, found.high, digits)]
    if known(found.p):
        both = f" (corrected {p_number(found.p_holm)})" if found.p_holm > found.p else ""
        parts.append(f"{p_phrase(found.p)}{both}")
    parts.append(f"over {found.n} {found.unit}")
    return "  ".join(parts)


def _bounds(low: float, high: float, digits: int) -> str:
    return interval(low, high, digits) if known(low) else "no interval"


def rsa_phrases(found: ModelRsa) -> list[str]:
    """Say how alike the cosines of two models are, with interval, control and ceiling."""
    if not known(found.r):
        return [f"not computed: {found.reason}"]
    parts = [f"{plain(found.r, 3)} {_bounds(found.low, found.high, 3)}"]
    if known(found.partial_r):
        clean = _bounds(found.partial_low, found.partial_high, 3)
        parts.append(f"with TF-IDF's cosines taken out {plain(found.partial_r, 3)} {clean}")
        parts.append(f"of each with TF-IDF's {' and '.join(plain(r, 2) for r in found.text_r)}")
    if known(found.across_halves):
        parts.append(
            f"across halves of the topics {plain(found.across_halves, 3)}, where noise allows "
            f"{plain(found.ceiling, 3)}"
        )
    if known(found.reliability[0]) and known(found.reliability[1]):
        both = " and ".join(plain(r, 3) for r in found.reliability)
        parts.append(f"reliability of each {both}")
    if found.reason:
        parts.append(found.reason)
    return parts


def cka_phrase(found: Cka) -> str:
    """Say how alike the cell means of two models lie, with interval and null."""
    if not known(found.value):
        return f"not computed: {found.reason}"
    text = f"{plain(found.value, 3)} {_bounds(found.low, found.high, 3)}"
    null = f"emotions exchanged within topics {plain(found.null_mean, 3)}"
    return f"{text}  {null}  {p_phrase(found.p)}"


def markdown(comparison: Comparison) -> list[str]:
    """Tables for a page: a row a figure and run."""
    lines = ["## Runs", ""]
    head = ["run", "model", "weights", "computed in", "engine", "layer"]
    body = [
        [
            f"`{run.name}`",
            str(run.model or ABSENT),
            run.quantization or "as shipped",
            str(run.dtype or ABSENT),
            str(run.backend or ABSENT),
            f"{run.layer} of {run.blocks}" if run.blocks else str(run.layer),
        ]
        for run in comparison.runs
    ]
    lines += table(head, body)
    if comparison.warnings:
        lines += ["", *(f"> **Warning:** {line}." for line in comparison.warnings)]
    lines += ["", "## Headlines", "", "At each run's primary layer, with 95% intervals.", ""]
    lines += table(
        ["figure", "run", "value", "95% interval", "control", "p"], _headline_cells(comparison)
    )
    for pair in comparison.pairs:
        lines += ["", f"## `{pair.b}` minus `{pair.a}`", "", *_pair_markdown(pair)]
    return lines


def _headline_cells(comparison: Comparison) -> list[list[str]]:
    body = []
    for metric in metrics_of(comparison):
        label, digits = label_of(metric)
        for run in comparison.runs:
            row = next((r for r in run.headlines if r.metric == metric), None)
            if row is None or not known(row.value):
                why = "not in this run's results" if row is None else f"not computed: {row.reason}"
                body.append([label, f"`{run.name}`", ABSENT, ABSENT, why, ABSENT])
                continue
            control = (
                f"{row.control_name} {plain(row.control, digits)}" if known(row.control) else ABSENT
            )
            body.append(
                [
                    label,
                    f"`{run.name}`",
                    plain(row.value, digits),
                    interval(row.low, row.high, digits),
                    control,
                    p_number(row.p),
                ]
            )
    return body


def _pair_markdown(pair: PairComparison) -> list[str]:
    if not pair.differences:
        return [f"Not compared: {pair.reason}."]
    body = []
    for found in pair.differences:
        label, digits = label_of(found.metric)
        over = f"{found.n} {found.unit}" if known(found.difference) else str(found.reason)
        body.append(
            [
                label,
                signed(found.difference, digits),
                interval(found.low, found.high, digits),
                p_number(found.p),
                p_number(found.p_holm),
                over,
            ]
        )
    lines = table(["figure", "difference", "95% interval", "p", "p corrected", "over"], body)
    if pair.rsa:
        lines += ["", f"- Cosines of the emotions, RSA: {'; '.join(rsa_phrases(pair.rsa))}."]
    if pair.cka:
        lines += [f"- Emotion x topic means, CKA: {cka_phrase(pair.cka)}."]
    return lines


def comparison_json(comparison: Comparison) -> str:
    """Everything, as one JSON object."""
    return json.dumps({"schema": 1, **to_json(comparison)}, indent=1, ensure_ascii=False)


def comparison_csv(comparison: Comparison) -> str:
    """One row a headline and run, then one a difference and pair; empty: no such figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for cells in (*_headline_rows(comparison), *_pair_rows(comparison.pairs)):
        writer.writerow(["" if c is None or c != c else c for c in cells])
    return out.getvalue()


def _headline_rows(comparison: Comparison) -> Iterator[list[object]]:
    for run in comparison.runs:
        for r in run.headlines:
            yield [
                "headline", run.name, None, r.metric, r.layer, r.value, r.low, r.high, r.n,
                r.control, r.control_name, r.p, None, None, r.reason,
            ]  # fmt: skip


def _pair_rows(pairs: Sequence[PairComparison]) -> Iterator[list[object]]:
    for pair in pairs:
        for d in pair.differences:
            yield [
                "difference", pair.b, pair.a, d.metric, None, d.difference, d.low, d.high, d.n,
                None, d.test, d.p, d.p_holm, d.unit, d.reason,
            ]  # fmt: skip
        if pair.rsa:
            r = pair.rsa
            yield [
                "rsa", pair.b, pair.a, "rsa", None, r.r, r.low, r.high, r.n_pairs, r.ceiling,
                "ceiling across halves", None, None, "topics", r.reason,
            ]  # fmt: skip
        if pair.cka:
            c = pair.cka
            yield [
                "cka", pair.b, pair.a, "cka", None, c.value, c.low, c.high, c.n, c.null_mean,
                "emotions exchanged within topics", c.p, None, "topics", c.reason,
            ]  # fmt: skip
