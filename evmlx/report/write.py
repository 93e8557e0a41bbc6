"""The report of a run folder: plots, `metrics.json`, `REPORT.md` and `report.html`.

Knows which files there are; `sections` and `html_page` compose them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evmlx.report.metrics import metric_rows
from evmlx.report.run_results import read_results
from evmlx.report.sections import report_text
from evmlx.store import replacing, write_json

if TYPE_CHECKING:
    from evmlx.corpus import Corpus
    from evmlx.report.story_scores import Told


def write_report(folder: Path, corpus: Corpus, told: Sequence[Told] | str = "") -> list[Path]:
    """Write plots, ``metrics.json``, ``REPORT.md`` and ``report.html`` from result files.

    Parameters
    ----------
    folder : Path
        Run folder; stages that were not run are left out of the report, with the command that
        runs them.
    corpus : Corpus
        The run's corpus.
    told : sequence of Told, or str
        Scored texts for the story browser, or why there are none.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    EvmlxError
        If a file of the folder is missing or damaged, or cannot be written.
    """
    from evmlx.plots.draw import write_plots
    from evmlx.report.html_page import report_page

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
    names = {path.name for path in plots}
    report, page = folder / "REPORT.md", folder / "report.html"
    with replacing(report) as file:
        file.write(report_text(results, rows, corpus, names).encode())
    with replacing(page) as file:
        file.write(report_page(results, rows, corpus, names, told).encode())
    return [*plots, listed, report, page]
