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
        more = [_by_auc(rows.get("probe_macro_auc_gain")), _within_scenes(rows)]
        claims.append(_with(claim, " ".join(filter(None, more))))
    if "cluster_cohesion" in rows:
        claim = cohesion_claim(rows["cluster_cohesion"], clusters)
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


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def _with(claim: Claim, more: str) -> Claim:
    return replace(claim, text=f"{claim.text} {more}") if more else claim


def _by_auc(gain: MetricRow | None) -> str:
    """Tell where the probe ranks emotions better than the words do, right or not at the top."""
    if gain is None or not known(gain.value) or not (known(gain.low) and gain.low > 0):
        return ""
    figure = f"{signed(gain.value, 3)} {interval(gain.low, gain.high, 3)}"
    return f"It orders the emotions somewhat better than they do (macro AUC {figure})."


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


def _like_the_words(row: MetricRow | None, corrected: MetricRow | None) -> str:
    """Tell how much of the geometry mere word counts have."""
    if row is None or row.value is None:
        return ""
    cohere = ""
    if corrected is not None and known(corrected.value) and "TF-IDF" in str(corrected.control_name):
        cohere = (
            f" By cohesion without noise, word counts have {plain(corrected.control, 3)}, the "
            f"vectors {plain(corrected.value, 3)} {interval(corrected.low, corrected.high, 3)}."
        )
    top = f"; at most {plain(row.ceiling)} could be expected" if known(row.ceiling) else ""
    return (
        f"Word counts alone arrange the emotions much the same way: their cosines correlate "
        f"{signed(row.value)} {interval(row.low, row.high)} with the vectors'{top}.{cohere}"
        if row.value >= MUCH_ALIKE
        else f"Cosines of word counts correlate {signed(row.value)} "
        f"{interval(row.low, row.high)} with the vectors'{top}.{cohere}"
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


def cohesion_claim(row: MetricRow, clusters: Mapping[str, bool] | None = None) -> Claim:
    """Say whether emotions of a cluster lie closer together than emotions of two clusters.

    They do where p is below 0.05 and the interval, if there is one, above 0; in part where some
    clusters do not cohere on their own.
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
        if not loose:
            return Claim(question, YES, f"Mean {against}.")
        alone = f"On their own {_names(firm)} do; " if firm else ""
        return Claim(question, PARTLY, f"Mean {against}. {alone}{_names(loose)} are not shown to.")
    return Claim(question, NO, f"No more than emotions dealt at random: mean {against}.")


def affect_claim(rows: Mapping[str, MetricRow]) -> Claim:
    """Say whether human valence and arousal can be read off the vectors of unseen emotions.

    A norm can where the leave-one-out correlation has p < 0.05 and lies above that of permuted
    ratings. Yes where both can and word counts, treated alike, give neither; in part where one
    can, or word counts give one as well.
    """
    question = "Can human valence and arousal be read off the vectors?"
    axes = {norm: rows[f"norm_axis_{norm}_r"] for norm in ("valence", "arousal")}
    shown = axes | {n: r for n in ("dominance",) if (r := rows.get(f"norm_axis_{n}_r"))}
    if all(row.value is None for row in axes.values()):
        return Claim(question, UNKNOWN, f"{axes['valence'].reason}.")
    told = [
        f"{norm} r = {_spread(row)}, {p_phrase(row.p)}"
        for norm, row in shown.items()
        if row.value is not None
    ]
    nulls = [signed(row.control) for row in shown.values() if known(row.control)]
    against = f", against {_names(list(dict.fromkeys(nulls)))} with ratings permuted" * bool(nulls)
    yes = [norm for norm, row in shown.items() if _read_off(row)]
    no = [norm for norm, row in shown.items() if norm not in yes and row.value is not None]
    lead = f"{_names(yes).capitalize()} can" if yes else ""
    if no:
        lead += "; " if lead else ""
        lead += f"{_names(no)} {'is' if len(no) == 1 else 'are'} not shown to be"
    lead = lead[:1].upper() + lead[1:]
    answer = (NO, PARTLY, YES)[sum(map(_read_off, axes.values()))]
    by_words = [norm for norm in yes if _by_words(shown[norm])]
    if by_words and answer == YES:
        answer = PARTLY
    text = f"{lead}. Predicted for emotions left out: {'; '.join(told)}{against}."
    if "pc1_valence_r" in rows and rows["pc1_valence_r"].value is not None:
        sentences = "; ".join(_component_sentence(pc, rows) for pc in (1, 2))
        text += f" Of the two main directions, {sentences}."
    text += _plane(rows.get("procrustes_r2"))
    if by_words:
        figures = [
            f"{norm} r = {signed(shown[norm].words)}, {p_phrase(shown[norm].words_p)}"
            for norm in by_words
        ]
        too = f"give {_them(by_words)} too: {'; '.join(figures)}"
        text += f" Word counts of the stories, treated alike, {too}."
    return Claim(question, answer, text)


def _spread(row: MetricRow) -> str:
    bounds = f" {interval(row.low, row.high)}" if known(row.low) and known(row.high) else ""
    return f"{signed(row.value)}{bounds}"


def _plane(row: MetricRow | None) -> str:
    """Tell where the plane of two directions fits the ratings though neither follows one."""
    if row is None or not known(row.value) or not (known(row.p) and row.p < ALPHA):
        return ""
    return (
        f" Their plane, turned freely, fits the ratings better than permuted ones do: R² "
        f"{plain(row.value)} against {plain(row.control)}, {p_phrase(row.p)}."
    )


def _read_off(row: MetricRow) -> bool:
    above = known(row.value) and row.value > (row.control if known(row.control) else 0)
    return above and known(row.p) and row.p < ALPHA


def _them(norms: Sequence[str]) -> str:
    return "it" if len(norms) == 1 else "them"


def _by_words(row: MetricRow) -> bool:
    """Whether word counts give the rating as well."""
    return known(row.words_p) and row.words_p < ALPHA and known(row.words) and row.words > 0


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
