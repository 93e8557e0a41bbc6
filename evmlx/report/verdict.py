"""What a run's headline figures allow one to say, in sentences, by fixed rules.

Knows metric rows only, so that every sentence is about figures of `metrics.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evmlx.report.claim import ALPHA, NO, PARTLY, UNKNOWN, YES, Claim
from evmlx.report.format import interval, known, p_number, p_phrase, plain, signed
from evmlx.report.metrics import MetricRow
from evmlx.report.verdict_texts import BATTERIES, graded, implicit_claim


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
        corrected = rows.get("cluster_cohesion_corrected")
        claims.append(_with(claim, _like_the_words(rows.get("rsa_text"), corrected)))
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


def _within_scenes(row: MetricRow | None) -> str:
    """Tell the probe's figure with topic, place and person taken out, beside its control."""
    if row is None or row.value is None or row.control is None:
        return ""
    figure = f"{plain(row.value, 3)} {interval(row.low, row.high, 3)}"
    return f"Within scenes: {figure}, {row.control_name} {plain(row.control, 3)}."


def _like_the_words(row: MetricRow | None, corrected: MetricRow | None) -> str:
    """Tell how much of the geometry mere word counts have."""
    if row is None or row.value is None:
        return ""
    cohere = ""
    if corrected is not None and known(corrected.value) and "TF-IDF" in str(corrected.control_name):
        cohere = (
            f" They cohere by {signed(corrected.control)} where the vectors do by "
            f"{signed(corrected.value)}, noise taken out."
        )
    top = f"; at most {plain(row.ceiling)} could be expected" if known(row.ceiling) else ""
    return (
        f"Word counts alone give cosines that correlate {signed(row.value)} "
        f"{interval(row.low, row.high)} with these{top}.{cohere}"
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
