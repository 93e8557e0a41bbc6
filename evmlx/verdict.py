"""What a run's headline figures allow one to say, in sentences, by fixed rules.

Knows metric rows only, so that every sentence is about figures of `metrics.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evmlx.metrics import MetricRow
from evmlx.report_format import interval, known, p_number, p_phrase, percent, plain, signed

ALPHA = 0.05
YES, PARTLY, NO, UNKNOWN = "Yes", "In part", "No", "Not computed"
_BATTERIES = {
    "implicit_situation_top1": "situations",
    "implicit_message_top1": "messages",
    "implicit_message_last_top1": "messages read at the last token",
}


@dataclass(frozen=True)
class Claim:
    """A question, its answer (`YES`, `PARTLY`, `NO` or `UNKNOWN`) and the figures behind it."""

    question: str
    answer: str
    text: str


def verdict(rows: Mapping[str, MetricRow], chance: float, loose: Sequence[str]) -> list[Claim]:
    """Answer four questions: on probe, clusters, human ratings and new texts, in that order.

    Parameters
    ----------
    rows : mapping of str to MetricRow
        Rows of the primary layer by metric.
    chance : float
        Accuracy of guessing, nan where unknown.
    loose : sequence of str
        Clusters that do not cohere on their own.

    Returns
    -------
    list of Claim
        Nothing of stages that were not run.
    """
    claims = []
    if "probe_accuracy" in rows:
        claim = probe_claim(rows["probe_accuracy"], rows.get("probe_gain"), chance)
        claims.append(_with(claim, _within_scenes(rows.get("probe_within_scene"))))
    if "cluster_cohesion" in rows:
        claim = cohesion_claim(rows["cluster_cohesion"], loose)
        claims.append(_with(claim, _like_the_words(rows.get("rsa_text"))))
    if "norm_axis_valence_r" in rows and "norm_axis_arousal_r" in rows:
        claims.append(affect_claim(rows))
    elif "pc1_valence_r" in rows:
        claims.append(circumplex_claim(rows))
    batteries = [row for name, row in rows.items() if name in _BATTERIES]
    if batteries:
        gains = {
            name: rows[name.replace("top1", "gain")]
            for name in _BATTERIES
            if name.replace("top1", "gain") in rows
        }
        claim = implicit_claim(batteries, chance, gains)
        claims.append(_with(claim, _graded(rows)))
    return claims


def _with(claim: Claim, more: str) -> Claim:
    return replace(claim, text=f"{claim.text} {more}") if more else claim


def _within_scenes(row: MetricRow | None) -> str:
    """Tell the probe's figure with topic, place and person taken out, beside its control."""
    if row is None or row.value is None or row.control is None:
        return ""
    figure = f"{plain(row.value, 3)} {interval(row.low, row.high, 3)}"
    return f"Within scenes: {figure}, {row.control_name} {plain(row.control, 3)}."


def _like_the_words(row: MetricRow | None) -> str:
    """Tell how much of the geometry mere word counts have."""
    if row is None or row.value is None:
        return ""
    top = f"; at most {plain(row.ceiling)} could be expected" if known(row.ceiling) else ""
    return (
        f"Word counts alone give cosines that correlate {signed(row.value)} "
        f"{interval(row.low, row.high)} with these{top}."
    )


def _graded(rows: Mapping[str, MetricRow]) -> str:
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


