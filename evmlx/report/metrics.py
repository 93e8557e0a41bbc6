"""The headline figures of a run as rows: value, interval, control and p of each.

`metrics.json` and the tables and sentences of the report are made of these rows alone, so that
they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evmlx.report.metric_row import LABELS, MetricRow, finite
from evmlx.report.metrics_geometry import (
    circumplex_rows,
    corrected_p,
    fisher_interval,
    geometry_rows,
)
from evmlx.report.metrics_probe import probe_rows
from evmlx.report.metrics_texts import implicit_rows, intensity_rows
from evmlx.report.run_results import RunResults, read_results

__all__ = [
    "LABELS",
    "MetricRow",
    "at_layer",
    "corrected_p",
    "finite",
    "fisher_interval",
    "metric_rows",
    "metrics",
]

_ROWS = {
    "probe": probe_rows,
    "geometry": geometry_rows,
    "circumplex": circumplex_rows,
    "implicit": implicit_rows,
    "intensity": intensity_rows,
}


def metrics(folder: Path) -> list[MetricRow]:
    """Collect the headline figures of every sampled layer.

    Parameters
    ----------
    folder : Path
        Run folder with ``run.json`` and those result files whose stage was run.

    Returns
    -------
    list of MetricRow
        By layer, then in the order of `LABELS`; nothing of stages that were not run, nor of
        figures that an older evmlx did not compute.

    Raises
    ------
    EvmlxError
        As `read_results`.
    """
    return metric_rows(read_results(folder))


def metric_rows(results: RunResults) -> list[MetricRow]:
    """Collect the rows of `metrics` from result files already read."""
    place = {metric: at for at, metric in enumerate(LABELS)}
    rows: list[MetricRow] = []
    for layer in results.layers:
        here = [
            row
            for stage, read in _ROWS.items()
            if stage in results.stages
            for row in read(results, layer)
        ]
        rows += sorted(here, key=lambda row: place[row.metric])
    return rows


def at_layer(rows: Sequence[MetricRow], layer: int) -> dict[str, MetricRow]:
    """Rows of one layer by metric."""
    return {row.metric: row for row in rows if row.layer == layer}
