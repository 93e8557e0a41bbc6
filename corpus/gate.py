"""The gate: what a corpus must satisfy before a figure measured with it means anything.

Files and format are checked by loading. Here: counts, crossing, manifest, refused words, lengths,
repeated runs, perspective, and what the text alone gives away. The last is reported, not judged:
it is what every probe figure has to be read against.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from evmlx.corpus.reading import files, json_document, line_of, quoted
from evmlx.corpus.types import Corpus, Scenario, Story
from evmlx.errors import EvmlxError
from evmlx.store import file_sha256
from evmlx.style import WORD
from evmlx.textcontrol import TextAccuracy, text_accuracies

FEWEST_TO_MOST = 0.8  # stories of the emotion with the fewest, for one of that with the most
LENGTH_TOLERANCE = 0.1  # of the corpus' mean number of words
PERSPECTIVE_TOLERANCE = 0.1  # share of a perspective, emotion against corpus
RUN_WORDS = 8
SHOWN = 10  # findings of one check that are written out


@dataclass(frozen=True)
class Check:
    """Outcome of one check; `passed` is None where it was not made, or only reports a figure."""

    name: str
    passed: bool | None
    summary: str
    findings: tuple[str, ...] = ()
    figures: Mapping[str, float | None] = field(default_factory=dict)


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
        _counts(corpus),
        _crossing(corpus),
        _manifest(corpus),
        _refused_words(corpus),
        _lengths(corpus),
        _repeated_runs(corpus),
        _perspective(corpus),
        *(_text_check(result) for result in text_alone),
    )
    findings = tuple(f"{check.name}: {line}" for check in checks for line in check.findings)
    return CorpusCheck(not findings, findings, checks, text_alone)


def _judged(
    name: str, summary: str, findings: Iterable[str], figures: Mapping[str, float | None]
) -> Check:
    """Make a check that passes where nothing was found; long lists are cut."""
    lines = list(findings)
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"and {len(lines) - SHOWN} more"]
    return Check(name, not lines, summary, tuple(lines), figures)


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
        f"{len(corpus.scenarios)} scenarios"
    )
    figures = {"stories": len(corpus.stories), "fewest_stories": n_fewest, "most_stories": n_most}
    return _judged("counts", summary, findings, figures)


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
    return _judged("crossing", summary, findings, figures)


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
    return _judged(
        "manifest", f"{len(sums)} files compared by SHA-256", findings, {"files": len(sums)}
    )


def _refused_words(corpus: Corpus) -> Check:
    """Look for the stems of refused_stems.json in stories and scenarios."""
    path = corpus.root / "refused_stems.json"
    if not path.is_file():
        return Check("refused words", None, "no refused_stems.json: no word is refused")
    document, text = json_document(path)
    stems = document.words("stems")
    for stem in stems:
        try:
            re.compile(stem)
        except re.error as error:
            raise EvmlxError(
                f"{path}:{line_of(text, stem)}: field stems: {quoted(stem)} is no regular "
                f"expression ({error}): correct it"
            ) from None
    refused = re.compile(rf"\b(?:{'|'.join(f'(?:{stem})' for stem in stems)})\b", re.IGNORECASE)
    texts: list[Story | Scenario] = [*corpus.stories, *corpus.scenarios]
    findings = [
        f'{item.id} has "{found.group()}"'
        for item in texts
        for found in refused.finditer(item.text)
    ]
    summary = f"{len(findings)} uses of {len(stems)} refused stems in {len(texts)} texts"
    return _judged("refused words", summary, findings, {"refused_words": len(findings)})


def _lengths(corpus: Corpus) -> Check:
    words: dict[str, list[int]] = {emotion: [] for emotion in corpus.emotions}
    for story in corpus.stories:
        words[story.emotion].append(len(WORD.findall(story.text)))
    every = [n for counts in words.values() for n in counts]
    overall = sum(every) / len(every)
    means = {emotion: sum(counts) / len(counts) for emotion, counts in words.items()}
    findings = [
        f'stories of "{emotion}" have {mean:.1f} words on average, all stories {overall:.1f}: '
        f"bring them within {LENGTH_TOLERANCE:.0%}"
        for emotion, mean in means.items()
        if abs(mean - overall) > LENGTH_TOLERANCE * overall
    ]
    low, high = min(means.values()), max(means.values())
    summary = (
        f"{low:.1f} to {high:.1f} words on average, by emotion; single stories {min(every)} to "
        f"{max(every)}"
    )
    figures = {
        "mean_words": overall,
        "lowest_mean_words": low,
        "highest_mean_words": high,
        "fewest_words": min(every),
        "most_words": max(every),
    }
    return _judged("word ranges", summary, findings, figures)


def _repeated_runs(corpus: Corpus) -> Check:
    """Find pairs of stories that share a run of eight words, case and punctuation aside."""
    first: dict[str, str] = {}
    shared: dict[tuple[str, str], str] = {}
    for story in corpus.stories:
        words = WORD.findall(story.text.lower())
        for k in range(len(words) - RUN_WORDS + 1):
            run = " ".join(words[k : k + RUN_WORDS])
            owner = first.setdefault(run, story.id)
            if owner != story.id:
                shared.setdefault((owner, story.id), run)
    findings = [f'{one} and {other} share "{run}"' for (one, other), run in shared.items()]
    summary = f"{len(shared)} pairs of stories share a run of {RUN_WORDS} words"
    return _judged("repeated runs", summary, findings, {"repeated_runs": len(shared)})


def _perspective(corpus: Corpus) -> Check:
    """Compare each emotion's shares of perspectives with the corpus', and tellings of a scene."""
    if not all(story.perspective for story in corpus.stories):
        return Check("perspective", None, "not given for every story: balance is not checked")
    per_emotion = {emotion: Counter[str]() for emotion in corpus.emotions}
    per_scene: dict[str, set[str]] = {}
    for story in corpus.stories:
        per_emotion[story.emotion][story.perspective or ""] += 1
        if story.scene is not None:
            per_scene.setdefault(story.scene, set()).add(story.perspective or "")
    overall = sum(per_emotion.values(), Counter[str]())
    findings, largest = [], 0.0
    for emotion, counts in per_emotion.items():
        for name, total in overall.items():
            own, all_ = counts[name] / counts.total(), total / overall.total()
            largest = max(largest, abs(own - all_))
            if abs(own - all_) > PERSPECTIVE_TOLERANCE:
                findings.append(
                    f'"{emotion}" is {own:.0%} {name} person, the corpus {all_:.0%}: '
                    f"bring them within {PERSPECTIVE_TOLERANCE:.0%}"
                )
    findings += [
        f"scene {scene} is told as {' and '.join(sorted(names))}: use one perspective"
        for scene, names in per_scene.items()
        if len(names) > 1
    ]
    shares = ", ".join(f"{n / overall.total():.0%} {name}" for name, n in sorted(overall.items()))
    summary = f"{shares} person; an emotion's share is off by at most {largest:.1%}"
    return _judged("perspective", summary, findings, {"largest_perspective_gap": largest})


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
