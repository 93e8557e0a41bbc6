"""Run folders with made-up activations on a small corpus, so that runs can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from run_folders import PRIMARY, edit, make_run

from evmlx.corpus import Corpus

HIDDEN = 24


def directions(corpus: Corpus, seed: int) -> np.ndarray:
    """One direction an emotion, those of a cluster alike."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(len(corpus.emotions), HIDDEN))
    for members in corpus.clusters.values():
        shared = rng.normal(size=HIDDEN)
        for emotion in members:
            found[corpus.emotions.index(emotion)] += shared
    return found


def make_measured(
    folder: Path,
    corpus: Corpus,
    where: np.ndarray,
    *,
    noise: float,
    seed: int,
    turn: np.ndarray | None = None,
    scale: float = 1.0,
    **record: Any,
) -> Path:
    """A run whose stories are emotion + topic + noise, on a corpus that lies in a folder.

    `turn` and `scale` are applied to everything that the model gives. Dialogues differ along three
    directions, the same in every run.
    """
    make_run(folder, corpus)
    edit(folder, "run.json", "corpus", "path", value=str(corpus.root))
    for key, value in record.items():
        edit(folder, "run.json", *key.split("__"), value=value)
    rng, shared = np.random.default_rng(seed), np.random.default_rng(77)
    topics = [topic.id for topic in corpus.topics]
    by_topic = shared.normal(size=(len(topics), HIDDEN))
    neutral = shared.normal(size=(3, HIDDEN))
    rows = [
        where[corpus.emotions.index(s.emotion)] + by_topic[topics.index(s.topic_id)]
        for s in corpus.stories
    ]
    pooled = 50 + np.array(rows) + noise * rng.normal(size=(len(rows), HIDDEN))
    dialogues = 50 + shared.normal(size=(len(corpus.dialogues), 3)) @ neutral
    if turn is not None:
        pooled, dialogues = pooled @ turn, dialogues @ turn
    np.savez(
        folder / "activations.npz",
        layers=np.array([PRIMARY], np.int32),
        stories__ids=np.array([s.id for s in corpus.stories]),
        dialogues__ids=np.array([d.id for d in corpus.dialogues]),
        **{
            f"stories__layer_{PRIMARY}": (scale * pooled).astype(np.float32),
            f"dialogues__layer_{PRIMARY}": (scale * dialogues).astype(np.float32),
        },
    )
    return folder


def set_ranks(folder: Path, ranks: dict[str, list[int]]) -> None:
    """Give the batteries of a run the ranks of their texts at the primary layer."""
    path = folder / "implicit_emotion_results.json"
    content = json.loads(path.read_text())
    for battery, given in ranks.items():
        listed = [{"id": f"{battery}/{k}", "target": "x", "rank": r} for k, r in enumerate(given)]
        content["layers"][f"layer_{PRIMARY}"][battery]["scenarios"] = listed
    path.write_text(json.dumps(content))
