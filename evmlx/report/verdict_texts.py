"""What a run allows one to say about new texts: feelings not named, feelings that grow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evmlx.report.claim import ALPHA, AS_WORDS, NO, PARTLY, UNKNOWN, YES, Claim, listed
from evmlx.report.format import interval, known, p_number, p_phrase, percent, signed
from evmlx.report.metric_row import MetricRow

BATTERIES = {
    "implicit_situation_top1": "situations",
    "implicit_message_top1": "messages",
    "implicit_message_last_top1": "messages read at the prompt's last token",
}


def graded(rows: Mapping[str, MetricRow]) -> str:
    """Tell whether scores follow numbers that make a feeling stronger.

    A score that merely falls less than that of a text without feeling does not grow.
    """
    row, own = rows.get("intensity_difference"), rows.get("intensity_rho")
    if row is None or row.value is None:
        return ""
    sure = (
        known(row.p) and row.p < ALPHA and row.value > 0 and not (known(row.low) and row.low <= 0)
    )
    sure = sure and (own is None or _known_low(own) > 0)
    lead = (
        "Scores grow with what makes a feeling stronger"
        if sure
        else ("Scores are not shown to grow with what makes a feeling stronger")
    )
    told = ""
    if own is not None and known(own.value):
        told = f"rho {signed(own.value)} {interval(own.low, own.high)}, "
    return (
        f"{lead}: {told}rho beyond that of texts without feeling {signed(row.value)} "
        f"{interval(row.low, row.high)}, {p_phrase(row.p)}."
    )


def implicit_claim(
    batteries: Sequence[MetricRow],
    chance: float = math.nan,
    gains: Mapping[str, MetricRow] | None = None,
) -> Claim:
    """Say whether the right emotion comes first in new texts, beside chance and beside words.

    It does where the lower end of the interval lies above chance and, where words were scored
    the same way, the gain over them lies above 0. Above chance only, or by the mean rank only
    (p < 0.05), the answer is in part.

    Parameters
    ----------
    batteries : sequence of MetricRow
        Share of texts with the right emotion first.
    chance : float
        Of guessing; where it is nan, the rows' own control.
    gains : mapping of str to MetricRow or None
        Gain over words, by the battery's metric.
    """
    question = "Do the vectors find the feeling in new texts that do not name it?"
    told = [row for row in batteries if row.value is not None and row.control is not None]
    if not told:
        return Claim(question, UNKNOWN, f"{batteries[0].reason}.")
    guess = chance if known(chance) else float(told[0].control or 0)
    shares = [
        f"{percent(row.value)} [{percent(row.low)}, {percent(row.high)}] of {BATTERIES[row.metric]}"
        for row in told
    ]
    text = f"The right one comes first in {listed(shares)} (chance {percent(guess)})"
    at_chance = [row for row in told if not (known(row.low) and row.low > guess)]
    ranked = [row for row in at_chance if known(row.p_chance) and row.p_chance < ALPHA]
    if at_chance:
        text += f". For {_named(at_chance)} that is no more than chance"
    if ranked:
        of = f" for {_named(ranked)}" if len(ranked) < len(at_chance) else ""
        ps = ", ".join(p_number(row.p_chance) for row in ranked)
        text += f", though the mean rank is better{of} (p = {ps})"
    beside, beaten = _beside_words(told, gains or {})
    text = f"{text}.{beside}"
    if len(at_chance) == len(told) and not ranked:
        return Claim(question, NO, text)
    if beaten is False and len(at_chance) < len(told):
        return Claim(question, AS_WORDS, text)
    return Claim(question, PARTLY if at_chance or beaten is None else YES, text)


def _beside_words(
    told: Sequence[MetricRow], gains: Mapping[str, MetricRow]
) -> tuple[str, bool | None]:
    """Say what words alone find, and whether the vectors find more: None for in some batteries."""
    compared = [row for row in told if row.metric in gains and known(gains[row.metric].value)]
    if not compared:
        return "", True
    # words have no last token: that battery is held against the same messages
    once = [row for row in compared if "last" not in row.metric] or compared
    found = [f"{percent(row.control)} of {BATTERIES[row.metric]}" for row in once]
    text = f" Word counts of the stories, scored the same way, find it in {listed(found)}"
    more = [row for row in compared if _differs(gains[row.metric], 1)]
    if len(more) == len(compared):
        return f"{text}: the vectors find more.", True
    if more:
        return f"{text}: the vectors find more in {_named(more)} only.", None
    fewer = [row for row in compared if _differs(gains[row.metric], -1)]
    if len(fewer) == len(compared):
        return f"{text}: the vectors find it less often than plain word counts do.", False
    if fewer:
        rest = [row for row in compared if row not in fewer]
        short = ", ".join(signed(gains[row.metric].value) for row in rest)
        return (
            f"{text}. The vectors find it less often in {_named(fewer)}; in {_named(rest)} the "
            f"difference ({short}) is not certain.",
            False,
        )
    return f"{text}: what the vectors find need not be more than words.", False


def _known_low(row: MetricRow) -> float:
    return row.low if known(row.low) else -math.inf


def _differs(gain: MetricRow, sign: int) -> bool:
    """Whether a gain is told from none on that side, by its interval and, if any, by its p."""
    end = gain.low if sign > 0 else gain.high
    return known(end) and sign * end > 0 and not (known(gain.p) and gain.p >= ALPHA)


def _named(batteries: Sequence[MetricRow]) -> str:
    return " and ".join(BATTERIES[row.metric] for row in batteries)
