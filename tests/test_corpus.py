"""The loader: both layouts, what a corpus lacks, and the digest."""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from corpus_files import (
    EMOTIONS,
    SCENARIO,
    TEMPLATE,
    TOPICS,
    Change,
    document,
    replace_line,
    story,
    story_with,
    text_file,
    write_corpus,
    write_lines,
)

from evmlx.corpus import Corpus, load_corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "own")


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


def test_the_example_of_the_documentation_is_a_corpus(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "corpus.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^`([\w./]+)`\n\n```json\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    for name, content in blocks:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    corpus = load_corpus(tmp_path)
    assert [s.id for s in corpus.stories] == [
        "joyful/late-train/0",
        "joyful/lost-key/0",
        "weary/late-train/0",
        "weary/lost-key/0",
    ]
    assert len(corpus.dialogues) == 2


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


@pytest.mark.parametrize("cell", range(4))
def test_digest_follows_every_cell_of_the_norms(folder: Path, cell: int) -> None:
    row = ["8", "6", "5", "1"]

    def digest() -> str:
        text_file("norms/n.csv", f"word,valence,arousal,dominance,exact\njoyful,{','.join(row)}\n")(
            folder
        )
        return load_corpus(folder).digest

    before = digest()
    row[cell] = "0"
    assert digest() != before
