"""Vectors and stories whose emotions lie in a plane of valence and arousal, with norms."""

from __future__ import annotations

import numpy as np
from planted import Planted, a_corpus, planted

from evmlx.corpus import Corpus, Norms
from evmlx.vectors import EmotionVectors

EMOTIONS = tuple(f"emotion{e}" for e in range(12))
VALENCE = {"positive": EMOTIONS[:3], "negative": EMOTIONS[3:]}
AROUSAL = {"high": EMOTIONS[0:8:2], "low": EMOTIONS[1:8:2]}


def as_vectors(denoised: np.ndarray) -> EmotionVectors:
    layers, emotions, width = denoised.shape
    return EmotionVectors(
        emotions=EMOTIONS[:emotions],
        layers=tuple(range(4, 4 + layers)),
        raw=denoised.astype(np.float32),
        denoised=denoised.astype(np.float32),
        neutral_basis=tuple(np.zeros((0, width), np.float32) for _ in range(layers)),
        neutral_variance=(float("nan"),) * layers,
        story_mean=np.zeros((layers, width), np.float32),
        residual_norm=np.full(layers, 10.0),
        stories=(5,) * emotions,
    )


def with_norms(valence: np.ndarray, arousal: np.ndarray) -> Corpus:
    dominance = np.random.default_rng(99).normal(size=len(EMOTIONS))
    norms = Norms(
        words=EMOTIONS,
        valence=tuple(map(float, valence)),
        arousal=tuple(map(float, arousal)),
        dominance=tuple(map(float, dominance)),
        exact=(True,) * len(EMOTIONS),
        source="made up",
    )
    return a_corpus(EMOTIONS, {}, valence=VALENCE, arousal=AROUSAL, norms=norms)


def affective_plane(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors that lie, but for a little noise, in a plane of valence and arousal."""
    valence = np.concatenate([rng.uniform(6, 9, 3), rng.uniform(1, 4, 9)])
    arousal = rng.uniform(1, 9, 12)
    axes, _ = np.linalg.qr(rng.normal(size=(20, 2)))
    x, y = 3 * (valence - valence.mean()), 1 * (arousal - arousal.mean())
    noise = 0.3 * rng.normal(size=(12, 20))
    return np.outer(x, axes[:, 0]) + np.outer(y, axes[:, 1]) + noise, valence, arousal


def affective_stories(rng: np.random.Generator) -> tuple[Planted, Corpus]:
    """Stories of emotions that lie in a plane of valence and arousal."""
    vectors, valence, arousal = affective_plane(rng)
    return planted(vectors / 2, rng, topics=8, dialogues=12), with_norms(valence, arousal)
