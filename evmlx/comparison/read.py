"""Runs to compare: found by folder or by name, their headlines, and their cells at one layer.

Knows nothing about how runs are compared.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.pipeline import check_run_folder, recorded_corpus
from evmlx.progress import say
from evmlx.report.metrics import MetricRow, at_layer, metric_rows
from evmlx.report.run_results import RunResults, get, read_results

if TYPE_CHECKING:
    from evmlx.corpus import Corpus

RESULTS = Path("results")


@dataclass(frozen=True)
class Entry:
    """A finished run among those compared.

    Attributes
    ----------
    name : str
        Short and unique among the runs compared.
    results : RunResults
        Its record and result files.
    headlines : mapping of str to MetricRow
        At the primary layer, by metric.
    """

    name: str
    results: RunResults
    headlines: Mapping[str, MetricRow]

    @property
    def record(self) -> Mapping[str, Any]:
        """Contents of run.json."""
        return self.results.run

    @property
    def layer(self) -> int:
        """The primary layer."""
        return self.results.primary

    @property
    def digest(self) -> str | None:
        """Digest of the corpus."""
        found = get(self.record, "corpus", "digest")
        return str(found) if found else None


@dataclass(frozen=True)
class Stories:
    """A run's stories at one layer, in the order of the corpus.

    Attributes
    ----------
    emotions, topic_ids, texts : tuple of str
        Of each of N stories.
    ids : tuple of str
        Ids of the stories.
    pooled : ndarray of float32, shape (N, hidden)
        Pooled residuals.
    dialogues : ndarray of float32, shape (M, hidden)
        Those of the neutral dialogues; M = 0 where there are none.
    corpus : Corpus
        What the run was made on.
    """

    emotions: tuple[str, ...]
    topic_ids: tuple[str, ...]
    texts: tuple[str, ...]
    ids: tuple[str, ...]
    pooled: np.ndarray
    dialogues: np.ndarray
    corpus: Corpus


def find_run(given: Path) -> Path | None:
    """Find the run folder that a user means; None where the path is there but is no run.

    A name alone stands for a folder of that name under ``results``.

    Raises
    ------
    EvmlxError
        If there is nothing of that name; the nearest right one is told.
    """
    if (given / "run.json").exists():
        return given
    named = RESULTS / given
    if not given.is_absolute() and (named / "run.json").exists():
        return named
    if given.exists():
        return None
    check_run_folder(given)
    return given


def read_entries(folders: Sequence[Path]) -> list[Entry]:
    """Read the runs in some folders; what is no run is passed over with a line that says so.

    Parameters
    ----------
    folders : sequence of Path
        As a shell's ``results/*`` gives them. The folder of a quantize-check stands for those of
        its runs that have a report.

    Raises
    ------
    EvmlxError
        If none of them is a run, one is named twice, or a file is damaged.
    """
    found: dict[Path, int] = {}  # parts of the path that a run's name has at least
    for given in folders:
        run = find_run(given)
        runs = _reported(given) if run is None else [run]
        if not runs:
            say(f"note: {given} is no run folder (no run.json): passed over")
        for each in runs:
            if any(each.resolve() == other.resolve() for other in found):
                say(f"note: {each} is named twice: taken once")
            else:
                found[each] = 2 if run is None else 1
    if not found:
        raise EvmlxError(f"no run folder among {', '.join(map(str, folders))}: see `evmlx run`")
    names = _short_names(found)
    entries = []
    for name, folder in zip(names, found, strict=True):
        results = read_results(folder)
        entries.append(Entry(name, results, at_layer(metric_rows(results), results.primary)))
    return entries


def _reported(folder: Path) -> list[Path]:
    """Runs of a quantize-check that have a report, the reference among them."""
    if not (folder / "quantization.json").exists():
        return []
    return sorted(report.parent for report in folder.glob("*/REPORT.md"))


def _short_names(folders: Mapping[Path, int]) -> list[str]:
    """Last parts of each path: the least number asked for, or what it takes to tell it apart."""
    whole = [folder.resolve().parts for folder in folders]
    names = []
    for own, least in zip(whole, folders.values(), strict=True):
        others = [path for path in whole if path != own]
        parts = least
        while parts < len(own) and any(path[-parts:] == own[-parts:] for path in others):
            parts += 1
        names.append("/".join(own[-parts:]))
    return names


def read_stories(entry: Entry) -> Stories:
    """Read a run's stories and dialogues at its primary layer, and nothing else.

    Raises
    ------
    EvmlxError
        If the folder has no activations, they are damaged, or its corpus is gone or has changed.
    """
    path = entry.results.folder / "activations.npz"
    if not path.exists():
        raise EvmlxError("no activations.npz in the folder (published runs come without)")
    corpus = recorded_corpus(dict(entry.record))
    told = {story.id: story for story in corpus.stories}
    key = f"layer_{entry.layer}"
    try:
        with np.load(path, allow_pickle=False) as archive:
            ids = tuple(str(i) for i in archive["stories__ids"])
            pooled = archive[f"stories__{key}"]
            neutral = f"dialogues__{key}"
            there = neutral in archive.files
            dialogues = archive[neutral] if there else np.zeros((0, pooled.shape[1]), np.float32)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise EvmlxError(f"{path} is damaged ({error}): delete it and run again") from error
    if any(i not in told for i in ids):
        raise EvmlxError(f"{path} holds other stories than the corpus: run `evmlx extract` again")
    stories = [told[i] for i in ids]
    return Stories(
        tuple(s.emotion for s in stories),
        tuple(s.topic_id for s in stories),
        tuple(s.text for s in stories),
        ids,
        pooled,
        dialogues,
        corpus,
    )
