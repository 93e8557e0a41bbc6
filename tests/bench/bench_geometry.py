"""Time of the geometry at the size of an 8B model: `python tests/bench/bench_geometry.py`.

Also times the protocol of emotion-vector-bench on the same made-up residuals (50 shuffles of
the story labels, 50 draws of stories with replacement, each from the stories anew), written
from its description, and gives the ratio of the times for a draw.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from planted import activations

from evmlx.circumplex import circumplex
from evmlx.clusters import cluster_membership
from evmlx.corpus import load_corpus
from evmlx.geometry import geometry
from evmlx.store import Activations
from evmlx.vectors import emotion_vectors

WIDTH, LAYERS = 4096, (8, 16, 20, 25)
DRAWS, PERMUTATIONS, FORERUNNERS = 2000, 10_000, 50

Result = TypeVar("Result")


def timed(what: str, run: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    result = run()
    taken = time.perf_counter() - start
    print(f"{what:<72} {taken:7.2f} s", flush=True)
    return result, taken


def residuals(emotion: np.ndarray, topic: np.ndarray, kind: str) -> Activations:
    """Emotion + topic + noise, in float32 throughout: 3,000 x 4 x 4,096."""
    rng = np.random.default_rng(0)
    pooled = rng.standard_normal((len(emotion), len(LAYERS), WIDTH), dtype=np.float32) * 6
    for index in (emotion, topic):
        means = rng.standard_normal((index.max() + 1, len(LAYERS), WIDTH), dtype=np.float32)
        pooled += means[index]
    return activations(pooled, LAYERS, kind)


def forerunner(
    stories: Activations, labels: np.ndarray, membership: np.ndarray, draws: int
) -> np.ndarray:
    """Cohesion at every layer under shuffled labels, then under stories drawn with replacement."""
    rng = np.random.default_rng(0)
    same = membership @ membership.T > 0
    upper = np.triu(np.ones_like(same), 1)
    emotions = range(len(membership))

    def cohesion(rows: list[np.ndarray], at: int) -> float:
        means = np.stack([stories.pooled[found, at].mean(axis=0) for found in rows])
        vectors = means - means.mean(axis=0)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = unit @ unit.T
        return float(cosines[upper & same].mean() - cosines[upper & ~same].mean())

    found = []
    for at in range(len(LAYERS)):
        for _ in range(draws):
            shuffled = rng.permutation(labels)
            found.append(cohesion([np.flatnonzero(shuffled == e) for e in emotions], at))
        for _ in range(draws):
            rows = [np.flatnonzero(labels == e) for e in emotions]
            found.append(cohesion([rng.choice(r, r.size) for r in rows], at))
    return np.array(found)


def main() -> None:
    corpus = load_corpus()
    told = corpus.stories
    topic_names = [topic.id for topic in corpus.topics]
    emotion = np.array([corpus.emotions.index(story.emotion) for story in told])
    topic = np.array([topic_names.index(story.topic_id) for story in told])
    stories = residuals(emotion, topic, "story")
    nowhere = np.zeros(len(corpus.dialogues), int)
    dialogues = residuals(nowhere, nowhere, "dialogue")
    labels, topics = [s.emotion for s in told], [s.topic_id for s in told]
    cells = np.zeros((len(corpus.emotions), len(topic_names), WIDTH), np.float32)
    np.add.at(cells, (emotion, topic), stories.pooled[:, 0])
    embeddings = {
        "emotions": np.array(corpus.emotions),
        "topics": np.array(topic_names),
        "cells": cells,
    }

    print(f"{len(labels)} stories, layers {LAYERS}, width {WIDTH}")
    vectors, _ = timed(
        "emotion_vectors", lambda: emotion_vectors(stories, labels, corpus.emotions, dialogues)
    )
    _, ours = timed(
        f"geometry, all of it: {DRAWS} topic draws, {PERMUTATIONS} permutations, 100 splits",
        lambda: geometry(
            vectors,
            stories,
            labels,
            topics,
            corpus,
            primary_layer=20,
            seed=0,
            texts=[story.text for story in told],
            embeddings=embeddings,
            draws=DRAWS,
            permutations=PERMUTATIONS,
        ),
    )
    timed(
        f"circumplex: {DRAWS} topic draws, {PERMUTATIONS} permutations",
        lambda: circumplex(
            vectors,
            corpus,
            seed=0,
            permutations=PERMUTATIONS,
            stories=stories,
            labels=labels,
            topic_ids=topics,
            draws=DRAWS,
        ),
    )
    membership = cluster_membership(corpus.emotions, corpus.clusters).membership
    _, theirs = timed(
        f"emotion-vector-bench's protocol: {FORERUNNERS} shuffles, {FORERUNNERS} draws, cohesion",
        lambda: forerunner(stories, emotion, membership, FORERUNNERS),
    )
    ratio = theirs / (2 * FORERUNNERS) / (ours / (DRAWS + PERMUTATIONS))
    print(f"for a draw, on all layers: {ratio:.0f} times as long as evmlx takes for every figure")


if __name__ == "__main__":
    main()
