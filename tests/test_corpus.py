"""The loader: layouts, every complaint, the digest, and balanced subsets."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evmlx.corpus import Corpus, load_corpus, subset
from evmlx.errors import EvmlxError

EMOTIONS = ("joyful", "weary", "furious")
TOPICS = ("late-train", "lost-key", "old-school", "new-shop")


def write_lines(path: Path, entries: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")


def story(emotion: str, topic: str, index: int, **fields: Any) -> dict[str, Any]:
    text = f"A {emotion} telling of {topic}, number {index}."
    return {"emotion": emotion, "topic_id": topic, "story_index": index, "text": text} | fields


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus with no more than is needed: 3 emotions x 4 topics x 2."""
    root = tmp_path / "own"
    root.mkdir()
    (root / "emotions.json").write_text(
        json.dumps({"flat": EMOTIONS, "clusters": {"up": ["joyful"], "down": ["weary", "furious"]}})
    )
    for emotion in EMOTIONS:
        write_lines(
            root / "stories" / f"{emotion}.jsonl",
            [story(emotion, topic, index) for topic in TOPICS for index in (0, 1)],
        )
    write_lines(root / "neutral_dialogues.jsonl", [{"text": f"Person: {k}?"} for k in range(3)])
    return root


@pytest.fixture(scope="module")
def shipped() -> Corpus:
    return load_corpus()


# --- what is loaded -----------------------------------------------------------------------------


def test_shipped_corpus_is_crossed_and_lacks_nothing(shipped: Corpus) -> None:
    told = Counter((s.emotion, s.topic_id, s.story_index) for s in shipped.stories)
    expected = {(e, t.id, k) for e in shipped.emotions for t in shipped.topics for k in range(5)}
    assert set(told) == expected
    assert len(expected) == 3000
    assert set(told.values()) == {1}
    assert shipped.lacks == ()
    assert (shipped.name, shipped.version) == ("evmlx-corpus", "1.0.0")
    assert {s.scene for s in shipped.stories} == {
        f"{t.id}/{k}" for t in shipped.topics for k in range(5)
    }
    assert Counter(s.battery for s in shipped.scenarios) == {"situation": 80, "message": 80}
    assert (len(shipped.dialogues), len(shipped.passages), len(shipped.intensity)) == (100, 100, 10)


def test_shipped_texts_are_those_of_the_files(shipped: Corpus) -> None:
    lines = (shipped.root / "stories" / "weary.jsonl").read_text(encoding="utf-8").split("\n")
    raw = [json.loads(line) for line in lines if line]
    loaded = {(s.topic_id, s.story_index): s for s in shipped.stories if s.emotion == "weary"}
    assert len(raw) == len(loaded) == 150
    for entry in raw:
        found = loaded[entry["topic_id"], entry["story_index"]]
        assert (found.text, found.perspective, found.channel) == (
            entry["text"],
            entry["perspective"],
            entry["channel"],
        )


def test_shipped_norms_are_the_printed_ratings(shipped: Corpus) -> None:
    norms = shipped.norms
    assert norms is not None
    assert norms.words == shipped.emotions
    k = norms.words.index("joyful")
    assert (norms.valence[k], norms.arousal[k], norms.dominance[k]) == (7.971, 6.333, 6.273)
    assert not norms.exact[norms.words.index("grief-stricken")]
    assert norms.exact[k]


def test_loading_is_fast(shipped: Corpus) -> None:
    seconds = []
    for _ in range(3):
        start = time.process_time()
        load_corpus(shipped.root)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3


def test_own_corpus_needs_little_and_names_what_it_lacks(folder: Path) -> None:
    corpus = load_corpus(folder)
    assert (corpus.name, corpus.version, corpus.emotions) == ("own", None, EMOTIONS)
    assert len(corpus.stories) == 24
    assert [topic.id for topic in corpus.topics] == sorted(TOPICS)
    assert corpus.stories[0].id == "joyful/late-train/0"
    assert all(s.scene is None for s in corpus.stories)
    assert [d.id for d in corpus.dialogues] == ["dialogue-0", "dialogue-1", "dialogue-2"]
    text = "\n".join(corpus.lacks)
    for thing in (
        "valence",
        "arousal",
        "topics.json",
        "scenes",
        "neutral passages",
        "intensity",
        "scenarios",
    ):
        assert f"no {thing}" in text
    assert "no clusters" not in text
    assert all("\n" not in line and ":" in line for line in corpus.lacks)
    assert len(set(corpus.lacks)) == len(corpus.lacks)


