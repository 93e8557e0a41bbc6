"""Run folders with made-up activations for a corpus that need not be whole, ready for stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.corpus import Corpus, IntensityTemplate, NeutralText, Norms, Scenario, Story, Topic
from evmlx.stages import Run
from evmlx.store import write_json, write_npz

EMOTIONS = ("calm", "glad", "proud", "angry", "sad", "afraid")
WIDTH, LAYERS, PRIMARY = 24, (2, 5), 5
WORDS = tuple(
    "the a and then she he they walked stood waited door window river road bread letter rain light "
    "slowly again before after under over table chair garden harbour market bridge".split()
)


def whole_corpus(seed: int = 0, topics: int = 6, per_topic: int = 2) -> Corpus:
    """Crossed corpus with clusters, valence, arousal, norms, neutral texts and both batteries."""
    rng = np.random.default_rng(seed)
    return Corpus(
        name="small",
        version="1",
        root=Path(),
        digest="5" * 64,
        emotions=EMOTIONS,
        clusters={"good": EMOTIONS[:3], "bad": EMOTIONS[3:]},
        valence={"positive": EMOTIONS[:3], "negative": EMOTIONS[3:]},
        arousal={"high": ("glad", "angry", "afraid"), "low": ("calm", "sad")},
        topics=tuple(Topic(f"topic{t}", f"Topic {t}.", f"domain{t % 3}") for t in range(topics)),
        stories=tuple(
            Story(
                f"{emotion}/topic{t}/{n}", emotion, f"topic{t}", n, f"topic{t}/{n}", None, None,
                some_text(rng, emotion),
            )
            for emotion in EMOTIONS
            for t in range(topics)
            for n in range(per_topic)
        ),
        dialogues=tuple(
            NeutralText(f"dialogue/{n}", "dialogue", None, some_text(rng)) for n in range(10)
        ),
        passages=(),
        scenarios=tuple(
            Scenario(f"{battery}-{emotion}-{n}", battery, emotion, (), some_text(rng))
            for battery in ("situation", "message")
            for emotion in EMOTIONS
            for n in range(2)
        ),
        intensity=tuple(
            IntensityTemplate(f"{e}-graded", e, "{n} hours", tuple(range(2, 9)), "{n} metres", "up")
            for e in EMOTIONS[:4]
        ),
        norms=Norms(
            words=EMOTIONS,
            valence=(7.0, 8.0, 7.5, 2.5, 2.0, 2.2),
            arousal=(2.0, 6.0, 5.5, 7.0, 3.5, 6.8),
            dominance=(6.0, 6.5, 7.0, 5.0, 3.0, 2.8),
            exact=(True,) * 6,
            source="made up",
        ),
        lacks=(),
    )  # fmt: skip


def some_text(rng: np.random.Generator, emotion: str | None = None) -> str:
    """Sixty words; of an emotion, each with some words more often."""
    weights = np.ones(len(WORDS))
    if emotion is not None:
        weights[5 * EMOTIONS.index(emotion) :][:5] += 2
    return " ".join(rng.choice(WORDS, size=60, p=weights / weights.sum())) + "."


def only(corpus: Corpus, emotions: Sequence[str]) -> Corpus:
    """Cut a corpus down to some emotions, everywhere."""

    def cut(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        return {
            name: kept for name, members in groups.items()
            if (kept := tuple(e for e in members if e in emotions))
        }  # fmt: skip

    norms = corpus.norms
    rows = [corpus.emotions.index(emotion) for emotion in emotions]
    return replace(
        corpus,
        emotions=tuple(emotions),
        clusters=cut(corpus.clusters),
        valence=cut(corpus.valence),
        arousal=cut(corpus.arousal),
        stories=tuple(s for s in corpus.stories if s.emotion in emotions),
        scenarios=tuple(s for s in corpus.scenarios if s.target in emotions),
        intensity=tuple(t for t in corpus.intensity if t.target in emotions),
        norms=norms and Norms(
            tuple(emotions),
            *(
                tuple(getattr(norms, scale)[row] for row in rows)
                for scale in ("valence", "arousal", "dominance", "exact")
            ),
            norms.source,
        ),
    )  # fmt: skip


def save_run(folder: Path, corpus: Corpus, *, constant: bool = False, seed: int = 1) -> Run:
    """Write activations.npz and run.json for a corpus; every text follows its emotion.

    `constant`: all residuals are equal.
    """
    rng = np.random.default_rng(seed)
    directions = 2 * rng.normal(size=(len(EMOTIONS), WIDTH))
    topic = {t.id: rng.normal(size=WIDTH) for t in corpus.topics}
    base = 10 * rng.normal(size=WIDTH)

    def residuals(parts: Sequence[np.ndarray]) -> np.ndarray:
        pooled = np.stack([base + part for part in parts])[:, None].repeat(len(LAYERS), axis=1)
        pooled += rng.normal(size=pooled.shape)
        return np.broadcast_to(base, pooled.shape) if constant else pooled

    felt = {emotion: directions[k] for k, emotion in enumerate(EMOTIONS)}
    steps = [(t, value, k) for t in corpus.intensity for k, value in enumerate(t.values)]
    names = [f"{t.id}/{value:g}" for t, value, _ in steps]
    messages = [s for s in corpus.scenarios if s.battery == "message"]
    kinds = {
        "stories": ([s.id for s in corpus.stories],
                    [felt[s.emotion] + topic[s.topic_id] for s in corpus.stories]),
        "dialogues": ([d.id for d in corpus.dialogues],
                      [3 * rng.normal() * directions.mean(axis=0) for _ in corpus.dialogues]),
        "scenarios": ([s.id for s in corpus.scenarios], [felt[s.target] for s in corpus.scenarios]),
        "scenarios_last": ([s.id for s in messages], [8 + felt[s.target] for s in messages]),
        "intensity": (names, [(k - 3) * felt[t.target] for t, _, k in steps]),
        "intensity_control": (names, [np.zeros(WIDTH) for _ in steps]),
    }  # fmt: skip
    folder.mkdir(parents=True)
    arrays: dict[str, np.ndarray] = {"layers": np.array(LAYERS, np.int32)}
    for kind, (ids, parts) in kinds.items():
        if not ids:
            continue
        pooled = residuals(parts).astype(np.float32)
        arrays[f"{kind}__ids"] = np.array(ids)
        arrays[f"{kind}__tokens"] = np.full(len(ids), 70, np.int32)
        for at, layer in enumerate(LAYERS):
            arrays[f"{kind}__layer_{layer}"] = np.ascontiguousarray(pooled[:, at])
    write_npz(folder / "activations.npz", arrays)
    record = _record(corpus)
    write_json(folder / "run.json", record)
    return Run(folder, corpus, record)


def _record(corpus: Corpus) -> dict[str, Any]:
    return {
        "schema": 1,
        "model": {
            "name": "Tiny-1M", "reference": "someone/Tiny-1M", "source": "hub",
            "revision": "0123abcd", "quantization": None, "license": "mit",
            "architecture": "TinyForCausalLM", "layers": 8, "hidden_size": WIDTH,
        },
        "backend": "torch",
        "device": "cpu",
        "dtype": "float32",
        "quantize": None,
        "corpus": {
            "name": corpus.name, "version": corpus.version, "digest": corpus.digest,
            "path": None, "limit": None, "stories": len(corpus.stories),
            "dialogues": len(corpus.dialogues), "passages": 0,
            "scenarios": len(corpus.scenarios), "intensity": len(corpus.intensity),
            "lacks": list(corpus.lacks),
        },
        "tokens": 70 * len(corpus.stories),
        "layers": list(LAYERS),
        "primary_layer": PRIMARY,
        "pooling": "mean",
        "seed": 0,
        "command": "evmlx run someone/Tiny-1M",
        "versions": {"evmlx": "0.1.0", "numpy": "2.4.6"},
        "stages": {},
        "timings": {},
    }  # fmt: skip
