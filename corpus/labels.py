"""Reads what texts are labelled with: emotions and their groups, and topics.

Knows nothing about stories, scenarios or norms.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from evmlx.corpus.reading import (
    Record,
    as_object,
    is_plain,
    json_document,
    line_of,
    quoted,
    unknown,
)
from evmlx.corpus.types import Topic
from evmlx.errors import EvmlxError

Groups = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Emotions:
    """What emotions.json says."""

    names: tuple[str, ...]
    clusters: Groups
    valence: Groups
    arousal: Groups


@dataclass(frozen=True)
class Topics:
    """What topics.json says; `scenes` has the indices that each topic declares, if any."""

    path: Path
    listed: tuple[Topic, ...] = ()
    scenes: Mapping[str, frozenset[int]] = field(default_factory=dict)


def read_emotions(folder: Path) -> Emotions:
    """Read emotions.json: "flat", and the optional clusters, valence and arousal groups.

    Raises
    ------
    EvmlxError
        If it is missing, malformed, or groups an emotion that is not in "flat", or one twice.
    """
    path = folder / "emotions.json"
    if not path.is_file():
        raise EvmlxError(
            f'{folder}: no emotions.json: add one, {{"flat": ["joyful", ...]}} is enough'
        )
    record, text = json_document(path)
    names = record.words("flat")

    def fail(where: str, word: str, complaint: str) -> NoReturn:
        raise EvmlxError(f"{path}:{line_of(text, word)}: field {where}: {complaint}")

    for name in names:
        if not is_plain(name):
            fail("flat", name, f"{quoted(name)} has a slash or a stray space in it: rename it")
        if names.count(name) > 1:
            fail("flat", name, f'"{name}" stands there twice: remove one')
    if len(names) < 2:
        fail("flat", names[0], "names one emotion: vectors are differences, so give two or more")

    def groups(where: str, keys: Collection[str] | None = None) -> Groups:
        return _groups(record, text, where, names, keys)

    clusters = groups("clusters")
    left_out = [n for n in names if clusters and not any(n in c for c in clusters.values())]
    if left_out:
        fail(
            "clusters",
            "clusters",
            f'"{left_out[0]}" is in no cluster: add it (one may stand alone)',
        )
    valence = groups("valence", ("positive", "negative"))
    return Emotions(names, clusters, valence, groups("arousal", ("high", "low")))


def _groups(
    record: Record, text: str, where: str, names: Sequence[str], keys: Collection[str] | None
) -> Groups:
    """Read one optional grouping of the emotions; every key of `keys` must be there."""
    value = record.fields.get(where)
    if value is None:
        return {}
    inner = as_object(record.path, line_of(text, where), value, f"{where}.")
    if keys is not None:
        for key in inner.fields:
            if key not in keys:
                inner.fail(key, unknown(key, tuple(keys)))
    found: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    for key in keys if keys is not None else inner.fields:
        # Searched for behind the grouping's own name: "flat" lists the same words before it.
        start = max(text.find(f'"{where}"'), 0)
        group = Record(record.path, _line_behind(text, start, key), inner.fields, inner.prefix)
        found[key] = group.words(key)
        for word in found[key]:
            at = Record(record.path, _line_behind(text, start, word), inner.fields, inner.prefix)
            if word not in names:
                at.fail(key, unknown(word, names))
            if word in taken:
                at.fail(key, f'"{word}" is in "{taken[word]}" already: keep it in one group')
            taken[word] = key
    return found


def _line_behind(text: str, start: int, value: str) -> int:
    """Line on which `value` first stands at or behind position `start`."""
    return text.count("\n", 0, start) + line_of(text[start:], value)


def slug(premise: str) -> str:
    """Make a topic's id of its premise: "Two people meet." becomes "two-people-meet"."""
    return re.sub(r"[\W_]+", "-", re.sub(r"['\u2019]", "", premise.lower())).strip("-")


def read_topics(folder: Path) -> Topics:
    """Read topics.json, in the shipped layout or in that of emotion-vector-bench.

    Raises
    ------
    EvmlxError
        If it is malformed, or two topics have one id.
    """
    path = folder / "topics.json"
    if not path.is_file():
        return Topics(path)
    document, text = json_document(path)
    if "topics" in document.fields:
        topics = _listed_topics(document, text)
    elif "by_domain" in document.fields:
        topics = _topics_by_domain(document, text)
    else:
        document.fail("topics", "missing: give topics, or by_domain with lists of premises")
    first: dict[str, Topic] = {}
    for topic in topics.listed:
        if not is_plain(topic.id):
            line = line_of(text, topic.id or topic.premise)
            raise EvmlxError(
                f"{path}:{line}: field id: {quoted(topic.id)} (for {quoted(topic.premise)}) "
                "must be made of letters, digits and hyphens: rename it"
            )
        if topic.id in first:
            a, b = line_of(text, first[topic.id].premise), line_of(text, topic.premise)
            raise EvmlxError(
                f'{path}:{b}: field id: "{topic.id}" stands for two topics, '
                f"the other on line {a}: rename or reword one"
            )
        first[topic.id] = topic
    return topics


def _listed_topics(document: Record, text: str) -> Topics:
    """Read the shipped layout: a list of topics with id, premise, domain and scenes."""
    listed, scenes = [], {}
    for k, item in enumerate(document.items("topics")):
        line = line_of(text, item["id"]) if isinstance(item, dict) and "id" in item else 1
        record = as_object(document.path, line, item, f"topics[{k}].")
        topic = Topic(record.text("id"), record.text("premise"), record.optional_text("domain"))
        listed.append(topic)
        if record.fields.get("scenes") is not None:
            prefix = f"topics[{k}].scenes"
            scenes[topic.id] = frozenset(
                as_object(document.path, line, scene, f"{prefix}[{j}].").index("scene_index")
                for j, scene in enumerate(record.items("scenes"))
            )
    return Topics(document.path, tuple(listed), scenes)


def _topics_by_domain(document: Record, text: str) -> Topics:
    """Read emotion-vector-bench's layout: lists of premises by domain, ids made of them."""
    line = line_of(text, "by_domain")
    domains = as_object(document.path, line, document.fields["by_domain"], "by_domain.")
    return Topics(
        document.path,
        tuple(
            Topic(slug(premise), premise, domain)
            for domain in domains.fields
            for premise in domains.words(domain)
        ),
    )
