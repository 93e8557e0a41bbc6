"""Seconds and peak memory of the probe on residuals as large as a 7B model's.

Run by hand: python tests/bench/bench_probe.py [layers] [width]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from evmlx.corpus import load_corpus
from evmlx.probe import probe
from evmlx.store import Activations


def residuals(
    emotion: np.ndarray, topic: np.ndarray, scene: np.ndarray, width: int, rng: np.random.Generator
) -> np.ndarray:
    """Emotion + topic + scene + noise; variances fall as 1 / k over rotated directions."""
    scale = np.arange(1, width + 1) ** -0.5
    rotation = rng.standard_normal((width, width), dtype=np.float32) / np.sqrt(width)
    pooled = np.zeros((len(emotion), width), np.float32)
    for factor, weight in (
        (emotion, 0.12),
        (topic, 1.0),
        (scene, 0.7),
        (np.arange(len(emotion)), 1),
    ):
        pooled += (weight * rng.standard_normal((factor.max() + 1, width)) * scale)[factor]
    return np.asarray(pooled @ rotation * rng.lognormal(size=width) + rng.normal(size=width))


def main(layers: int = 4, width: int = 4096) -> None:
    corpus = load_corpus()
    rng = np.random.default_rng(0)
    emotion, topic, scene = (
        np.unique([value(story) for story in corpus.stories], return_inverse=True)[1]
        for value in (lambda s: s.emotion, lambda s: s.topic_id, lambda s: str(s.scene))
    )
    pooled = np.empty((len(emotion), layers, width), np.float32)
    for at in range(layers):
        pooled[:, at] = residuals(emotion, topic, scene, width, rng)
    stories = Activations(
        tuple(s.id for s in corpus.stories),
        np.zeros(len(emotion), np.int32),
        tuple(range(layers)),
        pooled,
    )
    domain_of = {topic.id: topic.domain for topic in corpus.topics}
    start, before = time.perf_counter(), time.process_time()
    found = probe(
        stories,
        [s.emotion for s in corpus.stories],
        [s.topic_id for s in corpus.stories],
        [s.text for s in corpus.stories],
        corpus,
        seed=0,
        scenes=[s.scene for s in corpus.stories],
        domains=[domain_of[s.topic_id] for s in corpus.stories],
        primary_layer=layers // 2,
        progress=lambda line: print(f"{time.perf_counter() - start:6.1f} s  {line}", flush=True),
    )
    for name, layer in found.layers.items():
        print(name, layer.grouped, layer.within_scene, layer.nearest, layer.selectivity, sep="\n  ")
    print(found.text_control)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
    print(
        f"{pooled.shape}: {time.perf_counter() - start:.0f} s, "
        f"{time.process_time() - before:.0f} CPU s, peak {peak / 2**30:.2f} GiB"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
