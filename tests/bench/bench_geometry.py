"""Time of the geometry at the size of an 8B model: `python tests/bench/bench_geometry.py`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from planted import activations, planted

from evmlx.circumplex import circumplex
from evmlx.corpus import load_corpus
from evmlx.geometry import geometry
from evmlx.vectors import emotion_vectors

WIDTH, LAYERS, EMOTIONS, TOPICS, SCENES = 4096, (8, 16, 20, 25), 20, 30, 5
DRAWS, PERMUTATIONS = 2000, 10_000

Result = TypeVar("Result")


def timed(what: str, run: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = run()
    print(f"{what:<60} {time.perf_counter() - start:6.2f} s")
    return result


def main() -> None:
    corpus = load_corpus()
    rng = np.random.default_rng(0)
    given = planted(
        rng.normal(size=(EMOTIONS, WIDTH)), rng, topics=2, per_cell=1, dialogues=100, layers=LAYERS
    )
    # the full design from one small one, with noise: building it is not what is timed
    repeated = np.repeat(given.stories.pooled, TOPICS * SCENES // 2, axis=0)
    repeated = repeated + rng.standard_normal(repeated.shape, dtype=np.float32)
    stories = activations(repeated, LAYERS, "story")
    labels = np.repeat(corpus.emotions, TOPICS * SCENES).tolist()
    topics = np.tile(np.repeat([f"topic{t}" for t in range(TOPICS)], SCENES), EMOTIONS).tolist()

    print(f"{len(labels)} stories, layers {LAYERS}, width {WIDTH}")
    vectors = timed(
        "emotion_vectors",
        lambda: emotion_vectors(stories, labels, corpus.emotions, given.dialogues),
    )
    timed(
        f"geometry, {DRAWS} topic draws, {PERMUTATIONS} permutations",
        lambda: geometry(
            vectors,
            stories,
            labels,
            topics,
            corpus,
            primary_layer=20,
            seed=0,
            draws=DRAWS,
            permutations=PERMUTATIONS,
        ),
    )
    timed(
        f"circumplex, {PERMUTATIONS} permutations of three norms",
        lambda: circumplex(vectors, corpus, 0, PERMUTATIONS),
    )


if __name__ == "__main__":
    main()
