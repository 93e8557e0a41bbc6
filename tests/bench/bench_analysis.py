"""Time and memory of the whole analysis at the size of a large model.

    python tests/bench/bench_analysis.py [--width 4096] [--layers 4]

3,000 stories of the shipped corpus with random residuals that carry emotion, topic and noise,
through every stage of `evmlx run` after extraction, plots included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from evmlx.corpus import load_corpus
from evmlx.pipeline import peak_memory, run_stages
from evmlx.stages import STAGE_NAMES, Run
from evmlx.store import write_npz


def activations(corpus, width: int, layers: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    emotions = {e: rng.normal(size=width) for e in corpus.emotions}
    topics = {t.id: rng.normal(size=width) for t in corpus.topics}
    common = 20 * rng.normal(size=width)
    arrays = {"layers": np.arange(layers, dtype=np.int32)}
    kinds = {
        "stories": [(s.id, emotions[s.emotion] + 2 * topics[s.topic_id]) for s in corpus.stories],
        "dialogues": [(d.id, 0) for d in corpus.dialogues],
        "scenarios": [(s.id, emotions[s.target]) for s in corpus.scenarios],
    }
    for kind, items in kinds.items():
        arrays[f"{kind}__ids"] = np.array([i for i, _ in items])
        arrays[f"{kind}__tokens"] = np.full(len(items), 150, np.int32)
        for layer in range(layers):
            pooled = np.empty((len(items), width), np.float32)
            for row, (_, mean) in enumerate(items):
                pooled[row] = common + mean + 6 * rng.normal(size=width)
            arrays[f"{kind}__layer_{layer}"] = pooled
    return arrays


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
    with tempfile.TemporaryDirectory() as folder:
        write_npz(
            Path(folder, "activations.npz"), activations(corpus, options.width, options.layers)
        )
        start = time.perf_counter()
        run_stages(Run(Path(folder), corpus, record), STAGE_NAMES, announce=print)
        took = time.perf_counter() - start
    print(f"whole analysis: {took:.0f} s, peak memory {peak_memory() / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
