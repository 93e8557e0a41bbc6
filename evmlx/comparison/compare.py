"""Finished runs beside each other: headlines, and paired differences where they share a corpus.

Only directions, ranks and shares are compared; nothing in activation units is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from evmlx.comparison.cka import Cka
from evmlx.comparison.geometry import (
    Arrangement,
    Design,
    arrangement,
    cka,
    cohesion_differences,
    make_design,
)
from evmlx.comparison.paired import Difference, absent, holm, topic_difference
from evmlx.comparison.read import Entry, Stories, read_entries, read_stories
from evmlx.comparison.rsa import ModelRsa, model_rsa, published_rsa
from evmlx.comparison.stories import probe_folds, right_out_of_fold
from evmlx.comparison.texts import battery_differences, intensity_difference
from evmlx.comparison.warnings import warnings
from evmlx.errors import EvmlxError
from evmlx.intervals import TopicBootstrap
from evmlx.report.metrics import MetricRow
from evmlx.report.run_results import get, number

STORY_METRICS = ("probe_accuracy", "cluster_cohesion", "cluster_cohesion_corrected")
PROBE_DRAWS = 2000


@dataclass(frozen=True)
class RunSummary:
    """One run's line of identity and its headlines at the primary layer.

    Attributes
    ----------
    name : str
        Short name, unique in the comparison.
    model, backend, dtype, corpus_digest : str or None
        From run.json.
    quantization : str or None
        Of the weights.
    layer, blocks : int or None
        Primary layer, and decoder blocks of the model.
    headlines : tuple of MetricRow
        As in metrics.json.
    reason : str or None
        Why the run takes no part in comparisons story by story.
    """

    name: str
    model: str | None
    backend: str | None
    dtype: str | None
    corpus_digest: str | None
    quantization: str | None
    layer: int
    blocks: int | None
    headlines: tuple[MetricRow, ...]
    reason: str | None


@dataclass(frozen=True)
class PairComparison:
    """Two runs on one corpus.

    Attributes
    ----------
    a, b : str
        Names of the runs; differences are b - a.
    differences : tuple of Difference
        Paired.
    rsa : ModelRsa or None
        Of their cosine matrices.
    cka : Cka or None
        Of their topic-centred cell means.
    reason : str or None
        Why there is nothing, or not everything.
    """

    a: str
    b: str
    differences: tuple[Difference, ...]
    rsa: ModelRsa | None
    cka: Cka | None
    reason: str | None


@dataclass(frozen=True)
class Comparison:
    """What `evmlx compare` found."""

    runs: tuple[RunSummary, ...]
    warnings: tuple[str, ...]
    pairs: tuple[PairComparison, ...]


@dataclass(frozen=True)
class Measured:
    """A run's part in comparisons story by story: kept small, the residuals are gone."""

    ids: tuple[str, ...]
    topic_ids: tuple[str, ...]
    design: Design
    arrangement: Arrangement
    right: np.ndarray | None
    probe_reason: str | None


