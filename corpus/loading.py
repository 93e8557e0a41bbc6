"""Reads a corpus folder, in the shipped layout or in that of emotion-vector-bench.

Says in one line what is wrong with it, and in `Corpus.lacks` what it does without. Knows
nothing about models or tokens.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evmlx.corpus.labels import Emotions, Topics, read_emotions, read_topics
from evmlx.corpus.ratings import SHIPPED, read_norms
from evmlx.corpus.reading import json_document
from evmlx.corpus.texts import read_intensity, read_neutral, read_scenarios, read_stories
from evmlx.corpus.types import Corpus, Scenario
from evmlx.errors import EvmlxError


def load_corpus(folder: Path | None = None) -> Corpus:
    """Load a corpus.

    Parameters
    ----------
    folder : Path, optional
        A folder with at least emotions.json, stories/*.jsonl and neutral_dialogues.jsonl. None
        is the corpus that evmlx ships.

    Returns
    -------
    Corpus
        Its `lacks` names what the folder does not have.

    Raises
    ------
    EvmlxError
        With file, line and field, at the first thing that is wrong.
    """
    root = SHIPPED if folder is None else Path(folder)
    if not root.is_dir():
        raise EvmlxError(
            f"{root}: no such folder: a corpus is a folder with emotions.json, stories/ and "
            "neutral_dialogues.jsonl"
        )
    emotions = read_emotions(root)
    declared = read_topics(root)
    told = read_stories(root, emotions.names, declared)
    scenarios = read_scenarios(root, emotions.names)
    norms, norms_lack = read_norms(root, emotions.names)
    name, version = _name_and_version(root)
    corpus = Corpus(
        name=name,
        version=version,
        root=root,
        digest="",
        emotions=emotions.names,
        clusters=emotions.clusters,
        valence=emotions.valence,
        arousal=emotions.arousal,
        topics=told.topics,
        stories=told.stories,
        dialogues=read_neutral(root, "dialogue"),
        passages=read_neutral(root, "passage"),
        scenarios=scenarios,
        intensity=read_intensity(root, emotions.names),
        norms=norms,
        lacks=(),
    )
    lacks = [*_lacks(corpus, emotions, declared), *told.renumbered]
    lacks += [norms_lack] if norms_lack else []
    return replace(corpus, lacks=tuple(lacks), digest=content_digest(corpus))


def content_digest(corpus: Corpus) -> str:
    """SHA-256 over the canonical JSON of what a corpus contains.

    Name, version, folder and the source line of the norms are left out: they are not content.
    """
    norms = None
    if corpus.norms is not None:
        norms = {
            key: [None if isinstance(v, float) and math.isnan(v) else v for v in values]
            for key, values in vars(corpus.norms).items()
            if key != "source"
        }
    parts = (
        "emotions clusters valence arousal topics stories dialogues passages scenarios intensity"
    )
    content = {part: getattr(corpus, part) for part in parts.split()} | {"norms": norms}
    canonical = json.dumps(
        content,
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
        default=vars,
    )
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()


def _name_and_version(root: Path) -> tuple[str, str | None]:
    """Read name and version from manifest.json; the folder's name where there is none."""
    name = root.resolve().name
    if not (root / "manifest.json").is_file():
        return name, None
    manifest, _ = json_document(root / "manifest.json")
    return manifest.optional_text("name") or name, manifest.optional_text("version")


def _lacks(corpus: Corpus, emotions: Emotions, declared: Topics) -> tuple[str, ...]:
    """Name what is absent, one line each, with what follows from it."""
    checks: tuple[tuple[object, str], ...] = (
        (emotions.clusters, "no clusters: cohesion and cluster accuracy are left out"),
        (
            emotions.valence,
            "no valence groups: the separation of positive and negative is left out",
        ),
        (emotions.arousal, "no arousal groups: the separation of high and low arousal is left out"),
        (declared.listed, "no topics.json: topics are those that the stories name"),
        (
            all(topic.domain for topic in corpus.topics),
            "no domains of topics: the leave-one-domain-out probe is left out",
        ),
        (
            all(story.scene for story in corpus.stories),
            f"no scenes{' for some topics' if declared.scenes else ''}: "
            "within-scene figures are left out",
        ),
        (
            all(story.perspective for story in corpus.stories),
            "no perspective for some stories: its balance is not checked",
        ),
        (corpus.passages, "no neutral passages: the second null is left out"),
        (corpus.intensity, "no intensity templates: graded intensity is left out"),
    )
    lines = [line for present, line in checks if not present]
    return (*lines, *_scenario_lacks(corpus.scenarios, corpus.emotions))


def _scenario_lacks(scenarios: Sequence[Scenario], emotions: Sequence[str]) -> list[str]:
    """Name the batteries, targets and near labels that are absent."""
    if not scenarios:
        return ["no scenarios: implicit emotion is left out"]
    lines = []
    for battery in ("situation", "message"):
        targets = {s.target for s in scenarios if s.battery == battery}
        missing = [emotion for emotion in emotions if emotion not in targets]
        if not targets:
            lines.append(f"no {battery} scenarios: that battery of implicit emotion is left out")
        elif missing:
            lines.append(
                f"no {battery} scenario for {len(missing)} of {len(emotions)} emotions "
                f"({', '.join(missing)}): the battery says nothing about them"
            )
    if not any(s.near for s in scenarios):
        lines.append("no near labels of scenarios: agreement counting them is left out")
    return lines
