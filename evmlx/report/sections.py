"""The text of a report: its verdict and its sections in their order, as Markdown.

What the sections say is in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evmlx.report.affect import circumplex_section
from evmlx.report.claim import Claim
from evmlx.report.format import ABSENT, at_floor, known, literal, plain, table
from evmlx.report.geometry import coherent_clusters, geometry_section
from evmlx.report.headlines import marked_interval, marked_p, outside
from evmlx.report.layers import layers_section
from evmlx.report.metric_row import HEADLINES
from evmlx.report.metrics import LABELS, MetricRow, at_layer
from evmlx.report.probe import probe_section
from evmlx.report.record import (
    limits_section,
    published_section,
    record_section,
    subject,
    trial_warning,
    words_section,
)
from evmlx.report.run_results import STAGES, RunResults, number
from evmlx.report.texts import implicit_section, intensity_section
from evmlx.report.verdict import verdict

if TYPE_CHECKING:
    from evmlx.corpus import Corpus


def report_text(results: RunResults, rows: list[MetricRow], corpus: Corpus, plots: set[str]) -> str:
    """Compose ``REPORT.md``.

    Parameters
    ----------
    results : RunResults
        The run.
    rows : list of MetricRow
        Its metrics.
    corpus : Corpus
        Its corpus.
    plots : set of str
        Names of the plots that exist.

    Returns
    -------
    str
        Markdown.
    """
    name = literal(results.run["model"]["name"])
    opening = [f"# Emotion vectors in {name}", "", *trial_warning(results)]
    opening.append(f"- **What was measured.** {subject(results)}")
    opening += [f"- **{c.question} {c.answer}.** {c.text}" for c in claims(results, rows)]
    opening += [f"- {line}" for line in not_run(results)]
    sections = [opening, *report_sections(results, rows, corpus, plots)]
    return "\n\n".join("\n".join(section).strip() for section in sections if section) + "\n"


def report_sections(
    results: RunResults,
    rows: list[MetricRow],
    corpus: Corpus,
    plots: set[str],
    other_plots: bool = True,
) -> list[list[str]]:
    """Markdown lines of the sections after the verdict, each with its heading first.

    Parameters
    ----------
    results : RunResults
        The run.
    rows : list of MetricRow
        Its metrics.
    corpus : Corpus
        Its corpus.
    plots : set of str
        Names of the plots that exist.
    other_plots : bool
        Whether to link the plots of layers that are not shown.
    """
    sections = [
        _headlines(results, at_layer(rows, results.primary)),
        probe_section(results, plots),
        geometry_section(results, plots),
        circumplex_section(results, plots),
        implicit_section(results, corpus, plots),
        intensity_section(results, corpus, plots),
        layers_section(results, rows, plots, other_plots),
        published_section(results),
        record_section(results),
        limits_section(results, corpus),
        words_section(),
    ]
    return [section for section in sections if section]


def claims(results: RunResults, rows: list[MetricRow]) -> list[Claim]:
    """Answers of the verdict at the primary layer."""
    chance = number(results.stages.get("probe"), "chance")
    return verdict(at_layer(rows, results.primary), chance, coherent_clusters(results))


def not_run(results: RunResults) -> list[str]:
    """One line for each stage that has no result file."""
    return [
        f"**Not run yet:** {stage}. Run `{results.command(stage)}`."
        for stage in STAGES
        if stage not in results.stages
    ]


def _headlines(results: RunResults, here: Mapping[str, MetricRow]) -> list[str]:
    if not here:
        return []
    first = {name: row for name, row in here.items() if name in HEADLINES}
    others = {name: row for name, row in here.items() if name not in HEADLINES}
    head = ["", "value", "95% interval", "control", "p", "n"]
    lines = [f"## Headline figures, layer {results.primary}", ""]
    if first:
        lines += [*table(head, [_headline(row) for row in first.values()]), ""]
    if others:
        title = "### Further figures" if first else ""
        lines += [title, "", *table(head, [_headline(row) for row in others.values()]), ""]
    return [*lines, headline_notes(list(here.values()))]


def _headline(row: MetricRow) -> list[str]:
    label, digits, unit = LABELS[row.metric]
    if row.value is None:
        return [label, f"not computed: {literal(row.reason)}", "", "", "", ""]
    control = ABSENT
    if row.control is not None:
        control = f"{plain(row.control, digits)} ({row.control_name})"
    if known(row.words):
        control += f"; word counts {plain(row.words, digits)}"
    if row.ceiling is not None:
        control += f"; ceiling {plain(row.ceiling, digits)}"
    count = ABSENT if row.n is None else f"{row.n:,} {unit}"
    value = f"**{plain(row.value, digits)}**"
    return [label, value, marked_interval(row, digits), control, marked_p(row), count]


def headline_notes(rows: Sequence[MetricRow]) -> str:
    """Say how to read a table of figures, with the footnotes that its rows ask for."""
    notes = [
        "A figure speaks for the model only where it is better than its control: by p where there "
        "is one, else by the interval. The two can differ: they resample different things (topics, "
        "texts or emotions). p is for each figure alone; only that of a component is corrected, "
        "over the components. A likeness to TF-IDF that is high speaks for the words, "
        "not for the model. A control's own interval is left out here; gains are paired and have "
        "both in theirs."
    ]
    for row in rows:
        if at_floor(row.p, row.draws):
            notes.append(f"† The smallest p that {row.draws:,} draws allow.")
        if outside(row):
            notes.append("‡ Outside its own interval: the topics are too few for it, so go by p.")
    return " ".join(dict.fromkeys(notes))