def probe_claim(row: MetricRow, gain: MetricRow | None, chance: float) -> Claim:
    """Say whether the grouped probe beats TF-IDF on the same folds.

    It does where the interval of the gain lies above 0; in a run without a paired interval,
    where the probe's own interval lies above the control.
    """
    question = "Do residuals tell the emotion better than the words do?"
    if row.value is None:
        return Claim(question, UNKNOWN, f"{row.reason}.")
    figure = f"{plain(row.value, 3)} {interval(row.low, row.high, 3)}"
    guess = f" (chance {plain(chance)})" if known(chance) else ""
    if row.control is None:
        return Claim(
            question,
            UNKNOWN,
            f"The grouped probe is right on {figure} of stories{guess}, with no text control to "
            "hold that against.",
        )
    paired = gain is not None and known(gain.low) and known(gain.high)
    low, high = (gain.low, gain.high) if gain is not None and paired else (row.low, row.high)
    margin = f", gain {signed(gain.value, 3)} {interval(low, high, 3)}" if gain and paired else ""
    none = 0.0 if paired else row.control
    against = f"{figure} against {plain(row.control, 3)}{margin}{guess}"
    if known(low) and low > none:
        return Claim(question, YES, f"The grouped probe beats TF-IDF on the same folds, {against}.")
    lead = "is worse than" if known(high) and high < none else "does not beat"
    return Claim(
        question,
        NO,
        f"The grouped probe {lead} TF-IDF on the same folds, {against}; its accuracy can be had "
        "from the words alone.",
    )


def cohesion_claim(row: MetricRow, loose: Sequence[str] = ()) -> Claim:
    """Say whether emotions of a cluster lie closer together than emotions of two clusters.

    They do where p is below 0.05 and the interval, if there is one, above 0.
    """
    question = "Do emotions of one cluster lie together?"
    if row.value is None:
        return Claim(question, UNKNOWN, f"{row.reason}.")
    null = "" if row.control is None else f"; {plain(row.control)} with clusters permuted"
    against = (
        f"cosine within clusters minus between them {signed(row.value)} "
        f"{interval(row.low, row.high)}{null}, {p_phrase(row.p, row.draws)}"
    )
    apart = not (known(row.low) and row.low <= 0)
    if known(row.p) and row.p < ALPHA and row.value > 0 and apart:
        but = f". Not on its own: {', '.join(loose)}" if loose else ""
        return Claim(question, YES, f"Mean {against}{but}.")
    return Claim(question, NO, f"No more than emotions dealt at random: mean {against}.")


def affect_claim(rows: Mapping[str, MetricRow]) -> Claim:
    """Say whether human valence and arousal can be read off the vectors of unseen emotions.

    A norm can where the leave-one-out correlation has p < 0.05 and lies above that of permuted
    ratings. Yes where both can, in part where one can.
    """
    question = "Can human valence and arousal be read off the vectors?"
    axes = {norm: rows[f"norm_axis_{norm}_r"] for norm in ("valence", "arousal")}
    if all(row.value is None for row in axes.values()):
        return Claim(question, UNKNOWN, f"{axes['valence'].reason}.")
    told = [
        f"{norm} r = {signed(row.value)} {interval(row.low, row.high)} against "
        f"{signed(row.control)} with ratings permuted, {p_phrase(row.p)}"
        for norm, row in axes.items()
        if row.value is not None
    ]
    answer = (NO, PARTLY, YES)[sum(map(_read_off, axes.values()))]
    text = f"Predicted for emotions left out: {'; '.join(told)}."
    if "pc1_valence_r" in rows and rows["pc1_valence_r"].value is not None:
        sentences = "; ".join(_component_sentence(pc, rows) for pc in (1, 2))
        text += f" Of the two main directions, {sentences}."
    return Claim(question, answer, text)


def _read_off(row: MetricRow) -> bool:
    above = known(row.value) and row.value > (row.control if known(row.control) else 0)
    return above and known(row.p) and row.p < ALPHA


def circumplex_claim(rows: Mapping[str, MetricRow]) -> Claim:
    """Say which human norms the first two components follow, if any.

    A component follows a norm where p, corrected over the components, is below 0.05. The answer
    is yes where each norm is followed by one of the two components, in part where one is.
    """
    question = "Are the two main directions human valence and arousal?"
    found = [rows[f"pc{pc}_{norm}_r"] for pc in (1, 2) for norm in ("valence", "arousal")]
    if all(row.value is None for row in found):
        return Claim(question, UNKNOWN, f"{found[0].reason}.")
    sentences = [_component_sentence(pc, rows) for pc in (1, 2)]
    followed = {n for pc in (1, 2) for n in ("valence", "arousal") if follows(rows, pc, n)}
    answer = (NO, PARTLY, YES)[len(followed)]
    return Claim(question, answer, f"{'; '.join(sentences)}. p is corrected over the components.")


