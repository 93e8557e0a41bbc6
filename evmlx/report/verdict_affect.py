"""What a run allows one to say about human ratings: axes read off, components that follow them."""

from __future__ import annotations

from collections.abc import Mapping

from evmlx.report.claim import ALPHA, AS_WORDS, NO, PARTLY, UNKNOWN, YES, Claim, listed
from evmlx.report.format import interval, known, p_number, p_phrase, plain, signed
from evmlx.report.metrics import MetricRow
from evmlx.report.metrics_geometry import NORMS


def affect_claim(rows: Mapping[str, MetricRow]) -> Claim:
    """Say whether human valence and arousal can be read off the vectors of unseen emotions.

    A norm can where the leave-one-out correlation has p < 0.05 and lies above that of permuted
    ratings. Yes where both can and word counts, treated alike, give neither; no more than words
    where words give what can; else in part.
    """
    question = "Can human valence and arousal be read off the vectors?"
    shown = {n: rows[f"norm_axis_{n}_r"] for n in NORMS if f"norm_axis_{n}_r" in rows}
    axes = {norm: shown[norm] for norm in ("valence", "arousal")}
    if all(row.value is None for row in axes.values()):
        return Claim(question, UNKNOWN, f"{axes['valence'].reason}.")
    told = [
        f"{norm} r = {_spread(row)}, {p_phrase(row.p)}"
        for norm, row in shown.items()
        if row.value is not None
    ]
    against = ""
    if nulls := [signed(row.control) for row in shown.values() if known(row.control)]:
        against = f", against {listed(list(dict.fromkeys(nulls)))} with ratings permuted"
    by_words = [norm for norm, row in shown.items() if _read_off(row) and _by_words(row)]
    text = f"{_lead(shown)}. Predicted for emotions left out: {'; '.join(told)}{against}."
    if "pc1_valence_r" in rows and rows["pc1_valence_r"].value is not None:
        sentences = "; ".join(_component_sentence(pc, rows) for pc in (1, 2))
        text += f" Of the two main directions, {sentences}."
    text += _plane(rows.get("procrustes_r2"))
    if by_words:
        figures = [
            f"{norm} r = {signed(shown[norm].words)}, {p_phrase(shown[norm].words_p)}"
            for norm in by_words
        ]
        them = "it" if len(by_words) == 1 else "them"
        too = f"give {them} too: {'; '.join(figures)}"
        text += f" Word counts of the stories, treated alike, {too}."
    return Claim(question, _answer(axes), text)


def _answer(axes: Mapping[str, MetricRow]) -> str:
    """Answer for the axes asked about, of which some are read off and some the model's own."""
    found = [row for row in axes.values() if _read_off(row)]
    own = [row for row in found if not _by_words(row)]
    if not found:
        return NO
    if not own:
        return AS_WORDS
    return YES if len(own) == len(axes) else PARTLY


def _lead(shown: Mapping[str, MetricRow]) -> str:
    """Say which ratings are read off and which are not shown to be."""
    yes = [norm for norm, row in shown.items() if _read_off(row)]
    no = [norm for norm, row in shown.items() if norm not in yes and row.value is not None]
    parts = [f"{listed(yes)} can"] if yes else []
    parts += [f"{listed(no)} {'is' if len(no) == 1 else 'are'} not shown to be"] if no else []
    said = "; ".join(parts)
    return said[:1].upper() + said[1:]


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
    return f"PC{pc} is shown to follow neither human {told['valence']} nor {told['arousal']}"