def test_external_corpus_loads_as_it_was_published(external: Path) -> None:
    corpus = load_corpus(external / "corpus")
    assert len(corpus.stories) == len({s.id for s in corpus.stories}) == 3000
    assert len(corpus.topics) == 30
    assert len({t.domain for t in corpus.topics}) == 6
    raw = [
        json.loads(line)
        for path in (external / "corpus" / "stories").iterdir()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    premises = {topic.id: topic.premise for topic in corpus.topics}
    assert Counter((e["emotion"], e["topic"], e["text"]) for e in raw) == Counter(
        (s.emotion, premises[s.topic_id], s.text) for s in corpus.stories
    )
    assert (len(corpus.dialogues), len(corpus.passages), len(corpus.intensity)) == (50, 0, 0)
    assert corpus.dialogues[0].category == "code/programming"
    assert {s.battery for s in corpus.scenarios} == {"situation"}
    assert corpus.scenarios[0].id == "situation-desperate-0"
    assert corpus.norms is not None
    assert not any(map(math.isnan, corpus.norms.valence))
    text = "\n".join(corpus.lacks)
    for thing in ("scenes", "neutral passages", "intensity", "valence", "arousal", "message"):
        assert f"no {thing}" in text
    assert "no norms of its own" in text
    assert "stories/hopeless.jsonl:77 is read as 1" in text  # the published slip: 0, 0, 2, 3, 4


def test_topics_named_by_premise_get_a_slug(folder: Path) -> None:
    for emotion in EMOTIONS:
        entry = story(emotion, "", 0) | {"topic": "They're late. Again!"}
        del entry["topic_id"]
        write_lines(folder / "stories" / f"{emotion}.jsonl", [entry])
    corpus = load_corpus(folder)
    assert [(t.id, t.premise) for t in corpus.topics] == [
        ("theyre-late-again", "They're late. Again!")
    ]


def test_norms_of_unknown_words_are_nan_and_none_without_any(folder: Path) -> None:
    def rename(new: tuple[str, str, str]) -> Corpus:
        (folder / "emotions.json").write_text(json.dumps({"flat": new}))
        shutil.rmtree(folder / "stories")
        write_lines(folder / "stories" / "all.jsonl", [story(e, "t", 0) for e in new])
        return load_corpus(folder)

    mixed = rename(("joyful", "smug", "weary"))
    assert mixed.norms is not None
    assert mixed.norms.valence[0] == 7.971
    assert math.isnan(mixed.norms.valence[1])
    assert mixed.norms.exact == (True, False, True)
    assert any("2 of 3 emotions" in line for line in mixed.lacks)
    foreign = rename(("froh", "smug", "wry"))
    assert foreign.norms is None
    assert any(line.startswith("no norms") for line in foreign.lacks)


def test_own_norms_come_before_the_shipped_ones(folder: Path) -> None:
    (folder / "norms").mkdir()
    table = "word,valence,arousal,dominance\r\njoyful,8,,5\r\nzebra,1,2,3\r\nweary,2.5,1,3\r\n"
    (folder / "norms" / "mine.csv").write_bytes(table.encode())
    norms = load_corpus(folder).norms
    assert norms is not None
    assert norms.source == "norms/mine.csv"
    assert norms.valence[:2] == (8.0, 2.5)
    assert math.isnan(norms.valence[2])
    assert math.isnan(norms.arousal[0])


def test_separators_inside_texts_do_not_split_lines(folder: Path) -> None:
    path = folder / "stories" / "weary.jsonl"
    entries = [story("weary", "late-train", 0, text="One.\u2028Two.\x85Three.")]
    path.write_text("\n".join(json.dumps(e, ensure_ascii=False) for e in entries), encoding="utf-8")
    assert [s.text for s in load_corpus(folder).stories if s.emotion == "weary"] == [
        "One.\u2028Two.\x85Three."
    ]


def test_hidden_files_and_byte_order_marks_do_no_harm(folder: Path) -> None:
    before = load_corpus(folder).digest
    (folder / "stories" / "._weary.jsonl").write_bytes(b"\x00\x05\x16\x07\xff")
    path = folder / "stories" / "joyful.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_corpus(folder).digest == before


# --- what is refused ----------------------------------------------------------------------------

Change = Callable[[Path], None]


def replace_line(name: str, line: int, new: str | bytes) -> Change:
    def change(root: Path) -> None:
        lines = (root / name).read_bytes().split(b"\n")
        lines[line - 1] = new.encode() if isinstance(new, str) else new
        (root / name).write_bytes(b"\n".join(lines))

    return change


def story_with(line: int = 2, **fields: Any) -> Change:
    entry = story("weary", "late-train", 1) | fields
    return replace_line(
        "stories/weary.jsonl",
        line,
        json.dumps({key: value for key, value in entry.items() if value is not None}),
    )


def document(name: str, value: Any) -> Change:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(json.dumps(value, indent=1))

    return change


def text_file(name: str, text: str) -> Change:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")

    return change


def remove(name: str) -> Change:
    return lambda root: (root / name).unlink()


WEARY = "stories/weary.jsonl:2: field "
SCENARIO = {"target": "weary", "text": "Still here."}
TEMPLATE = {
    "id": "weary-hours",
    "target": "weary",
    "text": "{n} hours.",
    "values": [1, 2],
    "control_text": "{n} boxes.",
    "direction": "up",
}
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


# --- the digest ---------------------------------------------------------------------------------


def test_digest_ignores_place_order_and_line_ends(folder: Path, tmp_path: Path) -> None:
    before = load_corpus(folder).digest
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    every = b"".join(p.read_bytes() for p in (moved / "stories").iterdir())
    shutil.rmtree(moved / "stories")
    (moved / "stories").mkdir()
    lines = sorted(every.strip().split(b"\n"), reverse=True)
    (moved / "stories" / "a.jsonl").write_bytes(b"\r\n".join(lines[:10]) + b"\r\n\r\n")
    (moved / "stories" / "b.jsonl").write_bytes(b"\n".join(lines[10:]))
    assert load_corpus(moved).digest == before


CHANGES: dict[str, Change] = {
    "text": story_with(text="Another text."),
    "index": story_with(story_index=9),
    "topic": story_with(topic_id="new-topic"),
    "perspective": story_with(perspective="first"),
    "channel": story_with(channel="body"),
    "neutral text": replace_line("neutral_dialogues.jsonl", 1, '{"text": "Person: other"}'),
    "neutral category": replace_line(
        "neutral_dialogues.jsonl", 1, '{"text": "Person: 0?", "category": "math"}'
    ),
    "passage": text_file("neutral_passages.jsonl", '{"text": "A passage."}'),
    "scenario": text_file("implicit_scenarios.jsonl", json.dumps(SCENARIO)),
    "template": document("intensity_templates.json", [TEMPLATE]),
    "cluster": document("emotions.json", {"flat": EMOTIONS, "clusters": {"all": EMOTIONS}}),
    "valence": document(
        "emotions.json",
        {
            "flat": EMOTIONS,
            "clusters": {"up": ["joyful"], "down": ["weary", "furious"]},
            "valence": {"positive": ["joyful"], "negative": ["weary"]},
        },
    ),
    "norm": text_file("norms/n.csv", "word,valence,arousal,dominance\njoyful,7.971,6.333,6.27\n"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_digest_follows_every_text_label_and_norm(folder: Path, case: str) -> None:
    before = load_corpus(folder).digest
    CHANGES[case](folder)
    after = load_corpus(folder).digest
    assert after != before
    assert len(after) == 64


# --- subsets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stories", [20, 39, 40, 100, 599, 600, 620, 1500, 2980])
def test_subset_stays_crossed_and_touches_as_many_topics_as_it_can(
    shipped: Corpus, stories: int
) -> None:
    small = subset(shipped, stories)
    each = stories // 20
    cells = {
        e: {(s.topic_id, s.story_index) for s in small.stories if s.emotion == e}
        for e in shipped.emotions
    }
    assert all(own == cells["joyful"] for own in cells.values())
    assert len(small.stories) == each * 20
    per_topic = Counter(topic for topic, _ in cells["joyful"])
    assert len(per_topic) == min(each, 30) == len(small.topics)
    assert max(per_topic.values()) - min([*per_topic.values(), *([0] * (30 - len(per_topic)))]) <= 1
    for topic, n in per_topic.items():
        assert {index for t, index in cells["joyful"] if t == topic} == set(range(n))
    assert small.digest != shipped.digest
    assert small.scenarios == shipped.scenarios
    kept = {s.id for s in small.stories}
    assert small.stories == tuple(s for s in shipped.stories if s.id in kept)


def test_subset_is_spread_over_the_list_of_topics(shipped: Corpus) -> None:
    order = [topic.id for topic in shipped.topics]
    for count in (2, 3, 5, 6, 10, 15):
        touched = sorted(order.index(topic.id) for topic in subset(shipped, 20 * count).topics)
        gaps = [b - a for a, b in zip(touched, [*touched[1:], touched[0] + 30], strict=True)]
        assert max(gaps) - min(gaps) <= 1


def test_subsets_of_different_size_have_different_digests(shipped: Corpus) -> None:
    digests = {subset(shipped, n).digest for n in (20, 40, 60, 3000)}
    assert len(digests) == 4
    assert subset(shipped, 59).digest == subset(shipped, 40).digest


def test_subset_limits(shipped: Corpus) -> None:
    assert subset(shipped, 3000) is shipped
    assert subset(shipped, 10**9) is shipped
    for too_few in (19, 0, -5):
        with pytest.raises(EvmlxError, match=f"{too_few}: too few .* 20 or more"):
            subset(shipped, too_few)


def test_subset_of_an_uncrossed_corpus_spreads_each_emotion_over_its_topics(folder: Path) -> None:
    own = {"joyful": ("a", "b", "c", "d"), "weary": ("c", "e", "f"), "furious": ("f",)}
    for emotion, topics in own.items():
        write_lines(
            folder / "stories" / f"{emotion}.jsonl",
            [story(emotion, topic, index) for topic in topics for index in (3, 5, 8)],
        )
    corpus = load_corpus(folder)
    small = subset(corpus, 9)
    for emotion, topics in own.items():
        chosen = [s for s in small.stories if s.emotion == emotion]
        assert len(chosen) == 3
        assert len({s.topic_id for s in chosen}) == min(3, len(topics))
        if len(topics) >= 3:
            assert {s.story_index for s in chosen} == {3}
    assert {t.id for t in small.topics} == {s.topic_id for s in small.stories}
