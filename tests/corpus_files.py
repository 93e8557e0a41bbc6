"""A corpus with no more than is needed, and ways to change one file of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

EMOTIONS = ("joyful", "weary", "furious")
TOPICS = ("late-train", "lost-key", "old-school", "new-shop")
SCENARIO = {"target": "weary", "text": "Still here."}
TEMPLATE = {
    "id": "weary-hours",
    "target": "weary",
    "text": "{n} hours.",
    "values": [1, 2],
    "control_text": "{n} boxes.",
    "direction": "up",
}


def write_lines(path: Path, entries: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")


def story(emotion: str, topic: str, index: int, **fields: Any) -> dict[str, Any]:
    text = f"A {emotion} telling of {topic}, number {index}."
    return {"emotion": emotion, "topic_id": topic, "story_index": index, "text": text} | fields


def write_corpus(root: Path) -> Path:
    """3 emotions x 4 topics x 2 stories, and three neutral texts."""
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
