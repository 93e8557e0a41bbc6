"""Made-up figures of one layer, as the result files hold them: what `run_folders` fills in."""

from __future__ import annotations

from typing import Any

import numpy as np

from evmlx.corpus import Corpus


def word_fits() -> dict[str, Any]:
    r = {"valence": 0.21, "arousal": 0.44, "dominance": -0.12}
    axes = {norm: _axis(value, -0.6, 0.8, 0.09, 20) for norm, value in r.items()}
    return {"norm_axis": axes, "procrustes": {"r2": 0.19, "p": 0.08}}


STABILITY = {"pairwise": {"layer_4-layer_9": 0.87}, "mean_correlation": 0.87, "reason": None}


def norms_of(corpus: Corpus) -> dict[str, Any]:
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


def probe_extra(corpus: Corpus) -> dict[str, Any]:
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


def layer_figures(corpus: Corpus, rng: np.random.Generator) -> dict[str, Any]:
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
            "cohesion_gain": {"difference": 0.07, "low": 0.02, "high": 0.12, "reason": None},
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


def words_figures(corpus: Corpus) -> dict[str, Any]:
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
