"""The report of a run folder: plots, `metrics.json` and `REPORT.md`.

Knows the order of the sections; what they say is in `report_findings` and `report_record`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evmlx.metrics import LABELS, MetricRow, at_layer, metric_rows
from evmlx.report_findings import (
    circumplex_section,
    geometry_section,
    implicit_section,
    loose_clusters,
    probe_section,
)
from evmlx.report_format import ABSENT, at_floor, interval, known, p_number, plain, table
from evmlx.report_layers import layers_section
from evmlx.report_record import limits_section, published_section, record_section, subject
from evmlx.run_results import STAGES, RunResults, number, read_results
from evmlx.store import replacing, write_json
from evmlx.verdict import verdict

if TYPE_CHECKING:
    from evmlx.corpus import Corpus


def write_report(folder: Path, corpus: Corpus) -> list[Path]:
    """Write plots, ``metrics.json`` and ``REPORT.md`` from a run's result files.

    Parameters
    ----------
    folder : Path
        Run folder; stages that were not run are left out of the report, with the command that
        runs them.
    corpus : Corpus
        The run's corpus.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    EvmlxError
        If a file of the folder is missing or damaged, or cannot be written.
    """
    from evmlx.plots import write_plots

    results = read_results(folder)
    rows = metric_rows(results)
    plots = write_plots(results, corpus)
    listed = folder / "metrics.json"
    write_json(
        listed,
        {
            "schema": 1,
            "model": results.run["model"]["name"],
            "corpus_digest": results.run["corpus"]["digest"],
            "rows": [asdict(row) for row in rows],
        },
    )
    report = folder / "REPORT.md"
    with replacing(report) as file:
        file.write(report_text(results, rows, corpus, {path.name for path in plots}).encode())
    return [*plots, listed, report]


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
    here = at_layer(rows, results.primary)
    sections = [
        _opening(results, here),
        _headlines(results, here),
        circumplex_section(results, plots),
        geometry_section(results, plots),
        probe_section(results, plots),
        implicit_section(results, plots),
        layers_section(results, rows, plots),
        published_section(results),
        limits_section(results, corpus),
        record_section(results),
    ]
    return "\n\n".join("\n".join(section).strip() for section in sections if section) + "\n"


def _opening(results: RunResults, here: dict[str, MetricRow]) -> list[str]:
    chance = number(results.stages.get("probe"), "chance")
    claims = verdict(here, chance, loose_clusters(results))
    lines = [f"# Emotion vectors in {results.run['model']['name']}", "", *subject(results), ""]
    lines += [f"- **{claim.question} {claim.answer}.** {claim.text}" for claim in claims]
    for stage in STAGES:
        if stage not in results.stages:
            lines.append(f"- **Not run yet:** {stage}. Run `{results.command(stage)}`.")
    return lines


def _headlines(results: RunResults, here: dict[str, MetricRow]) -> list[str]:
    if not here:
        return []
    body = []
    notes = [
        "A figure says something about the model only where its interval leaves out its control. "
        "p of a component is corrected over the components; p of a battery is that of its mean "
        "rank."
    ]
    for name, row in here.items():
        label, digits, unit = LABELS[name]
        if row.value is None:
            body.append([label, f"not computed: {row.reason}", "", "", "", ""])
            continue
        bounds, p, control = interval(row.low, row.high, digits), p_number(row.p), ABSENT
        if at_floor(row.p, row.draws):
            p += " †"
            notes.append(f"† The smallest p that {row.draws:,} draws allow.")
        if known(row.low) and known(row.high) and not row.low <= row.value <= row.high:
            bounds += " ‡"
            notes.append("‡ Outside its own interval: the topics are too few for it, so go by p.")
        if row.control is not None:
            control = f"{plain(row.control, digits)} ({row.control_name})"
        count = ABSENT if row.n is None else f"{row.n:,} {unit}"
        body.append([label, f"**{plain(row.value, digits)}**", bounds, control, p, count])
    lines = [f"## Headline figures, layer {results.primary}", ""]
    lines += table(["", "value", "95% interval", "control", "p", "n"], body)
    return [*lines, "", " ".join(dict.fromkeys(notes))]
