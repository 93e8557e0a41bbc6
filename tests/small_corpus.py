"""A corpus of one's own, cut from the shipped one: 20 emotions, 6 topics, 1 scene each."""

from __future__ import annotations

import json
from pathlib import Path

from evmlx.corpus import load_corpus

TOPICS = 6


def save_small_corpus(folder: Path) -> Path:
    """Write the corpus: 120 stories, 20 neutral dialogues, 40 scenarios."""
    corpus = load_corpus()
    root = corpus.root
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stories").mkdir()
    for name in ("emotions.json", "topics.json"):
        (folder / name).write_bytes((root / name).read_bytes())
    topics = [topic.id for topic in corpus.topics][:TOPICS]
    for emotion in corpus.emotions:
        lines = (root / "stories" / f"{emotion}.jsonl").read_text().splitlines()
        kept = [line for line in lines if _wanted(json.loads(line), topics)]
        (folder / "stories" / f"{emotion}.jsonl").write_text("\n".join(kept) + "\n")
    dialogues = (root / "neutral_dialogues.jsonl").read_text().splitlines()
    (folder / "neutral_dialogues.jsonl").write_text("\n".join(dialogues[:20]) + "\n")
    scenarios = (root / "implicit_scenarios.jsonl").read_text().splitlines()
    (folder / "implicit_scenarios.jsonl").write_text("\n".join(scenarios[::4]) + "\n")
    return folder


def _wanted(story: dict[str, object], topics: list[str]) -> bool:
    return story["topic_id"] in topics and story["story_index"] == 0