def follows(rows: Mapping[str, MetricRow], pc: int, norm: str) -> bool:
    """Whether a component's correlation with a norm is told from none at 5%."""
    row = rows.get(f"pc{pc}_{norm}_r")
    return row is not None and row.value is not None and known(row.p) and row.p < ALPHA


def plane_title(rows: Mapping[str, MetricRow]) -> str:
    """Say what the plane of the first two components shows, as a plot's title."""
    if all(rows[key].value is None for key in rows if key.startswith("pc")):
        return "Emotions in the model and in human ratings"
    said = []
    for pc in (1, 2):
        norms = [norm for norm in ("valence", "arousal") if follows(rows, pc, norm)]
        said.append(f"PC{pc} follows human {' and '.join(norms)}" if norms else "")
    if not any(said):
        return "Neither component follows human valence or arousal"
    return "; ".join(s or f"PC{i} follows neither" for i, s in enumerate(said, start=1))


def _component_sentence(pc: int, rows: Mapping[str, MetricRow]) -> str:
    told = {}
    for norm in ("valence", "arousal"):
        row = rows[f"pc{pc}_{norm}_r"]
        told[norm] = f"{norm} (r = {signed(row.value)}, p = {p_number(row.p)})"
    yes = [norm for norm in told if follows(rows, pc, norm)]
    no = [norm for norm in told if norm not in yes]
    if len(yes) == 2:
        return f"PC{pc} follows human {told['valence']} and {told['arousal']}"
    if yes:
        return f"PC{pc} follows human {told[yes[0]]}, not {told[no[0]]}"
    return f"PC{pc} follows neither human {told['valence']} nor {told['arousal']}"


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
        f"{percent(row.value)} [{percent(row.low)}, {percent(row.high)}] of "
        f"{_BATTERIES[row.metric]}"
        for row in told
    ]
    text = f"The right one comes first in {_joined(shares)} (chance {percent(guess)})"
    at_chance = [row for row in told if not (known(row.low) and row.low > guess)]
    ranked = [row for row in at_chance if known(row.p) and row.p < ALPHA]
    if at_chance:
        text += f". For {_listed(at_chance)} that is no more than chance"
    if ranked:
        of = f" for {_listed(ranked)}" if len(ranked) < len(at_chance) else ""
        ps = ", ".join(p_number(row.p) for row in ranked)
        text += f", though the mean rank is better{of} (p = {ps})"
    beside, beaten = _beside_words(told, gains or {})
    text = f"{text}.{beside}"
    if len(at_chance) == len(told) and not ranked:
        return Claim(question, NO, text)
    return Claim(question, PARTLY if at_chance or not beaten else YES, text)


def _beside_words(told: Sequence[MetricRow], gains: Mapping[str, MetricRow]) -> tuple[str, bool]:
    """Say what words alone find, and whether the vectors find more in every battery."""
    compared = [row for row in told if row.metric in gains and known(gains[row.metric].value)]
    if not compared:
        return "", True
    found = [f"{percent(row.control)} of {_BATTERIES[row.metric]}" for row in compared]
    text = f" Word counts of the stories, scored the same way, find it in {_joined(found)}"
    more = [row for row in compared if _known_low(gains[row.metric]) > 0]
    if len(more) == len(compared):
        return f"{text}: the vectors find more.", True
    if more:
        return f"{text}: the vectors find more in {_listed(more)} only.", False
    return f"{text}: what the vectors find need not be more than words.", False


def _known_low(row: MetricRow) -> float:
    return row.low if known(row.low) else -math.inf


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]


def _listed(batteries: Sequence[MetricRow]) -> str:
    return " and ".join(_BATTERIES[row.metric] for row in batteries)