def compare(
    folders: Sequence[Path],
    *,
    against: str | None = None,
    stories: bool = True,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Compare finished runs at their primary layers.

    Parameters
    ----------
    folders : sequence of Path
        Run folders, or names of folders under ``results``; what is no run is passed over.
    against : str, optional
        Compare every run with this one only, instead of every two.
    stories : bool
        Whether to read activations: without them the probe, cohesion and CKA are left out.
    seed : int
        Of folds, draws and permutations, the same for every run.
    progress : callable, optional
        Takes a line before what takes time.

    Returns
    -------
    Comparison

    Raises
    ------
    EvmlxError
        If a folder does not exist, none is a run, or `against` is none of them.
    """
    entries = read_entries(folders)
    pairs = _pairs(entries, against)
    wanted = {at for pair in pairs for at in pair} if stories else set()
    measured, reasons = _measure(entries, wanted, seed, progress or (lambda _: None))
    if not stories:
        reasons = dict.fromkeys(range(len(entries)), "activations were not to be read")
    found = [
        _pair(entries[i], entries[j], measured.get(i), measured.get(j), _why(i, j, reasons), seed)
        for i, j in pairs
    ]
    summaries = (_summary(entry, reasons.get(at)) for at, entry in enumerate(entries))
    return Comparison(tuple(summaries), tuple(warnings(entries)), tuple(_corrected(found)))


def _pairs(entries: Sequence[Entry], against: str | None) -> list[tuple[int, int]]:
    everyone = range(len(entries))
    if against is None:
        return list(combinations(everyone, 2))
    names = [entry.name for entry in entries]
    wanted = [
        at for at in everyone if against.rstrip("/") in (names[at], str(_folder(entries[at])))
    ]
    if not wanted:
        raise EvmlxError(f"--against {against}: none of the runs; choose one of {', '.join(names)}")
    return [(wanted[0], at) for at in everyone if at != wanted[0]]


def _folder(entry: Entry) -> Path:
    return entry.results.folder


def _measure(
    entries: Sequence[Entry], wanted: set[int], seed: int, say: Callable[[str], None]
) -> tuple[dict[int, Measured], dict[int, str]]:
    """Everything that needs activations, run by run, so that one run's are in memory at a time."""
    measured: dict[int, Measured] = {}
    reasons: dict[int, str] = {}
    shared: OrderedDict[tuple[str | None, tuple[str, ...]], Measured] = OrderedDict()
    for at in sorted(wanted):
        entry = entries[at]
        try:
            stories = read_stories(entry)
        except EvmlxError as error:
            reasons[at] = str(error)
            continue
        say(f"{entry.name}: probe and geometry at layer {entry.layer}")
        key = entry.digest, stories.ids
        measured[at] = _measured(stories, shared.get(key), seed)
        shared.setdefault(key, measured[at])
    return measured, reasons


def _measured(stories: Stories, twin: Measured | None, seed: int) -> Measured:
    """Measure one run; what depends on the texts alone is taken from another run on them."""
    present = set(stories.emotions)
    emotions = tuple(e for e in stories.corpus.emotions if e in present)
    given = twin.design if twin else make_design(stories, emotions, seed)
    fold_of, why = probe_folds(stories, emotions, seed)
    right = None if fold_of is None else right_out_of_fold(stories, emotions, fold_of)
    placed = arrangement(stories.pooled, stories.dialogues, given)
    return Measured(stories.ids, stories.topic_ids, given, placed, right, why)


def _why(i: int, j: int, reasons: dict[int, str]) -> str | None:
    return reasons.get(i) or reasons.get(j)


def _pair(
    a: Entry, b: Entry, first: Measured | None, second: Measured | None, why: str | None, seed: int
) -> PairComparison:
    if a.digest is None or a.digest != b.digest:
        return PairComparison(a.name, b.name, (), None, None, "they were made on different corpora")
    rng = np.random.default_rng([seed, 21])
    texts = [*battery_differences(a, b, rng), intensity_difference(a, b, rng)]
    if first is None or second is None or first.ids != second.ids:
        reason = why or "they hold different stories"
        lost = [absent(metric, "topics", reason) for metric in STORY_METRICS]
        return PairComparison(
            a.name, b.name, (*lost, *texts), _published(a, b, reason), None, reason
        )
    bootstrap = TopicBootstrap(first.topic_ids, PROBE_DRAWS, np.random.default_rng([seed, 1]))
    if first.right is None or second.right is None:
        probe = absent("probe_accuracy", "topics", first.probe_reason or "no folds")
    else:
        probe = topic_difference(
            "probe_accuracy", first.right, second.right, first.topic_ids, bootstrap, rng
        )
    placed = first.arrangement, second.arrangement
    return PairComparison(
        a.name,
        b.name,
        (probe, *cohesion_differences(*placed, first.design), *texts),
        model_rsa(placed[0].cosines, placed[1].cosines, first.design.text),
        cka(*placed, first.design, rng),
        None,
    )


def _published(a: Entry, b: Entry, reason: str) -> ModelRsa | None:
    """RSA from the matrices in the result files, where both have the same emotions."""
    found = [entry.results.layer("geometry", entry.layer) for entry in (a, b)]
    emotions = [get(one, "cosine", "emotions") for one in found]
    if not emotions[0] or emotions[0] != emotions[1]:
        return None
    first, second = (np.array(get(one, "cosine", "matrix"), dtype=float) for one in found)
    reliability = [number(one, "reliability", "spearman_brown") for one in found]
    return published_rsa(first, second, (reliability[0], reliability[1]), f"no interval: {reason}")


def _corrected(pairs: Sequence[PairComparison]) -> list[PairComparison]:
    """Correct each figure's p over the pairs of runs."""
    metrics = dict.fromkeys(d.metric for pair in pairs for d in pair.differences)
    by_metric = {}
    for metric in metrics:
        p = [
            next((d.p for d in pair.differences if d.metric == metric), float("nan"))
            for pair in pairs
        ]
        by_metric[metric] = holm(p)
    return [
        replace(
            pair,
            differences=tuple(replace(d, p_holm=by_metric[d.metric][at]) for d in pair.differences),
        )
        for at, pair in enumerate(pairs)
    ]


def _summary(entry: Entry, reason: str | None) -> RunSummary:
    record = entry.record
    blocks = number(record, "model", "layers")
    return RunSummary(
        name=entry.name,
        model=get(record, "model", "name"),
        backend=get(record, "backend"),
        dtype=get(record, "dtype"),
        corpus_digest=entry.digest,
        quantization=get(record, "quantize") or get(record, "model", "quantization"),
        layer=entry.layer,
        blocks=int(blocks) if blocks == blocks else None,
        headlines=tuple(entry.headlines.values()),
        reason=reason,
    )
