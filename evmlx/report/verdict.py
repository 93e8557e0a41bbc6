"""What a run's headline figures allow one to say, in sentences, by fixed rules.

Knows metric rows only, so that every sentence is about figures of `metrics.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from evmlx.report.claim import ALPHA, AS_WORDS, NO, PARTLY, UNKNOWN, YES, Claim, listed
from evmlx.report.format import interval, known, p_phrase, plain, signed
from evmlx.report.metrics import MetricRow
from evmlx.report.verdict_affect import affect_claim, circumplex_claim
from evmlx.report.verdict_texts import BATTERIES, graded, implicit_claim

MUCH_ALIKE = 0.7  # r from which two arrangements are called much the same


def verdict(
    rows: Mapping[str, MetricRow], chance: float, clusters: Mapping[str, bool]
) -> list[Claim]:
    """Answer four questions: on probe, clusters, human ratings and new texts, in that order.

    Parameters
    ----------
    rows : mapping of str to MetricRow
        Rows of the primary layer by metric.
    chance : float
        Accuracy of guessing, nan where unknown.
    clusters : mapping of str to bool
        Whether a cluster of two or more emotions coheres on its own.

    Returns
    -------
    list of Claim
        Nothing of stages that were not run.
    """
    claims = []
    if "probe_accuracy" in rows:
        claim = probe_claim(rows["probe_accuracy"], rows.get("probe_gain"), chance)
        auc = _by_auc(rows.get("probe_macro_auc_gain"))
        more = [auc, _nearest(rows.get("nearest_vector")), _within_scenes(rows)]
        claims.append(_with(claim, " ".join(filter(None, more))))
    if "cluster_cohesion" in rows:
        gain = rows.get("cluster_cohesion_gain")
        claim = cohesion_claim(rows["cluster_cohesion"], clusters, gain)
        corrected = rows.get("cluster_cohesion_corrected")
        claims.append(_with(claim, _like_the_words(rows.get("rsa_text"), corrected, gain)))
    if "norm_axis_valence_r" in rows and "norm_axis_arousal_r" in rows:
        claims.append(affect_claim(rows))
    elif "pc1_valence_r" in rows:
        claims.append(circumplex_claim(rows))
    batteries = [row for name, row in rows.items() if name in BATTERIES]
    if batteries:
        gains = {
            name: rows[name.replace("top1", "gain")]
            for name in BATTERIES
            if name.replace("top1", "gain") in rows
        }
        claim = implicit_claim(batteries, chance, gains)
        claims.append(_with(claim, graded(rows)))
    return claims


def _with(claim: Claim, more: str) -> Claim:
    return replace(claim, text=f"{claim.text} {more}") if more else claim


def _by_auc(gain: MetricRow | None) -> str:
    """Tell where the probe ranks emotions better than the words do, right or not at the top."""
    if gain is None or not known(gain.value) or not (known(gain.low) and gain.low > 0):
        return ""
    figure = f"{signed(gain.value, 3)} {interval(gain.low, gain.high, 3)}"
    return f"By macro AUC it is a little better than they are ({figure})."


def _nearest(row: MetricRow | None) -> str:
    """Tell what the vectors reach where nothing is trained, beside the same of the words."""
    if row is None or not known(row.value) or not known(row.control):
        return ""
    return (
        f"The vectors alone, with nothing trained, are right on {plain(row.value, 3)} "
        f"{interval(row.low, row.high, 3)}, means of word counts on {plain(row.control, 3)}."
    )


def _within_scenes(rows: Mapping[str, MetricRow]) -> str:
    """Tell the probe's figure with topic, place and person taken out, beside its control."""
    row, gain = rows.get("probe_within_scene"), rows.get("probe_within_scene_gain")
    if row is None or row.value is None or row.control is None:
        return ""
    figure = f"{plain(row.value, 3)} {interval(row.low, row.high, 3)}"
    paired = ""
    if gain is not None and known(gain.value):
        paired = f", gain {signed(gain.value, 3)} {interval(gain.low, gain.high, 3)}"
    return (
        f"Between tellings of one event: {figure} against {plain(row.control, 3)}{paired} (an "
        "easier task, not to be held against the other)."
    )


def _like_the_words(
    row: MetricRow | None, corrected: MetricRow | None, gain: MetricRow | None
) -> str:
    """Tell how much of the geometry mere word counts have."""
    if row is None or row.value is None:
        return ""
    cohere = more = ""
    if gain is not None and known(gain.value):
        more = f", {signed(gain.value, 3)} {interval(gain.low, gain.high, 3)} more"
    if corrected is not None and known(corrected.value) and "TF-IDF" in str(corrected.control_name):
        cohere = (
            f" Cleared of sampling noise, {plain(corrected.control, 3)} in word counts stands "
            f"beside {plain(corrected.value, 3)} {interval(corrected.low, corrected.high, 3)} in "
            f"the vectors{more}."
        )
    top = f"; at most {plain(row.ceiling)} could be expected" if known(row.ceiling) else ""
    lead = "Cosines of word counts"
    if row.value >= MUCH_ALIKE:
        lead = "Word counts alone arrange the emotions much the same way: their cosines"
    figure = f"{signed(row.value)} {interval(row.low, row.high)}"
    return f"{lead} correlate {figure} with the vectors'{top}.{cohere}"


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
            f"On topics that it was not trained on, a linear probe is right on {figure} of stories"
            f"{guess}, with no text control to hold that against.",
        )
    paired = gain is not None and known(gain.low) and known(gain.high)
    low, high = (gain.low, gain.high) if gain is not None and paired else (row.low, row.high)
    margin = f", gain {signed(gain.value, 3)} {interval(low, high, 3)}" if gain and paired else ""
    none = 0.0 if paired else row.control
    against = (
        f"On topics that it was not trained on, a linear probe is right on {figure} of stories, "
        f"word counts (TF-IDF) on {plain(row.control, 3)}{margin}{guess}"
    )
    if known(low) and low > none:
        return Claim(question, YES, f"{against}.")
    worse = known(high) and high < none
    end = "the words alone do better" if worse else "its accuracy can be had from the words alone"
    return Claim(question, NO, f"{against}: {end}.")


def cohesion_claim(
    row: MetricRow, clusters: Mapping[str, bool] | None = None, gain: MetricRow | None = None
) -> Claim:
    """Say whether emotions of a cluster lie closer together than emotions of two clusters.

    They do where p is below 0.05 and the interval, if there is one, above 0; in part where some
    clusters do not cohere on their own; no more than words where the interval of the gain over
    word counts holds 0.
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
        firm = [name for name, coheres in (clusters or {}).items() if coheres]
        loose = [name for name, coheres in (clusters or {}).items() if not coheres]
        answer = PARTLY if loose else YES
        if gain is not None and known(gain.low) and gain.low <= 0:
            answer = AS_WORDS
        if not loose:
            return Claim(question, answer, f"Mean {against}.")
        alone = f"On their own {listed(firm)} do; " if firm else ""
        return Claim(question, answer, f"Mean {against}. {alone}{listed(loose)} are not shown to.")
    return Claim(question, NO, f"No more than emotions dealt at random: mean {against}.")
