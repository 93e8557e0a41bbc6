"""A run folder with made-up figures that follow the schemas of the result files."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

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
    per_layer = {layer: _layer(corpus, rng) for layer in LAYERS}
    for name, key, extra in (
        ("validation_results.json", "geometry", {"cross_layer_stability": _STABILITY}),
        (
            "arousal_results.json",
            "circumplex",
            {"permutations": 9999, "norms": _norms(corpus), "text_control": _word_fits()},
        ),
        ("probe_results.json", "probe", _probe_extra(corpus)),
        (
            "implicit_emotion_results.json",
            "implicit",
            {"primary_layer": PRIMARY, "text_control": _words(corpus)},
        ),
        ("intensity_results.json", "intensity", {"primary_layer": PRIMARY, "reason": None}),
    ):
        layers = {f"layer_{layer}": found[key] for layer, found in per_layer.items()}
        write(folder, name, {**head, "layers": layers, **extra})
    write(folder, "run.json", {**head, **_run(corpus)})
    return folder


def _word_fits() -> dict[str, Any]:
    r = {"valence": 0.21, "arousal": 0.44, "dominance": -0.12}
    axes = {norm: _axis(value, -0.6, 0.8, 0.09, 20) for norm, value in r.items()}
    return {"norm_axis": axes, "procrustes": {"r2": 0.19, "p": 0.08}}


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
        "text_control": {
            "tfidf": _folds(0.731),
            "style": _folds(0.118),
            "tfidf_leave_one_domain_out": _folds(0.702, "domain"),
            "within_scene": _folds(0.612),
            "tfidf_nearest": _folds(0.611),
        },
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
            "reliability": {
                "splits": 100,
                "halves_r": 0.9,
                "low": 0.8,
                "high": 0.95,
                "spearman_brown": 0.947,
                "reason": None,
            },
            "rsa": {
                "text": _rsa(0.64, 0.55, 0.71, 0.0001),
                "embedding": _rsa(0.52, 0.44, 0.6, 0.0003),
                "norms": {
                    "r": 0.31,
                    "p": 0.004,
                    "text_r": 0.22,
                    "low": 0.24,
                    "high": 0.38,
                    "partial_r": 0.19,
                    "partial_low": 0.11,
                    "partial_high": 0.27,
                    "p_draws": 9999,
                    "partial_p": 0.043,
                    "n": count,
                    "reason": None,
                },
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
            "norm_axis": {
                "valence": _axis(0.66, 0.31, 0.85, 0.0021, count),
                "arousal": _axis(0.48, 0.06, 0.76, 0.021, count),
                "dominance": _axis(0.11, -0.35, 0.53, 0.19, count),
            },
            "procrustes": _procrustes(corpus, rng),
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
            "gain_over_tfidf": {
                **{"gain": 0.076, "low": 0.055, "high": 0.097, "reason": None},
                **{"macro_auc": 0.021, "macro_auc_low": 0.011, "macro_auc_high": 0.03},
            },
            "within_scene_gain": {"gain": 0.231, "low": 0.2, "high": 0.26, "reason": None},
            "nearest_gain": {"gain": 0.044, "low": 0.02, "high": 0.07, "reason": None},
            "gain_over_style": {"gain": 0.689, "low": 0.67, "high": 0.71, "reason": None},
            "within_scene": _folds(0.843),
            "leave_one_domain_out": _folds(0.788, "domain"),
            "nearest": _folds(0.655),
            "selectivity": {
                "accuracy": 0.811,
                "control_accuracy": 0.072,
                "selectivity": 0.739,
                "low": 0.721,
                "high": 0.758,
                "n": 3000,
                "reason": None,
            },
            "confusion": confusion.tolist(),
            "recall": dict.fromkeys(emotions, 0.8),
            "cluster_accuracy": 0.861,
            "cluster_low": 0.84,
            "cluster_high": 0.88,
            "cluster_chance": 0.185,
        },
        "implicit": {
            "situation": _battery(corpus, "situation", 0.5) | {"gain_over_words": _gain(0.15)},
            "message": _battery(corpus, "message", 0.3625) | {"gain_over_words": _gain(-0.0375)},
            "message_last": _battery(corpus, "message", 0.0625)
            | {
                "own_centred": _score(0.2125, 5.1),
                "headline": "own_centred",
                "gain_over_words": _gain(-0.1875),
            },
        },
        "intensity": _intensity(corpus, rng),
    }


def _rsa(r: float, low: float, high: float, p: float) -> dict[str, Any]:
    found = {"r": r, "low": low, "high": high, "p": p, "p_draws": 9999}
    return {**found, "ceiling": 0.973, "n_pairs": 190, "reason": None}


def _axis(r: float, low: float, high: float, p: float, n: int) -> dict[str, Any]:
    found = {"r": r, "low": low, "high": high, "p": p, "null_mean": -0.37, "draws": 9999, "n": n}
    return {**found, "predicted": [0.0] * n, "reason": None}


def _procrustes(corpus: Corpus, rng: np.random.Generator) -> dict[str, Any]:
    norms = corpus.norms
    assert norms is not None
    human = np.array([norms.valence, norms.arousal]).T
    human = (human - human.mean(0)) / human.std(0)
    count = len(human)
    spread = 0.05 * rng.normal(size=(count, 2, 4))
    return {
        "r2": 0.36,
        "low": 0.29,
        "high": 0.42,
        "p": 0.012,
        "null_mean": 0.14,
        "draws": 9999,
        "n": count,
        "emotions": list(corpus.emotions),
        "model": (0.6 * human + 0.4 * rng.normal(size=human.shape)).tolist(),
        "human": human.tolist(),
        "covariance": (spread @ spread.transpose(0, 2, 1)).tolist(),
        "reason": None,
    }


def _intensity(corpus: Corpus, rng: np.random.Generator) -> dict[str, Any]:
    templates = [
        {
            "id": one.id,
            "target": one.target,
            "direction": one.direction,
            "values": list(one.values),
            "scores": (np.linspace(0.1, 0.4, len(one.values)) * (-1) ** (one.direction != "up"))
            .round(3)
            .tolist(),
            "control_scores": (0.05 * rng.normal(size=len(one.values))).tolist(),
            "rho": 0.82,
            "control_rho": 0.11,
            "difference": 0.71,
        }
        for one in corpus.intensity
    ]
    found = {
        "templates": templates,
        "mean_rho": 0.82,
        "mean_control_rho": 0.11,
        "rho_low": 0.6,
        "rho_high": 0.98,
    }
    found |= {"mean_difference": 0.71, "low": 0.42, "high": 0.93, "p": 0.001, "draws": 1000}
    return {**found, "null_mean": 0.02, "n": len(templates), "reason": None}


def _component(pc: int, share: float) -> dict[str, Any]:
    found: dict[str, Any] = {"pc": pc, "explained_variance": share}
    given = (("valence", -0.12, 0.61), ("arousal", 0.71, 0.0004), ("dominance", 0.2, 0.4))
    for norm, r, p in given:
        found |= {f"{norm}_r": r, f"{norm}_p": p, f"{norm}_p_max": min(1.0, 4 * p)}
        found |= {f"{norm}_negative_r": r / 2, f"{norm}_negative_p": min(1.0, 2 * p)}
        found |= {f"{norm}_negative_p_max": min(1.0, 8 * p)}
    return found


def _texts(corpus: Corpus, battery: str) -> list[Any]:
    return [text for text in corpus.scenarios if text.battery == battery]


def _battery(corpus: Corpus, battery: str, top1: float) -> dict[str, Any]:
    ranked = [
        {"id": text.id, "target": text.target, "rank": 1 + at % 7}
        for at, text in enumerate(_texts(corpus, battery))
    ]
    return {
        "n": 80,
        "centred": _score(top1, 3.3),
        "z_scored": _score(top1, 3.2),
        "published": _score(0.2, 6.1),
        "scenarios": ranked,
        "reason": None,
    }


def _words(corpus: Corpus) -> dict[str, Any]:
    found = {}
    for name, share in {"situation": 0.35, "message": 0.4}.items():
        ids = [text.id for text in _texts(corpus, name)]
        found[name] = {"n": 80, "centred": _score(share, 4.1), "z_scored": _score(share, 4.0)}
        found[name] |= {"ids": ids, "rank": [1 + at % 3 for at in range(len(ids))]}
    return found


def _gain(difference: float) -> dict[str, Any]:
    found = {"difference": difference, "low": difference - 0.1, "high": difference + 0.1}
    return {**found, "p": 0.2, "n": 80, "reason": None}


def _score(top1: float, mean_rank: float) -> dict[str, Any]:
    found: dict[str, Any] = {"mean_rank": mean_rank, "chance_top1": 0.05, "p": 0.0001}
    for key, share in (("top1", top1), ("top3", top1 + 0.2), ("top5", top1 + 0.3)):
        found |= {key: share, f"{key}_low": share - 0.1, f"{key}_high": share + 0.1}
    auc = {"macro_auc": 0.83, "macro_auc_low": 0.79, "macro_auc_high": 0.87}
    return {
        **found,
        **auc,
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
