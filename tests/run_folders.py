"""A run folder with made-up figures that follow the schemas of the result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.corpus import Corpus

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


def make_run(folder: Path, corpus: Corpus) -> Path:
    """Fill `folder` with run.json and all four result files."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {"schema": 1, "model": "Tiny-1M", "corpus_digest": corpus.digest}
    rng = np.random.default_rng(5)
    per_layer = {layer: _layer(corpus, rng) for layer in LAYERS}
    for name, key, extra in (
        ("validation_results.json", "geometry", {"cross_layer_stability": _STABILITY}),
        ("arousal_results.json", "circumplex", {"permutations": 9999, "norms": _norms(corpus)}),
        ("probe_results.json", "probe", _probe_extra(corpus)),
        ("implicit_emotion_results.json", "implicit", {"primary_layer": PRIMARY}),
    ):
        layers = {f"layer_{layer}": found[key] for layer, found in per_layer.items()}
        write(folder, name, {**head, "layers": layers, **extra})
    write(folder, "run.json", {**head, **_run(corpus)})
    return folder


_STABILITY = {"pairwise": {"layer_4-layer_9": 0.87}, "mean_correlation": 0.87, "reason": None}


def _norms(corpus: Corpus) -> dict[str, Any]:
    norms = corpus.norms
    assert norms is not None
    return {
        "source": norms.source,
        "words": list(corpus.emotions),
        "valence": list(norms.valence),
        "arousal": list(norms.arousal),
        "dominance": list(norms.dominance),
    }


def _folds(accuracy: float, grouping: str = "topic") -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "low": accuracy - 0.02,
        "high": accuracy + 0.02,
        "fold_accuracies": [accuracy] * 5,
        "folds": 5,
        "grouping": grouping,
        "n": 3000,
        "reason": None,
    }


def _probe_extra(corpus: Corpus) -> dict[str, Any]:
    return {
        "emotions": list(corpus.emotions),
        "n_emotions": len(corpus.emotions),
        "chance": 1 / len(corpus.emotions),
        "text_control": {"tfidf": _folds(0.731)},
    }


def _layer(corpus: Corpus, rng: np.random.Generator) -> dict[str, Any]:
    emotions, count = list(corpus.emotions), len(corpus.emotions)
    vectors = rng.normal(size=(count, 30))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    plane = (u * s)[:, :5].tolist()
    shares = (s**2 / (s**2).sum())[:5].tolist()
    confusion = np.full((count, count), 0.2 / (count - 1))
    np.fill_diagonal(confusion, 0.8)
    return {
        "geometry": {
            "cosine": {
                "emotions": emotions,
                "matrix": (unit @ unit.T).tolist(),
                "within_cluster_mean": 0.111,
                "cross_cluster_mean": -0.123,
                "diff": 0.234,
                "clusters": {
                    name: {
                        "emotions": list(members),
                        "within": 0.1 if len(members) > 1 else None,
                        "cross": -0.1,
                        "diff": 0.2 if len(members) > 1 else None,
                        "low": 0.15 if len(members) > 1 else None,
                        "high": 0.25 if len(members) > 1 else None,
                        "p": 0.0123 if len(members) > 1 else None,
                    }
                    for name, members in corpus.clusters.items()
                },
                "bootstrap": {
                    "unit": "topics",
                    "draws": 2000,
                    "estimate": 0.234,
                    "low": 0.201,
                    "high": 0.262,
                    "mean": 0.23,
                    "corrected": {"estimate": 0.245, "low": 0.211, "high": 0.274, "reason": None},
                },
                "permutation": {
                    "draws": 9999,
                    "p": 0.0001,
                    "null_mean": 0.0012,
                    "null_std": 0.05,
                    "null_max": 0.2,
                },
                "reason": None,
            },
            "pca": {
                "emotions": emotions,
                "explained_variance": shares,
                "coordinates": plane,
                "participation_ratio": 7.4,
                "valence_separation_pc1": 0.5,
                "positive_mean_pc1": 0.4,
                "negative_mean_pc1": -0.1,
            },
            "norms": {"relative": dict.fromkeys(emotions, 0.07)},
            "outlier": {"share": 0.031, "dimension": 12},
            "neutral": {"components": 4, "variance": 0.52},
        },
        "circumplex": {
            "emotions": emotions,
            "components": [_component(pc, share) for pc, share in enumerate(shares, start=1)],
            "coordinates": plane,
            "published_protocol": {
                "note": "raw units",
                "pc_analysis": [],
                "best_valence_pc": 1,
                "best_arousal_pc": 3,
                "valence_separation": 3.94,
                "arousal_separation": 2.74,
            },
            "reason": None,
        },
        "probe": {
            "grouped": _folds(0.807),
            "published": _folds(0.821, "stratified"),
            "gain_over_tfidf": {"gain": 0.076, "low": 0.055, "high": 0.097, "reason": None},
            "confusion": confusion.tolist(),
            "recall": dict.fromkeys(emotions, 0.8),
            "cluster_accuracy": 0.861,
            "cluster_low": 0.84,
            "cluster_high": 0.88,
            "cluster_chance": 0.185,
        },
        "implicit": {
            "situation": _battery(0.5),
            "message": _battery(0.3625),
            "message_last": _battery(0.2125),
        },
    }


def _component(pc: int, share: float) -> dict[str, Any]:
    found: dict[str, Any] = {"pc": pc, "explained_variance": share}
    given = (("valence", -0.12, 0.61), ("arousal", 0.71, 0.0004), ("dominance", 0.2, 0.4))
    for norm, r, p in given:
        found |= {f"{norm}_r": r, f"{norm}_p": p, f"{norm}_p_max": min(1.0, 4 * p)}
    return found


def _battery(top1: float) -> dict[str, Any]:
    return {
        "n": 80,
        "centred": _score(top1, 3.3),
        "z_scored": _score(top1, 3.2),
        "published": _score(0.2, 6.1),
        "scenarios": [],
        "reason": None,
    }


def _score(top1: float, mean_rank: float) -> dict[str, Any]:
    found: dict[str, Any] = {"mean_rank": mean_rank, "chance_top1": 0.05, "p": 0.0001}
    for key, share in (("top1", top1), ("top3", top1 + 0.2), ("top5", top1 + 0.3)):
        found |= {key: share, f"{key}_low": share - 0.1, f"{key}_high": share + 0.1}
    return {
        **found,
        "mean_rank_low": mean_rank - 0.7,
        "mean_rank_high": mean_rank + 0.7,
        "hub_emotion": "anxious",
        "hub_share": 0.31,
        "draws": 9999,
    }


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
