"""results/README.md: every finished run in one table, and what others have published apart from it.

Rows are sorted by name: a ranking would have to choose the figure to rank by.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evmlx.comparison.read import Entry, read_entries
from evmlx.comparison.warnings import corpus_name, precision
from evmlx.errors import EvmlxError
from evmlx.intervals import clopper_pearson
from evmlx.report.format import ABSENT, interval, known, plain, table
from evmlx.report.metrics import LABELS, MetricRow
from evmlx.report.run_results import get
from evmlx.store import read_json, replacing

FIGURES = {  # metric: head of its column
    "probe_accuracy": "probe",
    "probe_gain": "probe − TF-IDF",
    "probe_within_scene": "within scenes",
    "cluster_cohesion": "cohesion",
    "norm_axis_valence_r": "valence r",
    "norm_axis_arousal_r": "arousal r",
    "implicit_situation_top1": "situations",
    "implicit_message_top1": "messages",
    "intensity_difference": "intensity",
}
PUBLISHED = "published"
INTRODUCTION = """# Results

Runs made with evmlx, one folder each. Every figure is that of the run's primary layer, fixed before
anything was measured, with its 95% interval and, under it, its control.
"""
READING = """## How to read it

- **probe**: accuracy of a linear probe on unseen topics; control: TF-IDF on the same folds.
  **probe − TF-IDF**: their difference, paired over topics. At or below 0, the residuals tell the
  emotions apart no better than the words do.
- **within scenes**: which of the tellings of one event a story is, with what they share taken out;
  the control is TF-IDF treated alike. Not comparable with the plain accuracy.
- **cohesion**: mean cosine of vectors within a cluster of emotions minus across clusters; control:
  clusters permuted.
- **valence r**, **arousal r**: human ratings read off the vectors, each emotion left out in turn.
  The control, with ratings permuted, is below 0; beside it what word counts give.
- **situations**, **messages**: share of new texts that name no emotion whose highest score is that
  of the emotion they were written for; control: TF-IDF means of the stories.
- **intensity**: how closely scores follow a number that grades the emotion, less the same for a
  control text; control: random directions.

