"""The verdict: each rule both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evmlx.metrics import MetricRow
from evmlx.verdict import (
    NO,
    PARTLY,
    UNKNOWN,
    YES,
    circumplex_claim,
    cohesion_claim,
    implicit_claim,
    plane_title,
    probe_claim,
)


def row(metric: str, value: float | None, **more: object) -> MetricRow:
    blank = MetricRow(metric, value, None, None, 20, None, None, None, 9)
    return replace(blank, **more)  # type: ignore[arg-type]


def test_probe_verdict_goes_by_the_paired_gain() -> None:
    accuracy = row("probe_accuracy", 0.78, low=0.76, high=0.80, control=0.75)
    gain = row("probe_gain", 0.03, low=0.01, high=0.05)
    assert probe_claim(accuracy, gain, 0.05).answer == YES
    unsure = replace(gain, low=-0.001)
    claim = probe_claim(accuracy, unsure, 0.05)
    assert claim.answer == NO and "does not beat TF-IDF on the same folds" in claim.text
    claim = probe_claim(accuracy, replace(gain, value=-0.03, low=-0.05, high=-0.01), 0.05)
    assert claim.answer == NO and "is worse than TF-IDF" in claim.text


def test_probe_verdict_without_a_paired_gain() -> None:
    accuracy = row("probe_accuracy", 0.78, low=0.76, high=0.80, control=0.75)
    assert probe_claim(accuracy, None, 0.05).answer == YES
    assert probe_claim(replace(accuracy, control=0.77), None, 0.05).answer == NO
    assert probe_claim(replace(accuracy, control=None), None, 0.05).answer == UNKNOWN


def test_cohesion_verdict() -> None:
    found = row("cluster_cohesion", 0.2, low=0.1, high=0.3, control=0.0, p=0.01, draws=99)
    claim = cohesion_claim(found, ["Despair"])
    assert claim.answer == YES and "(the smallest that 99 draws allow)" in claim.text
    assert "Not on its own: Despair" in claim.text
    assert cohesion_claim(replace(found, p=0.05)).answer == NO
    assert cohesion_claim(replace(found, low=-0.01)).answer == NO
    assert cohesion_claim(replace(found, value=-0.2, low=None)).answer == NO
    assert cohesion_claim(replace(found, value=None, reason="why")).answer == UNKNOWN


@pytest.mark.parametrize(
    ("ps", "answer", "title"),
    [
        ((0.01, 0.9, 0.9, 0.01), YES, "PC1 follows human valence; PC2 follows human arousal"),
        ((0.9, 0.01, 0.01, 0.9), YES, "PC1 follows human arousal; PC2 follows human valence"),
        ((0.9, 0.01, 0.9, 0.9), PARTLY, "PC1 follows human arousal; PC2 follows neither"),
        ((0.9, 0.05, 0.9, 0.9), NO, "Neither component follows human valence or arousal"),
        ((0.01, 0.01, 0.9, 0.9), YES, "PC1 follows human valence and arousal; PC2 follows neither"),
    ],
)
def test_circumplex_verdict(ps: tuple[float, ...], answer: str, title: str) -> None:
    names = [f"pc{pc}_{norm}_r" for pc in (1, 2) for norm in ("valence", "arousal")]
    rows = {name: row(name, 0.4, p=p) for name, p in zip(names, ps, strict=True)}
    assert circumplex_claim(rows).answer == answer
    assert plane_title(rows) == title
    none = {name: replace(found, value=None, reason="no norms") for name, found in rows.items()}
    assert circumplex_claim(none).answer == UNKNOWN


def test_circumplex_sentence_names_both_norms() -> None:
    names = [f"pc{pc}_{norm}_r" for pc in (1, 2) for norm in ("valence", "arousal")]
    rows = {name: row(name, 0.1, p=0.9) for name in names}
    rows["pc1_arousal_r"] = row("pc1_arousal_r", 0.52, p=0.02)
    text = circumplex_claim(rows).text
    assert "PC1 follows human arousal (r = +0.52, p = 0.02" in text
    assert "not valence (r = +0.10, p = 0.90)" in text


def test_implicit_verdict() -> None:
    good = row("implicit_situation_top1", 0.5, low=0.39, high=0.61, control=0.05)
    poor = row("implicit_message_top1", 0.06, low=0.02, high=0.14, control=0.05)
    assert implicit_claim([good]).answer == YES
    claim = implicit_claim([good, poor])
    assert claim.answer == PARTLY and "For messages that is no more than chance." in claim.text
    assert "(chance 5%)" in claim.text
    assert implicit_claim([poor]).answer == implicit_claim([replace(poor, p=0.3)]).answer == NO
    claim = implicit_claim([replace(poor, p=0.002)])
    assert claim.answer == PARTLY and "though the mean rank is better (p = 0.0020)" in claim.text
    assert implicit_claim([replace(good, value=None, reason="no texts")]).answer == UNKNOWN
