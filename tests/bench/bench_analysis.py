"""Time and memory of the whole analysis at the size of a large model.

    python tests/bench/bench_analysis.py [--width 4096] [--layers 4]

Every text of the shipped corpus with made-up residuals: emotion, topic, scene and noise, whose
variance falls over rotated directions as that of real residuals does; and token embeddings. They go
through every stage of `evmlx run` after extraction, plots and report included. Prints the time of
each stage, wall and processor.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evmlx.corpus import Corpus, load_corpus
from evmlx.pipeline import peak_memory, run_stages
from evmlx.stages import STAGE_NAMES, Run
from evmlx.store import write_npz

SPREAD = {"emotion": 0.12, "topic": 1.0, "scene": 0.7, "noise": 1.0}


def texts(corpus: Corpus) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Ids of every kind of text, with what their residuals are made of."""
    values = [(t, f"{t.id}/{v:g}") for t in corpus.intensity for v in t.values]
    implied = [(s.id, {"emotion": s.target, "scene": s.id}) for s in corpus.scenarios]
    messages = {s.id for s in corpus.scenarios if s.battery == "message"}
    return {
        "stories": [
            (s.id, {"emotion": s.emotion, "topic": s.topic_id, "scene": s.scene or s.id})
            for s in corpus.stories
        ],
        "dialogues": [(d.id, {"scene": d.id}) for d in corpus.dialogues],
        "scenarios": implied,
        "scenarios_last": [item for item in implied if item[0] in messages],
        "intensity": [(i, {"emotion": t.target, "topic": t.id}) for t, i in values],
        "intensity_control": [(i, {"topic": t.id}) for t, i in values],
    }


def arrays(corpus: Corpus, width: int, layers: int) -> Iterator[tuple[str, np.ndarray]]:
    """Contents of activations.npz."""
    rng = np.random.default_rng(0)
    kinds = texts(corpus)
    yield "layers", np.arange(layers, dtype=np.int32)
    for kind, items in kinds.items():
        yield f"{kind}__ids", np.array([i for i, _ in items])
        yield f"{kind}__tokens", np.full(len(items), 150, np.int32)
    scale = (np.arange(1, width + 1) ** -0.5).astype(np.float32)
    for layer in range(layers):
        rotation = rng.standard_normal((width, width), dtype=np.float32) / np.sqrt(width)
        stretch = rng.lognormal(size=width).astype(np.float32)
        common = 20 * rng.normal(size=width)
        parts: dict[tuple[str, str], np.ndarray] = {}
        for kind, items in kinds.items():
            pooled = SPREAD["noise"] * rng.standard_normal((len(items), width), dtype=np.float32)
            for row, (_, factors) in enumerate(items):
                for part in factors.items():
                    if part not in parts:
                        parts[part] = rng.standard_normal(width, dtype=np.float32)
                    pooled[row] += SPREAD[part[0]] * parts[part]
            pooled = (pooled * scale) @ rotation * stretch + common
            yield f"{kind}__layer_{layer}", pooled.astype(np.float32)


def token_embeddings(corpus: Corpus, width: int) -> dict[str, np.ndarray]:
    """Contents of token_embeddings.npz."""
    rng = np.random.default_rng(1)
    shape = (len(corpus.emotions), len(corpus.topics), width)
    cells = rng.standard_normal(shape, dtype=np.float32)
    return {
        "emotions": np.array(corpus.emotions),
        "topics": np.array([topic.id for topic in corpus.topics]),
        "cells": cells,
        "means": cells.mean(axis=1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    corpus = load_corpus()
    record = {
        "model": {"name": "random", "layers": options.layers, "hidden_size": options.width},
        "corpus": {"name": corpus.name, "version": corpus.version, "digest": corpus.digest},
        "layers": list(range(options.layers)),
        "primary_layer": options.layers // 2,
        "seed": 0,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_npz(folder / "activations.npz", dict(arrays(corpus, options.width, options.layers)))
        write_npz(folder / "token_embeddings.npz", token_embeddings(corpus, options.width))
        start, before = time.perf_counter(), time.process_time()

        def announce(line: str) -> None:
            print(
                f"{line} ({time.process_time() - before:.0f} processor seconds so far)", flush=True
            )

        run_stages(Run(folder, corpus, record), STAGE_NAMES, announce=announce)
        took, busy = time.perf_counter() - start, time.process_time() - before
    print(
        f"whole analysis: {took:.0f} s, {busy:.0f} processor seconds, "
        f"peak memory {peak_memory() / 2**30:.2f} GiB"
    )


if __name__ == "__main__":
    main()
