"""Reads the texts of a corpus: stories, neutral texts, scenarios, intensity templates."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evmlx.corpus.labels import Topics, slug
from evmlx.corpus.reading import (
    Record,
    as_object,
    decoded,
    files,
    is_plain,
    json_lines,
    kind_of,
    line_of,
    parsed,
    quoted,
    unknown,
)
from evmlx.corpus.types import IntensityTemplate, NeutralText, Scenario, Story, Topic
from evmlx.errors import EvmlxError


class _TopicFinder:
    """Finds the topic that a story names, by id or by premise.

    Where topics.json lists none, topics are collected from the stories.
    """

    def __init__(self, declared: Topics) -> None:
        self.declared = declared
        self.by_id = {topic.id: topic for topic in declared.listed}
        self.by_premise = {topic.premise: topic for topic in declared.listed}
        self.seen: dict[str, tuple[str, str]] = {}  # id -> premise, and where it stood

    def topic_id(self, record: Record) -> str:
        """Return the id of the record's topic, or raise the error that names what is wrong."""
        given = record.optional_text("topic_id")
        premise = record.optional_text("topic")
        if given is None and premise is None:
            record.fail("topic_id", "missing: give it, or topic with the topic's premise")
        if self.by_id:
            return self._listed(record, given, premise)
        topic_id = slug(premise or "") if given is None else given
        if not is_plain(topic_id):
            field = "topic" if given is None else "topic_id"
            record.fail(field, f"no id can be made of {quoted(given or premise or '')}: reword it")
        if premise is not None:
            other, place = self.seen.setdefault(topic_id, (premise, record.place))
            if other != premise:
                record.fail(
                    "topic",
                    f'premise of "{topic_id}" differs from that at {place}: '
                    "make them equal, or give each topic_id",
                )
        return topic_id

    def _listed(self, record: Record, given: str | None, premise: str | None) -> str:
        if given is None:
            assert premise is not None
            if premise not in self.by_premise:
                record.fail("topic", unknown(premise, tuple(self.by_premise)))
            return self.by_premise[premise].id
        if given not in self.by_id:
            record.fail("topic_id", unknown(given, tuple(self.by_id)))
        if premise is not None and premise != self.by_id[given].premise:
            record.fail(
                "topic",
                f'is not the premise of "{given}" in {self.declared.path.name}: correct one',
            )
        return given

    def topics(self, used: Sequence[str]) -> tuple[Topic, ...]:
        """Return the listed topics, else those collected, sorted by id."""
        if self.declared.listed:
            return self.declared.listed
        return tuple(
            Topic(topic_id, self.seen.get(topic_id, (topic_id,))[0], None)
            for topic_id in sorted(set(used))
        )


@dataclass(frozen=True)
class Stories:
    """What stories/*.jsonl says.

    `topics` are those declared, else those that the stories name. `renumbered` has a plain line
    for each story that was given another index.
    """

    topics: tuple[Topic, ...]
    stories: tuple[Story, ...]
    renumbered: tuple[str, ...]


def read_stories(folder: Path, emotions: Sequence[str], declared: Topics) -> Stories:
    """Read stories/*.jsonl: one story a line, in whichever file.

    Stories come sorted by emotion, topic and index, whatever the order of files and lines.
    """
    paths = files(folder / "stories", ".jsonl")
    if not paths:
        raise EvmlxError(f"{folder / 'stories'}: no *.jsonl in it: add one for each emotion")
    finder = _TopicFinder(declared)
    found: dict[str, tuple[Story, Record]] = {}
    repeated: list[tuple[Story, Record]] = []
    for path in paths:
        for record in json_lines(path):
            story = _story(record, emotions, finder)
            if story.id in found:
                repeated.append((story, record))
            else:
                found[story.id] = (story, record)
    renumbered = tuple(_renumber(story, record, found) for story, record in repeated)
    stories = [story for story, _ in found.values()]
    told = {story.emotion for story in stories}
    for emotion in emotions:
        if emotion not in told:
            path = folder / "emotions.json"
            raise EvmlxError(
                f'{path}:{line_of(decoded(path), emotion)}: field flat: "{emotion}" has no stories '
                f"in {folder / 'stories'}: add some, or remove it"
            )
    topics = finder.topics([story.topic_id for story in stories])
    rank = {emotion: k for k, emotion in enumerate(emotions)}
    order = {topic.id: k for k, topic in enumerate(topics)}
    stories.sort(key=lambda s: (rank[s.emotion], order[s.topic_id], s.story_index))
    return Stories(topics, tuple(stories), renumbered)


def _renumber(story: Story, record: Record, found: dict[str, tuple[Story, Record]]) -> str:
    """Give a repeated index the number that is missing, or raise the error that names both lines.

    emotion-vector-bench's published corpus has one such slip: 0, 0, 2, 3, 4. It is mended only
    where an index means nothing but a number (no scenes, topics named by premise) and another
    text of the same file is the one that is repeated.
    """
    first, place = found[story.id]
    stem = f"{story.emotion}/{story.topic_id}/"
    used = {other.story_index for other, _ in found.values() if other.id.startswith(stem)}
    gaps = sorted(set(range(max(used))) - used)
    is_number = story.scene is None and record.fields.get("topic_id") is None
    if not (gaps and is_number and first.text != story.text and place.path == record.path):
        record.fail(
            "story_index",
            f"a second {story.emotion} story {story.story_index} of topic "
            f'"{story.topic_id}", the first at {place.place}: renumber or remove one',
        )
    mended = replace(story, id=f"{stem}{gaps[0]}", story_index=gaps[0])
    found[mended.id] = (mended, record)
    return (
        f"no story {gaps[0]}, but two of number {story.story_index}, for {story.emotion} in "
        f'"{story.topic_id}": stories/{record.path.name}:{record.line} is read as {gaps[0]}'
    )


