"""Sections of the report on new texts: feelings not named, and feelings that grow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evmlx.report.format import (
    at_floor,
    dagger,
    interval,
    literal,
    p_number,
    p_phrase,
    percent,
    picture,
    plain,
    signed,
    table,
)
from evmlx.report.run_results import RunResults, get, number, reason

if TYPE_CHECKING:
    from evmlx.corpus import Corpus

BATTERIES = {
    "situation": "situations, mean over tokens",
    "message": "messages, mean over tokens",
    "message_last": "messages, last token of the prompt",
}
WAYS = {  # how a battery was scored: what the table adds to its name
    "centred": "",
    "own_centred": ", less their own mean",
    "z_scored": ", z-scored",
}
SCORE_HEAD = ("texts", "first", "first three", "first five", "mean rank", "p", "hub")


def implicit_section(results: RunResults, corpus: Corpus, plots: set[str]) -> list[str]:
    """Ranks of the right emotion in texts that do not name it."""
    if "implicit" not in results.stages:
        return []
    found = results.layer("implicit", results.primary)
    lines = ["## Texts that do not name the feeling", "", *_examples(corpus), *_pictures(plots)]
    body = _battery_rows(results, found)
    if not body:
        why = reason(results.stages["implicit"]) or "the results file has no such layer"
        return [*lines, f"Not computed: {why}."]
    lines += table(["battery, read how", *SCORE_HEAD[:-1], "macro AUC", "hub"], body)
    chances = [number(battery, "centred", "chance_top1") for battery in found.values()]
    guess = next((f"Chance for first is {percent(c)}. " for c in chances if math.isfinite(c)), "")
    own = (
        " Less their own mean: the prompts' mean is taken out, not the stories', as was fixed "
        "beforehand for the last token; that row is the headline's."
    )
    has_own = any(get(battery, "own_centred") is not None for battery in found.values())
    return [
        *lines,
        "",
        f"{guess}p is that of the mean rank against guessing, the targets permuted over the "
        "texts; the gain over words is in the headline table, with its own. Centred, unless the "
        "row says otherwise. Z-scored: each "
        f"vector's scores standardised over the battery, so that none is high everywhere."
        f"{own if has_own else ''} Macro AUC: how well a vector's scores part its own texts from "
        "the others, 0.5 by chance. Words alone: the same with word counts in place of "
        "residuals. Hub: the emotion that most often stands among the first "
        f"three, and in what share of the texts{_fair(chances)}."
        + dagger(body, get(next(iter(found.values())), "centred", "draws")),
    ]


def _pictures(plots: set[str]) -> list[str]:
    """Plots of the ranks, each with how to read it."""
    lines: list[str] = []
    if "implicit.png" in plots:
        lines += picture(
            "implicit.png",
            "How often the right emotion comes first, per battery",
            "Every new text is scored by its cosine with each emotion vector, and the emotions "
            "are ranked. Dark bars: each vector's scores standardised over the battery; light "
            "ones: centred, which means that what the stories share is taken out first (at the "
            "last token, what the messages share there); "
            "palest: as published, without that. Lines are 95% intervals, dashes chance; for the "
            "mean rank, shorter is better. What word counts reach is in the table below.",
        )
    if "ranks.png" in plots:
        lines += picture(
            "ranks.png",
            "Rank of the right emotion in every new text, by the model and by word counts",
            "A row is an emotion, the best found on average first, in one order throughout; a dot "
            "is the rank that it got in a text written for it by centred scores, larger where "
            "several texts share a rank. Filled dots far to the left: the vectors find the "
            "emotion. Hollow dots further left: word counts find it better. Dashes: guessing.",
        )
    return lines


def _battery_rows(results: RunResults, found: Mapping[str, Any]) -> list[list[str]]:
    """One row a battery and way of scoring, then those of the words alone."""
    body = []
    for battery, label in BATTERIES.items():
        given = get(found, battery)
        if given is None:
            continue
        if get(given, "centred") is None:
            body.append([label, f"not computed: {reason(given) or 'no figure'}", *[""] * 7])
            continue
        for way, name in WAYS.items():
            spare = way == "own_centred" and battery != "message_last"
            if get(given, way) is not None and not spare:
                score = get(given, way)
                cells = score_cells(score)
                body.append([label + name, str(get(given, "n")), *cells[:-1], _auc(score)])
                body[-1].append(cells[-1])
    for battery, control in (get(results.stages["implicit"], "text_control") or {}).items():
        score = get(control, "centred")
        if score is not None:
            cells = score_cells(score)
            name = f"{battery}s, words alone (TF-IDF)"
            body.append([name, str(get(control, "n")), *cells[:-1], _auc(score), cells[-1]])
    return body


def _fair(chances: Sequence[float]) -> str:
    fair = next((3 * chance for chance in chances if math.isfinite(chance)), math.nan)
    return f" ({percent(fair)} were each there equally often)" if fair < 1 else ""


def _examples(corpus: Corpus) -> list[str]:
    """One text of each battery, so that a reader sees what is asked."""
    about = {
        "situation": "Situations are scenes in which somebody feels something.",
        "message": "Messages are what a user might write; they go through the chat template, "
        "where the model has one.",
    }
    lines = []
    for battery, said in about.items():
        given = next((text for text in corpus.scenarios if text.battery == battery), None)
        if given is not None:
            lines += [
                f"{said} One written for *{literal(given.target)}*:",
                "",
                f"> {literal(given.text)}",
                "",
            ]
    return lines


def _auc(score: Any) -> str:
    bounds = interval(number(score, "macro_auc_low"), number(score, "macro_auc_high"))
    value = plain(number(score, "macro_auc"))
    known = math.isfinite(number(score, "macro_auc_low"))
    return f"{value} {bounds}" if known else value


def score_cells(score: Any) -> list[str]:
    """Top-1, 3, 5 and mean rank with intervals, p and hub of one battery."""
    cells = []
    for key, digits in (("top1", 2), ("top3", 2), ("top5", 2), ("mean_rank", 1)):
        low, high = number(score, f"{key}_low"), number(score, f"{key}_high")
        bounds = f" {interval(low, high, digits)}" if math.isfinite(low) else ""
        cells.append(plain(number(score, key), digits) + bounds)
    p = number(score, "p")
    floor = " †" if at_floor(p, get(score, "draws")) else ""
    hub = f"{literal(get(score, 'hub_emotion'))} {percent(number(score, 'hub_share'))}"
    return [*cells, p_number(p) + floor, hub]


def _template(corpus: Corpus, name: str) -> list[str]:
    """A graded text and its control, so that a reader sees what grows."""
    first = next((template for template in corpus.intensity if template.id == name), None)
    if first is None:
        return []
    low, high = min(first.values), max(first.values)
    return [
        "Each text has a number in it that makes the feeling stronger or weaker. One of them, "
        f"with n from {low:g} to {high:g}:",
        "",
        f"> {literal(first.text)}",
        "",
        "The same numbers where nobody feels anything, its control text:",
        "",
        f"> {literal(first.control_text)}",
        "",
    ]


def intensity_section(results: RunResults, corpus: Corpus, plots: set[str]) -> list[str]:
    """Whether a larger number in a text means a higher score, beside a text without feeling."""
    if "intensity" not in results.stages:
        return []
    found = results.layer("intensity", results.primary)
    lines = ["## Feelings that grow", ""]
    templates = get(found, "templates") or ()
    if not templates:
        why = reason(found) or reason(results.stages["intensity"]) or "no templates"
        return [*lines, f"Not computed: {why}."]
    lines += _template(corpus, str(get(templates[0], "id")))
    if "intensity.png" in plots:
        lines += picture(
            "intensity.png",
            "Score of the target emotion as the number in the text changes",
            "One panel a text. Across: the number in the text, with more feeling to the right. Up: "
            "the cosine with the target emotion's vector, less its mean. Solid: the text; dashed: "
            "its control text, with the same numbers and no feeling in them. A solid line that "
            "rises where the dashed one does not is what to look for; where both fall together, "
            "the number itself moves the score.",
        )
    body = [
        [
            literal(get(one, "id")),
            literal(get(one, "target")),
            signed(number(one, "rho")),
            signed(number(one, "control_rho")),
            signed(number(one, "difference")),
        ]
        for one in templates
    ]
    means = [number(found, f"mean_{key}") for key in ("rho", "control_rho", "difference")]
    body.append(["**mean**", "", *(f"**{signed(mean)}**" for mean in means)])
    lines += table(["text", "target", "rho", "control", "difference"], body)
    bounds = interval(number(found, "low"), number(found, "high"))
    null = signed(number(found, "null_mean"))
    if not math.isfinite(means[2]):
        return [*lines, "", f"Mean not computed: {reason(found) or 'no figure'}."]
    return [
        *lines,
        "",
        f"rho is the rank correlation of the target's score with the number, its sign turned "
        "where a smaller number means more; the control text has the same numbers. Differences "
        "are of unrounded figures, and can reach 2. The mean difference is "
        f"{signed(means[2])} {bounds}; random directions give {null}, "
        f"{p_phrase(number(found, 'p'), get(found, 'draws'))}.",
    ]
