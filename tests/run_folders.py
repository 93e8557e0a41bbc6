"""A run folder with made-up figures that follow the schemas of the result files."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from run_figures import STABILITY, layer_figures, norms_of, probe_extra, word_fits, words_figures

from evmlx.corpus import Corpus, load_corpus
from evmlx.report.story_scores import Told
from evmlx.report.write import write_report

LAYERS, PRIMARY = (4, 9), 9


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def edit(folder: Path, name: str, *path: str, value: Any) -> None:
    """Set one figure of a result file."""
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    found = content
    for key in path[:-1]:
        found = found[key]
    found[path[-1]] = value
    write(folder, name, content)


@functools.cache
def reported_run(base: Path) -> tuple[Path, list[Path]]:
    """A run folder under `base` with its report, made once for tests that only look; and what was
    written.
    """
    corpus = load_corpus()
    folder = make_run(base / "reported" / "results" / "tiny", corpus)
    return folder, write_report(folder, corpus, made_up_texts(corpus))


def made_up_texts(corpus: Corpus) -> list[Told]:
    """Scores of a hundred stories and of all new texts, at every layer."""
    rng = np.random.default_rng(2)

    def scores() -> np.ndarray:
        return rng.uniform(-1, 1, (len(LAYERS), len(corpus.emotions))).astype(np.float32)

    premises = {topic.id: topic.premise for topic in corpus.topics}
    told = [
        Told("story", s.id, s.emotion, s.text, premises[s.topic_id], s.scene, (), scores())
        for s in corpus.stories[::30]
    ]
    told += [
        Told(s.battery, s.id, s.target, s.text, None, None, s.near, scores())
        for s in corpus.scenarios
    ]
    told[0].scores[0, 3] = np.nan
    return told


def make_run(folder: Path, corpus: Corpus) -> Path:
    """Fill `folder` with run.json and all five result files."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {"schema": 1, "model": "Tiny-1M", "corpus_digest": corpus.digest}
    rng = np.random.default_rng(5)
    per_layer = {layer: layer_figures(corpus, rng) for layer in LAYERS}
    for name, key, extra in (
        ("validation_results.json", "geometry", {"cross_layer_stability": STABILITY}),
        (
            "arousal_results.json",
            "circumplex",
            {"permutations": 9999, "norms": norms_of(corpus), "text_control": word_fits()},
        ),
        ("probe_results.json", "probe", probe_extra(corpus)),
        (
            "implicit_emotion_results.json",
            "implicit",
            {"primary_layer": PRIMARY, "text_control": words_figures(corpus)},
        ),
        ("intensity_results.json", "intensity", {"primary_layer": PRIMARY, "reason": None}),
    ):
        layers = {f"layer_{layer}": found[key] for layer, found in per_layer.items()}
        write(folder, name, {**head, "layers": layers, **extra})
    write(folder, "run.json", {**head, **_run(corpus)})
    return folder


def _run(corpus: Corpus) -> dict[str, Any]:
    return {
        "model": {
            "name": "Tiny-1M",
            "reference": "someone/Tiny-1M",
            "source": "hub",
            "revision": "0123abcd",
            "quantization": None,
            "license": "mit",
            "architecture": "TinyForCausalLM",
            "layers": 14,
            "hidden_size": 30,
        },
        "backend": "torch",
        "device": "cpu",
        "dtype": "float32",
        "quantize": None,
        "corpus": {
            "name": corpus.name,
            "version": corpus.version,
            "digest": corpus.digest,
            "limit": None,
            "stories": 3000,
            "dialogues": 100,
            "passages": 100,
            "scenarios": 160,
            "lacks": ["no domains of topics: the leave-one-domain-out probe is left out"],
        },
        "tokens": 512345,
        "layers": list(LAYERS),
        "primary_layer": PRIMARY,
        "pooling": "mean",
        "seed": 0,
        "command": "evmlx run someone/Tiny-1M",
        "versions": {"evmlx": "0.1.0", "numpy": "2.4.6"},
        "timings": {"extract": 100.0, "report": 12.0, "peak_memory_bytes": 3_400_000_000},
    }