Two overlapping intervals do not show that two models are alike, nor that they differ: `evmlx
compare` pairs them topic by topic. Figures on different corpora are not comparable, which is why
they stand in different tables. {dash} marks what a run has not.
"""


def write_leaderboard(path: Path, folders: Sequence[Path]) -> Path:
    """Write the table of all runs.

    Parameters
    ----------
    path : Path
        A Markdown file; links to the runs are relative to it. Figures of others are read from the
        JSON files in ``published/`` beside it.
    folders : sequence of Path
        Run folders.

    Raises
    ------
    EvmlxError
        As `evmlx.comparison.read.read_entries`, or if a file of others' figures is incomplete.
    """
    entries = sorted(read_entries(folders), key=lambda entry: entry.name)
    lines = leaderboard_lines(entries, path.parent)
    command = shlex.join(["evmlx", "compare", _given(folders), "--leaderboard", str(path)])
    lines += ["", "---", "", f"Written by `{command.replace(chr(39), '')}`."]
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
    return path


def _given(folders: Sequence[Path]) -> str:
    """Return the pattern that stands for the folders where they share a parent."""
    parents = {folder.parent for folder in folders}
    if len(folders) > 1 and len(parents) == 1:
        return f"{parents.pop()}/*"
    return " ".join(map(str, folders))


def leaderboard_lines(entries: Sequence[Entry], home: Path) -> list[str]:
    """Return the page without its last line.

    Parameters
    ----------
    entries : sequence of Entry
        In the order of the rows.
    home : Path
        Folder of the page.
    """
    lines = INTRODUCTION.splitlines()
    by_corpus: dict[str, list[Entry]] = {}
    for entry in entries:
        by_corpus.setdefault(entry.digest or "", []).append(entry)
    for digest, runs in sorted(by_corpus.items(), key=lambda item: -len(item[1])):
        corpus = runs[0].record.get("corpus") or {}
        name = f"{corpus_name(runs[0])} {corpus.get('version') or ''}".strip()
        about = f"{corpus.get('stories')} stories, digest `{digest[:12]}`"
        lines += ["", f"## On {name}", "", f"{about[0].upper()}{about[1:]}.", ""]
        lines += table(_HEAD, [_row(entry, home) for entry in runs])
        lines += ["", *table(["run", *FIGURES.values()], [_figures(entry, home) for entry in runs])]
    lines += ["", *READING.format(dash=ABSENT).splitlines()]
    for file in sorted((home / PUBLISHED).glob("*.json")):
        lines += ["", *_published(file, home)]
    return lines


_HEAD = ["run", "model", "parameters", "weights, computed in", "engine", "layer"]


def _row(entry: Entry, home: Path) -> list[str]:
    record = entry.record
    blocks = get(record, "model", "layers")
    trial = " (trial)" if get(record, "corpus", "limit") else ""
    engine = " on ".join(str(get(record, key) or ABSENT) for key in ("backend", "device"))
    return [
        f"{_link(entry, home)}{trial}",
        str(get(record, "model", "name") or ABSENT),
        parameters(record),
        precision(entry),
        engine,
        f"{entry.layer} of {blocks}" if blocks else str(entry.layer),
    ]


def _link(entry: Entry, home: Path) -> str:
    folder = entry.results.folder
    report = folder / "REPORT.md"
    if not report.exists():
        return f"`{entry.name}`"
    return f"[{entry.name}]({Path(os.path.relpath(report, home)).as_posix()})"


def _figures(entry: Entry, home: Path) -> list[str]:
    return [_link(entry, home), *(_figure(entry.headlines.get(metric)) for metric in FIGURES)]


def _figure(row: MetricRow | None) -> str:
    if row is None or not known(row.value):
        return ABSENT
    digits = LABELS[row.metric][1]
    parts = [plain(row.value, digits)]
    if known(row.low) and known(row.high):
        parts.append(interval(row.low, row.high, digits))
    beside = plain(row.control, digits) if known(row.control) else ""
    if known(row.words):
        beside += f"; words {plain(row.words, digits)}"
    if beside:
        parts.append(f"*{beside}*")
    return "<br>".join(parts)


def parameters(record: Mapping[str, Any]) -> str:
    """Number of parameters, as the record or else the model's name gives it: 135M, 8B."""
    count = get(record, "model", "parameters")
    if isinstance(count, int):
        return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.0f}M"
    name = str(get(record, "model", "name") or "")
    found = re.findall(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([bBmM])(?![A-Za-z0-9])", name)
    return f"{found[0][0]}{found[0][1].upper()}" if found else ABSENT


def _published(file: Path, home: Path) -> list[str]:
    """Figures of others, as they published them, with what they can and cannot be held against."""
    found = read_json(file)
    try:
        body = [_published_row(model) for model in found["models"]]
        lines = [
            f"## Published by others: {found['name']}",
            "",
            f"**Not made with evmlx.** {found['about']} Source: {found['source']} "
            f"({found['licence']}), figures in [{file.name}]({file.relative_to(home).as_posix()}).",
            "",
            *table(_PUBLISHED_HEAD, body),
            "",
            "What carries over:",
            "",
            *(f"- {line}" for line in found["carries_over"]),
            "",
            "What does not:",
            "",
            *(f"- {line}" for line in found["does_not_carry_over"]),
        ]
    except (KeyError, TypeError) as error:
        raise EvmlxError(f"{file}: field {error} is missing or of another kind") from error
    return lines


_PUBLISHED_HEAD = [
    "model",
    "layer",
    "probe, stratified folds (± SD of folds)",
    "cohesion",
    "stability over layers",
    "situations, right one first (layer)",
]


def _published_row(model: Mapping[str, Any]) -> list[str]:
    right, texts = int(model["implicit_top1"]), int(model["implicit_texts"])
    bounds = interval(*clopper_pearson(right, texts))
    return [
        str(model["model"]),
        f"{model['layer']} of {model['blocks']}",
        f"{plain(model['probe'], 3)} ± {plain(model['probe_sd'], 3)}",
        plain(model["cohesion"], 3),
        plain(model["stability"], 3),
        f"{right} of {texts} {bounds} ({model['implicit_layer']})",
    ]
