"""The verdict: each rule both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evmlx.report.claim import AS_WORDS, NO, PARTLY, UNKNOWN, YES
from evmlx.report.metrics import MetricRow
from evmlx.report.verdict import cohesion_claim, probe_claim, verdict
from evmlx.report.verdict_affect import affect_claim, circumplex_claim, plane_title
from evmlx.report.verdict_texts import implicit_claim


def row(metric: str, value: float | None, **more: object) -> MetricRow:
    blank = MetricRow(metric, value, None, None, 20, None, None, None, 9)
    return replace(blank, **more)  # type: ignore[arg-type]


def test_probe_verdict_goes_by_the_paired_gain() -> None:
    accuracy = row("probe_accuracy", 0.78, low=0.76, high=0.80, control=0.75)
    gain = row("probe_gain", 0.03, low=0.01, high=0.05)
    assert probe_claim(accuracy, gain, 0.05).answer == YES
    unsure = replace(gain, low=-0.001)
    claim = probe_claim(accuracy, unsure, 0.05)
    assert claim.answer == NO and "can be had from the words alone" in claim.text
    claim = probe_claim(accuracy, replace(gain, value=-0.03, low=-0.05, high=-0.01), 0.05)
    assert claim.answer == NO and "the words alone do better" in claim.text


def test_probe_verdict_without_a_paired_gain() -> None:
    accuracy = row("probe_accuracy", 0.78, low=0.76, high=0.80, control=0.75)
    assert probe_claim(accuracy, None, 0.05).answer == YES
    assert probe_claim(replace(accuracy, control=0.77), None, 0.05).answer == NO
    assert probe_claim(replace(accuracy, control=None), None, 0.05).answer == UNKNOWN


def test_cohesion_verdict() -> None:
    found = row("cluster_cohesion", 0.2, low=0.1, high=0.3, control=0.0, p=0.01, draws=99)
    claim = cohesion_claim(found, {"Fear": True, "Despair": False, "Anger": False})
    assert claim.answer == PARTLY and "(the smallest that 99 draws allow)" in claim.text
    assert "On their own Fear do; Despair and Anger are not shown to." in claim.text
    assert cohesion_claim(found, {"Fear": True}).answer == cohesion_claim(found).answer == YES
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


@pytest.mark.parametrize(
    ("valence", "arousal", "answer"),
    [
        ({"value": 0.6, "p": 0.01}, {"value": 0.5, "p": 0.02}, YES),
        ({"value": 0.1, "p": 0.2}, {"value": 0.5, "p": 0.02}, PARTLY),
        ({"value": 0.1, "p": 0.2}, {"value": 0.2, "p": 0.05}, NO),
        # below what permuted ratings give, however small p is said to be
        ({"value": -0.5, "p": 0.01}, {"value": 0.2, "p": 0.3}, NO),
        ({"value": None, "reason": "no norms"}, {"value": None, "reason": "no norms"}, UNKNOWN),
        ({"value": None, "reason": "few"}, {"value": 0.5, "p": 0.02}, PARTLY),
    ],
)
def test_affect_verdict(
    valence: dict[str, object], arousal: dict[str, object], answer: str
) -> None:
    rows = {
        f"norm_axis_{norm}_r": row(
            f"norm_axis_{norm}_r",
            given["value"],
            **{  # type: ignore
                "control": -0.4,
                **{k: v for k, v in given.items() if k != "value"},
            },
        )
        for norm, given in (("valence", valence), ("arousal", arousal))
    }
    claim = affect_claim(rows)
    assert claim.answer == answer
    assert ("against −0.40 with ratings permuted" in claim.text) == (answer != UNKNOWN)
    assert ("Valence and arousal can. " in claim.text) == (answer == YES)
    assert ("rousal can" in claim.text) == (answer in (YES, PARTLY))


def test_a_rating_that_words_give_too_is_not_all_the_models() -> None:
    axes = {
        f"norm_axis_{n}_r": row(f"norm_axis_{n}_r", 0.6, p=0.01, words=0.5, words_p=0.4)
        for n in ("valence", "arousal")
    }
    assert affect_claim(axes).answer == YES and "Word counts" not in affect_claim(axes).text
    axes["norm_axis_arousal_r"] = replace(axes["norm_axis_arousal_r"], words_p=0.02)
    claim = affect_claim(axes)
    assert claim.answer == PARTLY
    assert "treated alike, give it too: arousal r = +0.50, p = 0.020." in claim.text
    both = {name: replace(axis, words_p=0.02) for name, axis in axes.items()}
    assert affect_claim(both).answer == AS_WORDS
    # nor is a rating that was not asked about
    own = {name: replace(axis, words_p=0.4) for name, axis in axes.items()}
    other = row("norm_axis_dominance_r", 0.6, p=0.01, words=0.5, words_p=0.02)
    claim = affect_claim({**own, other.metric: other})
    assert claim.answer == YES and "give it too: dominance r" in claim.text
    # a rating that is not read off is no matter of words
    axes["norm_axis_arousal_r"] = replace(axes["norm_axis_arousal_r"], p=0.3)
    assert "Word counts" not in affect_claim(axes).text


def test_verdict_goes_by_norm_axes_where_there_are_any() -> None:
    rows = {
        f"pc{pc}_{n}_r": row(f"pc{pc}_{n}_r", 0.1, p=0.9)
        for pc in (1, 2)
        for n in ("valence", "arousal")
    }
    assert [c.question for c in verdict(rows, 0.05, {})] == [circumplex_claim(rows).question]
    axes = {
        f"norm_axis_{n}_r": row(f"norm_axis_{n}_r", 0.6, p=0.01) for n in ("valence", "arousal")
    }
    (claim,) = verdict({**rows, **axes}, 0.05, {})
    assert claim.answer == YES and "PC1 is shown to follow neither" in claim.text


def test_verdict_says_what_the_words_alone_give() -> None:
    rows = {
        "probe_accuracy": row("probe_accuracy", 0.78, low=0.76, high=0.8, control=0.75),
        "probe_within_scene": row(
            "probe_within_scene", 0.84, low=0.8, high=0.88, control=0.6, control_name="TF-IDF"
        ),
        "cluster_cohesion": row("cluster_cohesion", 0.2, low=0.1, high=0.3, control=0.0, p=0.01),
        "rsa_text": row("rsa_text", 0.64, low=0.5, high=0.7, ceiling=0.97),
    }
    probe, cohesion = verdict(rows, 0.05, {})
    assert "Between tellings of one event: 0.840 [0.800, 0.880] against 0.600 (" in probe.text
    assert "correlate +0.64 [0.50, 0.70] with the vectors'; at most 0.97" in cohesion.text
    assert "much the same way" not in cohesion.text
    alike = {**rows, "rsa_text": replace(rows["rsa_text"], value=0.8)}
    assert "much the same way" in verdict(alike, 0.05, {})[1].text
    words = row("cluster_cohesion_corrected", 0.2, control=0.12, control_name="TF-IDF means")
    _, cohesion = verdict({**rows, words.metric: words}, 0.05, {})
    assert "0.120 in word counts stands beside 0.200" in cohesion.text
    gain = row("cluster_cohesion_gain", 0.08, low=0.02, high=0.14)
    _, cohesion = verdict({**rows, words.metric: words, gain.metric: gain}, 0.05, {})
    assert "+0.080 [0.020, 0.140] more" in cohesion.text and cohesion.answer == YES
    none = replace(gain, low=-0.01)
    assert verdict({**rows, none.metric: none}, 0.05, {})[1].answer == AS_WORDS
    auc = row("probe_macro_auc_gain", 0.005, low=0.002, high=0.008)
    assert "a little better" in verdict({**rows, auc.metric: auc}, 0.05, {})[0].text
    unsure = replace(auc, low=-0.001)
    assert "a little better" not in verdict({**rows, auc.metric: unsure}, 0.05, {})[0].text


def test_verdict_on_feelings_that_grow() -> None:
    good = row("implicit_situation_top1", 0.5, low=0.39, high=0.61, control=0.05)
    grows = row("intensity_difference", 0.6, low=0.2, high=0.9, p=0.001)

    def said(found: MetricRow, *others: MetricRow) -> str:
        rows = {row.metric: row for row in (good, found, *others)}
        return verdict(rows, 0.05, {})[0].text

    assert "Scores grow with what makes a feeling stronger" in said(grows)
    for unsure in (replace(grows, p=0.06), replace(grows, low=-0.1), replace(grows, value=-0.6)):
        assert "Scores are not shown to grow" in said(unsure)
    assert "grow" not in said(replace(grows, value=None))
    own = row("intensity_rho", 0.5, low=0.1, high=0.8)
    assert "Scores grow with what makes a feeling stronger: rho +0.50" in said(grows, own)
    falls = replace(own, value=-0.15, low=-0.5, high=0.2)
    assert "Scores are not shown to grow" in said(grows, falls)


def test_implicit_verdict() -> None:
    good = row("implicit_situation_top1", 0.5, low=0.39, high=0.61, control=0.05)
    poor = row("implicit_message_top1", 0.06, low=0.02, high=0.14, control=0.05)
    assert implicit_claim([good]).answer == YES
    claim = implicit_claim([good, poor])
    assert claim.answer == PARTLY and "For messages that is no more than chance." in claim.text
    assert "(chance 5%)" in claim.text
    assert (
        implicit_claim([poor]).answer == implicit_claim([replace(poor, p_chance=0.3)]).answer == NO
    )
    claim = implicit_claim([replace(poor, p_chance=0.002)])
    assert claim.answer == PARTLY and "though the mean rank is better (p = 0.0020)" in claim.text
    assert implicit_claim([replace(good, value=None, reason="no texts")]).answer == UNKNOWN


def test_implicit_verdict_beside_words() -> None:
    found = row("implicit_situation_top1", 0.5, low=0.39, high=0.61, control=0.45)
    gain = row("implicit_situation_gain", 0.05, low=-0.05, high=0.15, control=0.0)
    claim = implicit_claim([found], 0.05, {found.metric: gain})
    assert claim.answer == AS_WORDS
    assert "chance 5%" in claim.text
    assert "find it in 45% of situations: what the vectors find need not be more" in claim.text
    better = implicit_claim([found], 0.05, {found.metric: replace(gain, low=0.01)})
    assert better.answer == YES
    assert "the vectors find more" in better.text
    fewer = {found.metric: replace(gain, value=-0.2, low=-0.3, high=-0.1, p=0.001)}
    worse = implicit_claim([found], 0.05, fewer)
    assert worse.answer == AS_WORDS and "less often than plain word counts" in worse.text
    other = replace(found, metric="implicit_message_top1")
    both = implicit_claim([found, other], 0.05, {**fewer, other.metric: gain})
    assert "less often in situations; in messages the difference (+0.05) is not" in both.text
    some = {found.metric: replace(gain, low=0.01), other.metric: gain}
    assert implicit_claim([found, other], 0.05, some).answer == PARTLY
