"""Bad input: one line with file, line and field."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from corpus_files import (
    EMOTIONS,
    SCENARIO,
    TEMPLATE,
    TOPICS,
    Change,
    document,
    remove,
    replace_line,
    story,
    story_with,
    text_file,
    write_corpus,
    write_lines,
)

from evmlx.corpus import load_corpus
from evmlx.errors import EvmlxError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "own")


WEARY = "stories/weary.jsonl:2: field "
LISTED = [{"id": t, "premise": f"{t} happens."} for t in TOPICS]
BAD: dict[str, tuple[Change, tuple[str, ...]]] = {
    "broken JSON line": (
        replace_line("stories/weary.jsonl", 3, '{"emotion": "weary", '),
        ("stories/weary.jsonl:3: not valid JSON at column",),
    ),
    "line is no object": (
        replace_line("stories/weary.jsonl", 3, "[1, 2]"),
        ("stories/weary.jsonl:3: must be an object", "a list"),
    ),
    "nested too deeply": (
        replace_line("stories/weary.jsonl", 3, "[" * 100_000),
        ("stories/weary.jsonl:3: not valid JSON",),
    ),
    "missing text": (story_with(text=None), (WEARY + "text: missing",)),
    "missing emotion": (story_with(emotion=None), (WEARY + "emotion: missing",)),
    "missing index": (story_with(story_index=None), (WEARY + "story_index: missing",)),
    "missing topic": (story_with(topic_id=None), (WEARY + "topic_id: missing",)),
    "text is a number": (story_with(text=7), (WEARY + "text: must be text, not a number",)),
    "index is text": (
        story_with(story_index="1"),
        (WEARY + "story_index: must be a whole number",),
    ),
    "index is true": (story_with(story_index=True), (WEARY + "story_index: must be a whole",)),
    "index is negative": (story_with(story_index=-1), (WEARY + "story_index:", "not -1")),
    "empty text": (story_with(text=" \n"), (WEARY + "text: is empty",)),
    "half a surrogate": (story_with(text="\ud83d"), (WEARY + "text: holds half of a surrogate",)),
    "unknown emotion": (
        story_with(emotion="wearry"),
        (WEARY + 'emotion: unknown: "wearry"', 'did you mean "weary"?'),
    ),
    "emotion on two lines": (story_with(emotion="x\ny"), (WEARY + "emotion: unknown:",)),
    "slash in topic": (story_with(topic_id="a/b"), (WEARY + "topic_id: no id can be made",)),
    "duplicate story": (
        story_with(story_index=0),
        (WEARY + "story_index: a second weary story 0", "stories/weary.jsonl:1"),
    ),
    "duplicate in another file": (
        text_file(
            "stories/zz.jsonl", "\n" + json.dumps(story("weary", "lost-key", 1, text="X y."))
        ),
        ("stories/zz.jsonl:2: field story_index: a second", "stories/weary.jsonl:4"),
    ),
    "not UTF-8": (
        replace_line("stories/weary.jsonl", 4, b'{"text": "caf\xe9"}'),
        ("stories/weary.jsonl:4: not UTF-8 (byte 0xe9)",),
    ),
    "emotion without stories": (
        text_file("stories/weary.jsonl", ""),
        ("emotions.json:1: field flat", '"weary" has no stories'),
    ),
    "no neutral texts": (
        remove("neutral_dialogues.jsonl"),
        ("neutral_dialogues.jsonl: no neutral texts: add",),
    ),
    "empty neutral texts": (
        text_file("neutral_dialogues.jsonl", "\n"),
        ("neutral_dialogues.jsonl: no neutral texts: add",),
    ),
    "neutral text empty": (
        text_file("neutral_dialogues.jsonl", '{"text": ""}\n'),
        ("neutral_dialogues.jsonl:1: field text: is empty",),
    ),
    "neutral index twice": (
        text_file("neutral_dialogues.jsonl", '{"dialogue_index": 4, "text": "a b"}\n' * 2),
        ("neutral_dialogues.jsonl:2: field dialogue_index: 4", "neutral_dialogues.jsonl:1"),
    ),
    "no emotions.json": (remove("emotions.json"), ("no emotions.json: add one",)),
    "broken emotions.json": (
        text_file("emotions.json", '{\n"flat": [\n}'),
        ("emotions.json:3: not valid JSON",),
    ),
    "no flat": (
        document("emotions.json", {"names": EMOTIONS}),
        ("emotions.json:1: field flat: missing",),
    ),
    "flat is text": (
        document("emotions.json", {"flat": "joyful"}),
        ("field flat: must be a list",),
    ),
    "emotion twice": (
        document("emotions.json", {"flat": [*EMOTIONS, "weary"]}),
        ("emotions.json:4: field flat: ", "twice"),
    ),
    "one emotion": (document("emotions.json", {"flat": ["weary"]}), ("field flat:", "two or more")),
    "slash in emotion": (
        document("emotions.json", {"flat": ["a/b", "c"]}),
        ("emotions.json:3: field flat",),
    ),
    "unknown in cluster": (
        document("emotions.json", {"flat": EMOTIONS, "clusters": {"a": ["weery"]}}),
        ("emotions.json:9: field clusters.a: unknown", 'did you mean "weary"?'),
    ),
    "in two clusters": (
        document("emotions.json", {"flat": EMOTIONS, "clusters": {"a": EMOTIONS, "b": ["weary"]}}),
        ("field clusters.b:", '"weary" is in "a" already'),
    ),
    "in no cluster": (
        document("emotions.json", {"flat": EMOTIONS, "clusters": {"a": ["weary", "joyful"]}}),
        ("field clusters:", '"furious" is in no cluster'),
    ),
    "unknown valence group": (
        document("emotions.json", {"flat": EMOTIONS, "valence": {"positve": ["joyful"]}}),
        ("field valence.positve: unknown", 'did you mean "positive"?'),
    ),
    "line break in a name": (
        document("emotions.json", {"flat": EMOTIONS, "clusters": {"a\nb": ["weery"]}}),
        ("field clusters.a b: unknown",),
    ),
    "half a valence": (
        document("emotions.json", {"flat": EMOTIONS, "valence": {"positive": ["joyful"]}}),
        ("field valence.negative: missing",),
    ),
    "unknown topic": (
        document("topics.json", {"topics": [*LISTED[1:], {"id": "late-trains", "premise": "x"}]}),
        ("stories/furious.jsonl:1: field topic_id: unknown", 'did you mean "late-trains"?'),
    ),
    "topic without premise": (
        document("topics.json", {"topics": [*LISTED, {"id": "fifth"}]}),
        ("topics.json:20: field topics[4].premise: missing",),
    ),
    "topic twice": (
        document("topics.json", {"topics": [*LISTED, {"id": "lost-key", "premise": "Other."}]}),
        ("topics.json:21: field id:", "two topics", "line 9"),
    ),
    "undeclared scene": (
        document(
            "topics.json", {"topics": [{**t, "scenes": [{"scene_index": 0}]} for t in LISTED]}
        ),
        ("stories/furious.jsonl:2: field story_index: 1 is no scene of",),
    ),
    "wrong premise": (
        lambda root: (
            document("topics.json", {"topics": LISTED})(root),
            story_with(topic="Something else.")(root),
        )[0],
        (WEARY + "topic: is not the premise",),
    ),
    "unknown target": (
        text_file("implicit_scenarios.jsonl", json.dumps(SCENARIO | {"target": "joyfull"})),
        ("implicit_scenarios.jsonl:1: field target: unknown", 'did you mean "joyful"?'),
    ),
    "unknown near": (
        text_file("implicit_scenarios.jsonl", json.dumps(SCENARIO | {"near": ["weary", "furius"]})),
        ("implicit_scenarios.jsonl:1: field near: unknown", 'did you mean "furious"?'),
    ),
    "unknown battery": (
        text_file("implicit_scenarios.jsonl", json.dumps(SCENARIO | {"battery": "messages"})),
        ("implicit_scenarios.jsonl:1: field battery: unknown", 'did you mean "message"?'),
    ),
    "scenario id twice": (
        text_file("implicit_scenarios.jsonl", (json.dumps(SCENARIO | {"id": "a"}) + "\n") * 2),
        ("implicit_scenarios.jsonl:2: field id:", "implicit_scenarios.jsonl:1"),
    ),
    "template without number": (
        document("intensity_templates.json", [TEMPLATE, TEMPLATE | {"id": "b", "text": "Hours."}]),
        ("intensity_templates.json:14: field [1].text: has no {n}",),
    ),
    "template with NaN": (
        document("intensity_templates.json", [TEMPLATE | {"values": [1, math.nan]}]),
        ("intensity_templates.json:3: field [0].values: must be finite",),
    ),
    "norm is a word": (
        text_file("norms/n.csv", "word,valence,arousal,dominance\njoyful,8,high,5\n"),
        ('norms/n.csv:2: field arousal: "high" is not a number',),
    ),
    "norms lack a column": (
        text_file("norms/n.csv", "word,valence,arousal\njoyful,8,5\n"),
        ("norms/n.csv:1: field dominance: no such column",),
    ),
    "norm twice": (
        text_file("norms/n.csv", "word,valence,arousal,dominance\njoyful,8,1,5\njoyful,8,1,5\n"),
        ("norms/n.csv:3: field word:", "line 2"),
    ),
    "manifest is a list": (document("manifest.json", []), ("manifest.json:1: must be an object",)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_with_place_and_field(folder: Path, case: str) -> None:
    change, expected = BAD[case]
    load_corpus(folder)  # good before the change
    change(folder)
    with pytest.raises(EvmlxError) as caught:
        load_corpus(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(folder))
    for part in expected:
        assert part in message


def test_premises_of_one_topic_must_agree(folder: Path) -> None:
    story_with(1, story_index=0, topic="Once.")(folder)
    assert load_corpus(folder).topics[0].premise == "Once."
    story_with(2, topic="Twice.")(folder)
    with pytest.raises(EvmlxError, match=r"weary.jsonl:2: field topic: premise .*weary.jsonl:1"):
        load_corpus(folder)


def test_missing_folders(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(EvmlxError, match="nowhere: no such folder"):
        load_corpus(tmp_path / "nowhere")
    with pytest.raises(EvmlxError, match=r"emotions\.json: no such folder"):
        load_corpus(folder / "emotions.json")
    shutil.rmtree(folder / "stories")
    with pytest.raises(EvmlxError, match=r"stories: no \*\.jsonl"):
        load_corpus(folder)


@pytest.mark.parametrize(
    ("indices", "other", "good"),
    [((0, 0, 2), True, True), ((0, 0, 1), True, False), ((0, 0, 2), False, False)],
)
def test_a_slip_of_numbering_is_mended_only_where_a_number_is_missing(
    folder: Path, indices: tuple[int, ...], other: bool, good: bool
) -> None:
    for emotion in EMOTIONS:
        numbers = indices if emotion == "weary" else (0, 1, 2)
        texts = [f"Text {k if other else 0}." for k in range(3)]
        entries = [
            {"emotion": emotion, "topic": "One.", "story_index": n, "text": t}
            for n, t in zip(numbers, texts, strict=True)
        ]
        write_lines(folder / "stories" / f"{emotion}.jsonl", entries)
    if not good:
        with pytest.raises(EvmlxError, match=r"weary\.jsonl:2: field story_index.*weary\.jsonl:1"):
            load_corpus(folder)
        return
    corpus = load_corpus(folder)
    assert [(s.id, s.text) for s in corpus.stories if s.emotion == "weary"] == [
        ("weary/one/0", "Text 0."),
        ("weary/one/1", "Text 1."),
        ("weary/one/2", "Text 2."),
    ]
    assert any("weary.jsonl:2 is read as 1" in line for line in corpus.lacks)
