"""QUANTIZATION.md: what each precision costs, in a table and in words, and lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evmlx.comparison.paired import Difference
from evmlx.quantization.fidelity import LABELS, RANK_METRICS, Thresholds
from evmlx.quantization.results import Precision, QuantizationCheck
from evmlx.report.format import ABSENT, interval, known, p_number, plain, signed, table

FIGURE = "quantization"
TOP1_METRICS = ("implicit_situation_top1", "implicit_message_top1")


def page(check: QuantizationCheck) -> list[str]:
    """Return the lines of the page."""
    return [
        f"# {check.model} at fewer bits",
        "",
        *_subject(check),
        "",
        "## May it be trusted?",
        "",
        *(_sentence(one) for one in check.precisions),
        "",
        f"![Vectors, geometry, probe and new texts over bits]({FIGURE}.png)",
        "",
        "*Over the bits of a weight, one line a group size. Strokes: 95% intervals (of the error: "
        f"up to the 95th percentile of stories). Grey bands: what {LABELS[0]!r} allows. Dotted: "
        "the reference's reliability, which is how well its cosines repeat with other topics.*",
        "",
        "## Geometry",
        "",
        *table(_GEOMETRY, [_geometry(one) for one in check.precisions]),
        "",
        "Cosines are of each emotion's denoised vector with the reference's; their intervals and "
        "that of RSA are over topics. RSA: Spearman's correlation of the two cosine matrices, on "
        f"the same stories. The reference's own reliability is {plain(_ceiling(check), 3)}: below "
        "it, quantization moves the emotions more than another choice of topics would. Residual "
        "error: ||q − r|| / ||r|| of a story's pooled residual less the mean over stories, median.",
        "",
        "## Changes, paired",
        "",
        *table(_CHANGES, [_changes(one) for one in check.precisions]),
        "",
        "This precision minus the reference, on the same topics or texts, with 95% interval and p. "
        "A rank of 1 is best, so that a rise is a loss.",
        "",
        "## What the words mean",
        "",
        *_thresholds(check),
    ]


def _subject(check: QuantizationCheck) -> list[str]:
    trial = f" A trial on {check.stories} stories (`--limit`): too few for conclusions."
    return [
        f"The reference has the weights as shipped ({check.reference}); the others are affine, "
        "with a scale and a bias a group, rounded from the same weights. Everything else is equal: "
        f"texts, token ids, computing type, {check.backend} on {check.device}. Block "
        f"{check.layer} of {check.blocks}, {check.stories:,} stories on {check.topics} topics, "
        f"corpus `{check.corpus_digest[:12]}`, seed {check.seed}." + (trial if check.limit else ""),
    ]


def _sentence(one: Precision) -> str:
    because = "; ".join(one.verdict.because)
    return f"- **{_title(one)}**: {one.verdict.label}{f' ({because})' if because else ''}."


def _title(one: Precision) -> str:
    return f"{one.bits} bits, groups of {one.group}"


def _ceiling(check: QuantizationCheck) -> float:
    found = [p.comparison.rsa.reliability[0] for p in check.precisions if p.comparison.rsa]
    return found[0] if found else math.nan


_GEOMETRY = [
    "precision",
    "weights, MB",
    "smallest cosine",
    "median cosine",
    "RSA",
    "CKA",
    "residual error",
]


def _geometry(one: Precision) -> list[str]:
    v, rsa, cka = one.vectors, one.comparison.rsa, one.comparison.cka
    return [
        _title(one),
        f"{one.weight_bytes / 1e6:.0f}",
        f"{_figure(v.smallest, v.smallest_low, v.smallest_high)} ({v.worst_emotion})",
        _figure(v.median, v.median_low, v.median_high),
        _figure(rsa.r, rsa.low, rsa.high) if rsa else ABSENT,
        _figure(cka.value, cka.low, cka.high) if cka else ABSENT,
        plain(one.residuals.centred_median, 3),
    ]


def _figure(value: float, low: float, high: float) -> str:
    return f"{plain(value, 4)} {interval(low, high, 4)}"


_CHANGES = [
    "precision",
    "probe accuracy",
    "situations, right first",
    "situations, mean rank",
    "messages, right first",
    "messages, mean rank",
]


def _changes(one: Precision) -> list[str]:
    by_metric = {d.metric: d for d in one.comparison.differences}
    columns = [("probe_accuracy", 3)]
    for top1, rank in zip(TOP1_METRICS, RANK_METRICS, strict=True):
        columns += [(top1, 2), (rank, 2)]
    return [_title(one), *(_change(by_metric[name], digits) for name, digits in columns)]


def _change(found: Difference, digits: int) -> str:
    if not known(found.difference):
        return ABSENT
    bounds = interval(found.low, found.high, digits)
    return f"{signed(found.difference, digits)} {bounds}, p {p_number(found.p)}"


def _thresholds(check: QuantizationCheck) -> list[str]:
    """State the fixed thresholds."""

    def asked(t: Thresholds, ways: str) -> str:
        return (
            f"smallest cosine at least {t.cosine:g}, RSA at least {t.rsa:g}, probe accuracy "
            f"{ways} by no more than {t.probe:g}, mean rank in either battery by no more than "
            f"{t.rank:g}"
        )

    return [
        "Thresholds were fixed before anything was measured. A 95% interval has to lie within them "
        "as a whole.",
        "",
        f"- **{LABELS[0]}**: {asked(check.interchangeable, 'changed')}; and RSA reaches the "
        "reference's own reliability.",
        f"- **{LABELS[1]}**: {asked(check.usable, 'lost')}.",
        f"- **{LABELS[2]}**: less than that.",
        f"- **{LABELS[3]}**: nothing fell short, but an interval is missing.",
    ]


def lines(check: QuantizationCheck) -> list[str]:
    """Table for a terminal, a line a precision."""
    head = ["bits", "group", "MB", "min cosine", "RSA", "probe", "verdict"]
    body: list[Sequence[str]] = [head]
    for one in check.precisions:
        rsa = one.comparison.rsa
        probe = next(d for d in one.comparison.differences if d.metric == "probe_accuracy")
        v = one.vectors
        body.append(
            [
                str(one.bits),
                str(one.group),
                f"{one.weight_bytes / 1e6:.0f}",
                _figure(v.smallest, v.smallest_low, v.smallest_high),
                _figure(rsa.r, rsa.low, rsa.high) if rsa else ABSENT,
                f"{signed(probe.difference, 3)} {interval(probe.low, probe.high, 3)}",
                one.verdict.label,
            ]
        )
    wide = [max(len(row[k]) for row in body) for k in range(len(head))]
    shown = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)).rstrip()
        for row in body
    ]
    where = f"{check.model}, block {check.layer} of {check.blocks}; reference: {check.reference}, "
    return [f"{where}reliability of its cosines {plain(_ceiling(check), 3)}", *shown]