def _story(record: Record, emotions: Sequence[str], finder: _TopicFinder) -> Story:
    emotion = record.choice("emotion", emotions)
    topic_id = finder.topic_id(record)
    index = record.index("story_index")
    scenes = finder.declared.scenes.get(topic_id)
    if scenes is not None and index not in scenes:
        listed = ", ".join(map(str, sorted(scenes)))
        record.fail("story_index", f'{index} is no scene of "{topic_id}": topics.json has {listed}')
    return Story(
        id=f"{emotion}/{topic_id}/{index}",
        emotion=emotion,
        topic_id=topic_id,
        story_index=index,
        scene=None if scenes is None else f"{topic_id}/{index}",
        perspective=record.optional_text("perspective"),
        channel=record.optional_text("channel"),
        text=record.text("text"),
    )


def read_neutral(folder: Path, kind: str) -> tuple[NeutralText, ...]:
    """Read neutral_dialogues.jsonl or neutral_passages.jsonl, sorted by their index.

    Raises
    ------
    EvmlxError
        If there are no dialogues; passages may be missing.
    """
    path = folder / f"neutral_{kind}s.jsonl"
    field = f"{kind}_index"
    found: dict[int, tuple[NeutralText, str]] = {}
    for position, record in enumerate(json_lines(path) if path.is_file() else ()):
        given = record.optional_index(field)
        index = position if given is None else given
        if index in found:
            record.fail(field, f"{index} is taken by {found[index][1]}: renumber one")
        category = record.optional_text("category") or record.optional_text("topic_category")
        text = NeutralText(f"{kind}-{index}", kind, category, record.text("text"))
        found[index] = (text, record.place)
    if not found and kind == "dialogue":
        raise EvmlxError(
            f'{path}: no neutral texts: add some texts without emotion, one {{"text": "..."}} a '
            "line; what they vary in is taken out of the emotion vectors"
        )
    return tuple(found[index][0] for index in sorted(found))


def read_scenarios(folder: Path, emotions: Sequence[str]) -> tuple[Scenario, ...]:
    """Read implicit_scenarios.jsonl, which may be missing.

    A text without battery is a situation; one without id is called after battery, target and
    the number of texts before it with the same two.
    """
    path = folder / "implicit_scenarios.jsonl"
    counts: Counter[str] = Counter()
    places: dict[str, str] = {}
    scenarios = []
    for record in json_lines(path) if path.is_file() else ():
        target = record.choice("target", emotions)
        battery = "situation"
        if record.fields.get("battery") is not None:
            battery = record.choice("battery", ("situation", "message"))
        near = () if record.fields.get("near") in (None, []) else record.words("near")
        for word in near:
            if word not in emotions:
                record.fail("near", unknown(word, emotions))
        stem = f"{battery}-{target}"
        name = record.optional_text("id") or f"{stem}-{counts[stem]}"
        counts[stem] += 1
        if name in places:
            record.fail("id", f"{quoted(name)} is taken by {places[name]}: rename one")
        places[name] = record.place
        scenarios.append(Scenario(name, battery, target, near, record.text("text")))
    return tuple(scenarios)


def read_intensity(folder: Path, emotions: Sequence[str]) -> tuple[IntensityTemplate, ...]:
    """Read intensity_templates.json, which may be missing."""
    path = folder / "intensity_templates.json"
    if not path.is_file():
        return ()
    text = decoded(path)
    value = parsed(path, text)
    if not isinstance(value, list):
        raise EvmlxError(f"{path}:1: must be a list [...] of templates, not {kind_of(value)}")
    places: dict[str, str] = {}
    templates = []
    for k, item in enumerate(value):
        line = line_of(text, item["id"]) if isinstance(item, dict) and "id" in item else 1
        record = as_object(path, line, item, f"[{k}].")
        template = IntensityTemplate(
            id=record.text("id"),
            target=record.choice("target", emotions),
            text=_with_number(record, "text"),
            values=_numbers(record, "values"),
            control_text=_with_number(record, "control_text"),
            direction=record.choice("direction", ("up", "down")),
        )
        if template.id in places:
            record.fail(
                "id", f"{quoted(template.id)} is taken by {places[template.id]}: rename one"
            )
        places[template.id] = record.prefix.rstrip(".")
        templates.append(template)
    return tuple(templates)


def _with_number(record: Record, field: str) -> str:
    text = record.text(field)
    if "{n}" not in text:
        record.fail(field, "has no {n} in it: write {n} where the number goes")
    return text


def _numbers(record: Record, field: str) -> tuple[float, ...]:
    values = record.items(field)
    for value in values:
        if type(value) not in (int, float) or not math.isfinite(value):
            record.fail(field, f"must be finite numbers, not {json.dumps(value)}")
    return tuple(float(value) for value in values)
