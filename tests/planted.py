"""Pooled residuals with a structure that is known because it was put there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.corpus import Corpus, Norms
from evmlx.geometry import Geometry, geometry
from evmlx.store import Activations
from evmlx.vectors import EmotionVectors, emotion_vectors

CLUSTERS = {
    "one": ("emotion0", "emotion1", "emotion2"),
    "two": ("emotion3", "emotion4", "emotion5"),
    "alone": ("emotion6",),
}
VALENCE = {"positive": ("emotion0", "emotion1"), "negative": ("emotion4", "emotion5", "emotion6")}


def vectors_from(
    raw: np.ndarray, emotions: Sequence[str], layers: Sequence[int], rng: np.random.Generator
) -> EmotionVectors:
    """Vectors with a mean far from 0 and two neutral components that they are free of.

    `raw`: (layers, emotions, width), of any mean.
    """
    width = raw.shape[2]
    raw = raw - raw.mean(axis=1, keepdims=True)
    bases = [np.linalg.qr(rng.normal(size=(width, 2)))[0].T for _ in layers]
    denoised = np.stack([v - v @ b.T @ b for v, b in zip(raw, bases, strict=True)])
    return EmotionVectors(
        emotions=tuple(emotions),
        layers=tuple(layers),
        raw=raw.astype(np.float32),
        denoised=denoised.astype(np.float32),
        neutral_basis=tuple(b.astype(np.float32) for b in bases),
        neutral_variance=(0.5,) * len(layers),
        story_mean=(20 * rng.normal(size=(len(layers), width))).astype(np.float32),
        residual_norm=np.full(len(layers), 100.0),
        stories=(1,) * len(emotions),
    )


@dataclass(frozen=True)
class Planted:
    emotions: tuple[str, ...]
    labels: tuple[str, ...]
    topic_ids: tuple[str, ...]
    scenes: tuple[str, ...]
    stories: Activations
    dialogues: Activations


def activations(pooled: np.ndarray, layers: Sequence[int], kind: str) -> Activations:
    ids = tuple(f"{kind}/{n}" for n in range(len(pooled)))
    tokens = np.full(len(pooled), 100, np.int32)
    return Activations(ids, tokens, tuple(layers), pooled.astype(np.float32))


def planted(
    directions: np.ndarray,
    rng: np.random.Generator,
    *,
    topics: int = 6,
    per_cell: int = 2,
    noise: float = 1.0,
    dialogues: int = 12,
    layers: Sequence[int] = (3,),
) -> Planted:
    """Build a balanced crossed corpus: emotion direction + topic + scene + noise, per layer."""
    count, width = directions.shape
    emotions = tuple(f"emotion{e}" for e in range(count))
    e, t, s = (
        axis.ravel()
        for axis in np.meshgrid(range(count), range(topics), range(per_cell), indexing="ij")
    )
    pooled = np.empty((len(e), len(layers), width))
    neutral = np.empty((dialogues, len(layers), width))
    for at in range(len(layers)):
        base = 10 * rng.normal(size=width)
        topic = rng.normal(size=(topics, width))
        scene = rng.normal(size=(topics, per_cell, width))
        pooled[:, at] = base + directions[e] + topic[t] + scene[t, s]
        pooled[:, at] += noise * rng.normal(size=(len(e), width))
        spread = 3 * rng.normal(size=(dialogues, 4)) @ rng.normal(size=(4, width))
        neutral[:, at] = base + spread + rng.normal(size=(dialogues, width))
    return Planted(
        emotions=emotions,
        labels=tuple(emotions[k] for k in e),
        topic_ids=tuple(f"topic{k}" for k in t),
        scenes=tuple(f"topic{k}/{n}" for k, n in zip(t, s, strict=True)),
        stories=activations(pooled, layers, "story"),
        dialogues=activations(neutral, layers, "dialogue"),
    )


def thinned(given: Planted, keep: np.ndarray) -> Planted:
    """Keep some stories only."""
    rows = np.flatnonzero(keep)
    stories = activations(given.stories.pooled[rows], given.stories.layers, "story")
    return Planted(
        given.emotions,
        tuple(given.labels[r] for r in rows),
        tuple(given.topic_ids[r] for r in rows),
        tuple(given.scenes[r] for r in rows),
        stories,
        given.dialogues,
    )


def a_corpus(
    emotions: Sequence[str],
    clusters: Mapping[str, Sequence[str]],
    *,
    valence: Mapping[str, Sequence[str]] | None = None,
    arousal: Mapping[str, Sequence[str]] | None = None,
    norms: Norms | None = None,
) -> Corpus:
    """Build a corpus without texts: the analysis reads groups and norms alone."""

    def frozen(groups: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
        return {name: tuple(members) for name, members in (groups or {}).items()}

    return Corpus(
        name="planted",
        version=None,
        root=Path(),
        digest="0" * 64,
        emotions=tuple(emotions),
        clusters=frozen(clusters),
        valence=frozen(valence),
        arousal=frozen(arousal),
        topics=(),
        stories=(),
        dialogues=(),
        passages=(),
        scenarios=(),
        intensity=(),
        norms=norms,
        lacks=(),
    )


def clustered(rng: np.random.Generator, width: int = 30, strength: float = 1.0) -> np.ndarray:
    """Seven directions; those of one cluster share a part."""
    centres = rng.normal(size=(3, width))
    return strength * centres[[0, 0, 0, 1, 1, 1, 2]] + rng.normal(size=(7, width))


def measure(given: Planted, corpus: Corpus | None = None, **settings: Any) -> Geometry:
    corpus = corpus or a_corpus(given.emotions, CLUSTERS, valence=VALENCE)
    vectors = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    settings = {"seed": 0, "draws": 300, "permutations": 999} | settings
    return geometry(
        vectors,
        given.stories,
        given.labels,
        given.topic_ids,
        corpus,
        primary_layer=given.stories.layers[0],
        **settings,
    )
