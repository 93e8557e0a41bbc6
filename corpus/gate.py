"""The gate: what a corpus must satisfy before a figure measured with it means anything.

Files and format are checked by loading. Here: counts, crossing, manifest, wording (`gate_texts`),
and what the text alone gives away. The last is reported, not judged: it is what every probe figure
has to be read against.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from evmlx.corpus.gate_outcome import Check, judged
from evmlx.corpus.gate_texts import lengths, perspective, refused_words, repeated_runs
from evmlx.corpus.reading import files, json_document
from evmlx.corpus.types import Corpus
from evmlx.store import file_sha256
from evmlx.textcontrol import TextAccuracy, text_accuracies

FEWEST_TO_MOST = 0.8  # stories of the emotion with the fewest, for one of that with the most


@dataclass(frozen=True)
class CorpusCheck:
    """Outcome of the gate.

    Attributes
    ----------
    passed : bool
        No check has failed.
    findings : tuple of str
        What is wrong, one line each.
    checks : tuple of Check
        Every check in order, with its summary and figures.
    text_alone : tuple of TextAccuracy
        What classifiers without a model reach, topics held out.
    """

    passed: bool
    findings: tuple[str, ...]
    checks: tuple[Check, ...]
    text_alone: tuple[TextAccuracy, ...]

    @property
    def figures(self) -> dict[str, float | None]:
        """Every figure of every check, by name."""
        return {name: value for check in self.checks for name, value in check.figures.items()}


def check_corpus(corpus: Corpus, rng: np.random.Generator | None = None) -> CorpusCheck:
    """Put a corpus through the gate.

    Parameters
    ----------
    corpus : Corpus
        As loaded, which has checked its format.
    rng : numpy.random.Generator, optional
        For the intervals of the text-only classifiers; seed 0 by default.

    Returns
    -------
    CorpusCheck

    Raises
    ------
    EvmlxError
        If manifest.json or refused_stems.json is malformed.
    """
    text_alone = text_accuracies(
        [story.text for story in corpus.stories],
        [story.emotion for story in corpus.stories],
        [story.topic_id for story in corpus.stories],
        np.random.default_rng(0) if rng is None else rng,
    )
    checks = (
        _schema(corpus),
        _counts(corpus),
        _crossing(corpus),
        _manifest(corpus),
        refused_words(corpus),
        lengths(corpus),
        repeated_runs(corpus),
        perspective(corpus),
        *(_text_check(result) for result in text_alone),
    )
    findings = tuple(f"{check.name}: {line}" for check in checks for line in check.findings)
    return CorpusCheck(not findings, findings, checks, text_alone)


def _schema(corpus: Corpus) -> Check:
    """Say what loading has read and found well-formed; it refuses a corpus otherwise."""
    texts = (corpus.stories, corpus.dialogues, corpus.passages, corpus.scenarios, corpus.intensity)
    entries = sum(map(len, texts))
    summary = f"{entries} entries have their fields, types, labels and ids"
    return Check("schema", True, summary, figures={"entries": entries})


def _counts(corpus: Corpus) -> Check:
    per_emotion = Counter(story.emotion for story in corpus.stories)
    (most, n_most), *_, (fewest, n_fewest) = per_emotion.most_common()
    findings = []
    if n_fewest < FEWEST_TO_MOST * n_most:
        findings.append(
            f'"{fewest}" has {n_fewest} stories and "{most}" {n_most}: '
            f"give each emotion at least {FEWEST_TO_MOST:.0%} of the most"
        )
    each = str(n_most) if n_most == n_fewest else f"{n_fewest} to {n_most}"
    summary = (
        f"{len(corpus.stories)} stories, {each} for each of {len(corpus.emotions)} emotions; "
        f"{len(corpus.dialogues)} dialogues, {len(corpus.passages)} passages, "
        f"{_batteries(corpus)}"
    )
    figures = {"stories": len(corpus.stories), "fewest_stories": n_fewest, "most_stories": n_most}
    return judged("counts", summary, findings, figures)


def _batteries(corpus: Corpus) -> str:
    """Count scenarios by battery, and for each emotion that has any."""
    told = []
    for battery in sorted({scenario.battery for scenario in corpus.scenarios}, reverse=True):
        each = Counter(s.target for s in corpus.scenarios if s.battery == battery).values()
        per = str(min(each)) if min(each) == max(each) else f"{min(each)} to {max(each)}"
        told.append(f"{sum(each)} {battery}s, {per} for each of {len(each)} emotions")
    return "; ".join(told) or "no scenarios"


def _crossing(corpus: Corpus) -> Check:
    """Find scenes that not every emotion tells; without declared scenes, only count them."""
    told: dict[tuple[str, int], set[str]] = {}
    for story in corpus.stories:
        told.setdefault((story.topic_id, story.story_index), set()).add(story.emotion)
    topics = {story.topic_id for story in corpus.stories}
    scenes = {story.scene for story in corpus.stories} - {None}
    whole = sum(len(emotions) == len(corpus.emotions) for emotions in told.values())
    findings = [
        f"scene {topic}/{index} is not told for "
        f"{', '.join(emotion for emotion in corpus.emotions if emotion not in who)}"
        for (topic, index), who in told.items()
        if f"{topic}/{index}" in scenes and len(who) < len(corpus.emotions)
    ]
    unit = "scenes" if scenes else "numbered stories"
    summary = f"{whole} of {len(told)} {unit} in {len(topics)} topics are there for every emotion"
    figures = {"topics": len(topics), "cells": len(told), "whole_cells": whole}
    return judged("crossing", summary, findings, figures)


def _manifest(corpus: Corpus) -> Check:
    """Compare files and counts with manifest.json."""
    path = corpus.root / "manifest.json"
    if not path.is_file():
        return Check("manifest", None, "no manifest.json: files are not compared")
    manifest, _ = json_document(path)
    sums = manifest.fields.get("sha256", {})
    if not isinstance(sums, dict):
        manifest.fail("sha256", 'must be an object: "file": "sum"')
    findings = []
    for name, expected in sorted(sums.items()):
        file = corpus.root / name
        if not file.is_file():
            findings.append(f"{name} is missing")
        elif file_sha256(file) != expected:
            findings.append(f"{name} is not the file that manifest.json describes")
    read = {f"stories/{file.name}" for file in files(corpus.root / "stories", ".jsonl")}
    findings += [f"{name} is not in manifest.json" for name in sorted(read - set(sums))]
    counts = {"emotions": corpus.emotions, "topics": corpus.topics, "stories": corpus.stories}
    findings += [
        f"{len(values)} {name}, but manifest.json says {manifest.fields[name]}"
        for name, values in counts.items()
        if name in manifest.fields and manifest.fields[name] != len(values)
    ]
    findings += _scenes_missing(corpus, manifest.fields.get("scenes_per_topic"))
    return judged(
        "manifest", f"{len(sums)} files compared by SHA-256", findings, {"files": len(sums)}
    )


def _scenes_missing(corpus: Corpus, expected: object) -> list[str]:
    """Find topics with another number of scenes than the manifest says, if it says one."""
    scenes: dict[str, set[int]] = {}
    for story in corpus.stories:
        scenes.setdefault(story.topic_id, set()).add(story.story_index)
    return [
        f"topic {topic} has {len(told)} scenes, but manifest.json says {expected}"
        for topic, told in scenes.items()
        if expected is not None and len(told) != expected
    ]


def _text_check(result: TextAccuracy) -> Check:
    name = f"text alone: {result.features}"
    key = result.features.replace(" ", "_").replace("-", "").lower()
    figures = {f"{key}_accuracy": result.accuracy, f"{key}_chance": result.chance}
    if result.accuracy is None:
        return Check(name, None, result.reason or "", figures=figures)
    summary = (
        f"accuracy {result.accuracy:.3f} [{result.low:.3f}, {result.high:.3f}], "
        f"chance {result.chance:.3f}, {result.folds} folds by topic"
    )
    return Check(name, None, summary, figures=figures)
