"""Whether 95% intervals over topics hold what they say, in simulated corpora."""

from __future__ import annotations

import numpy as np
import pytest

from evmlx.affect import SCALES, Affect
from evmlx.clusters import Clusters
from evmlx.cohesion import cosine_geometry
from evmlx.cosine_draws import cosine_draws, no_draws, topic_plan
from evmlx.norm_rsa import norm_rsa
from evmlx.resampling import Cells, draw_permutations
from evmlx.rsa import compared, rsa

EMOTIONS, TOPICS, WIDTH = 12, 30, 40
DATA_SETS, DRAWS = 500, 500


def simulated(noise: float, seed: int) -> dict[str, np.ndarray]:
    """Estimate, bounds and BCa bounds of each figure in every data set, (DATA_SETS, 5).

    Emotions of a cluster share a part; topics differ in how strongly they show any emotion. The
    text sees part of the model's noise, as it does when both are of the same stories.
    """
    rng = np.random.default_rng(seed)
    membership = np.repeat(np.eye(EMOTIONS // 3), 3, axis=0)
    members = tuple(tuple(range(k, k + 3)) for k in range(0, EMOTIONS, 3))
    clusters = Clusters(tuple("abcd"), members, tuple(range(EMOTIONS)), membership)
    shared = membership @ rng.normal(size=(EMOTIONS // 3, WIDTH))
    directions = shared + rng.normal(size=(EMOTIONS, WIDTH))
    read = rng.normal(size=(WIDTH, 30)) / np.sqrt(WIDTH)
    words = directions @ read + 0.7 * rng.normal(size=(EMOTIONS, 30))
    ratings = directions[:, :3] + rng.normal(size=(EMOTIONS, 3))
    affect = Affect((), (), (), (), dict(zip(SCALES, ratings.T, strict=True)), None)
    counts = np.ones((EMOTIONS, TOPICS), int)
    cells = Cells(np.arange(counts.size), counts, tuple(map(str, range(TOPICS))))
    none = np.zeros((0, EMOTIONS), int)
    rows: dict[str, list[list[float]]] = {}
    for _ in range(DATA_SETS):
        strength = 1 + 0.3 * rng.normal(size=(1, TOPICS, 1))
        error = noise * rng.normal(size=(EMOTIONS, TOPICS, WIDTH))
        own = noise * rng.normal(size=(EMOTIONS, TOPICS, 30))
        plan = topic_plan(cells, DRAWS, rng, np.random.default_rng(0))
        drawn = cosine_draws(directions[:, None] * strength + error, plan)
        text = cosine_draws(words[:, None] * strength + 0.7 * (error @ read + own), plan)
        cosine = cosine_geometry("abcdefghijkl", drawn.plain[0], clusters, drawn, none)
        sides = compared(drawn.plain[0], drawn), compared(text.plain[0], text)
        like = rsa(*sides, none, 1.0)
        human = norm_rsa(*sides, affect, none)
        plain, clean, one = cosine.bootstrap, cosine.bootstrap.corrected, cosine.clusters["a"]
        nan = float("nan")
        for name, figures in {
            "plain": [plain.estimate, plain.low, plain.high, plain.low_bca, plain.high_bca],
            "corrected": [clean.estimate, clean.low, clean.high, clean.low_bca, clean.high_bca],
            "cluster": [one.diff, one.low, one.high, one.low_bca, one.high_bca],
            "text": [like.r, like.low, like.high, like.low_bca, like.high_bca],
            "norms": [human.r, human.low, human.high, nan, nan],
            "partial": [human.partial_r, human.partial_low, human.partial_high, nan, nan],
        }.items():
            rows.setdefault(name, []).append(figures)
    centred = directions - directions.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    nothing = np.zeros((0, EMOTIONS), int)
    true = cosine_geometry("abcdefghijkl", unit @ unit.T, clusters, drawn, nothing).diff
    return {name: np.array(found) for name, found in rows.items()} | {"truth": np.array(true)}


def covered(bounds: np.ndarray, truth: float) -> float:
    return float(np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])))


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "seed"), [(1.0, 10), (2.0, 11)])
def test_intervals_over_topics_cover_95_of_100(noise: float, seed: int) -> None:
    """The corrected cohesion covers the truth; the others their own expectation."""
    found = simulated(noise, seed)
    truth = {name: figures[:, 0].mean() for name, figures in found.items() if name != "truth"}
    assert truth["corrected"] == pytest.approx(float(found["truth"]), abs=0.01)
    truth["corrected"] = float(found["truth"])
    for name in ("plain", "corrected", "cluster", "text", "norms"):
        assert 0.93 <= covered(found[name][:, 1:3], truth[name]) <= 0.97, name
    # these cover somewhat less than they say, which the methodology says, too
    assert 0.91 <= covered(found["partial"][:, 1:3], truth["partial"]) <= 0.97
    for name in ("plain", "corrected", "cluster", "text"):
        assert 0.90 <= covered(found[name][:, 3:], truth[name]) <= 0.97, name


@pytest.mark.slow
def test_permuted_clusters_reach_5_of_100_where_clusters_mean_nothing() -> None:
    rng = np.random.default_rng(3)
    membership = np.repeat(np.eye(4), 3, axis=0)
    members = tuple(tuple(range(k, k + 3)) for k in range(0, 12, 3))
    clusters = Clusters(tuple("abcd"), members, tuple(range(12)), membership)
    hits = np.zeros(2)
    for _ in range(1000):
        vectors = rng.normal(size=(12, 20))
        vectors -= vectors.mean(axis=0)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        orders = draw_permutations(12, 199, rng)
        drawn = no_draws(12, "not resampled")
        found = cosine_geometry("abcdefghijkl", unit @ unit.T, clusters, drawn, orders)
        hits += np.array([found.permutation.p, found.clusters["b"].p]) <= 0.05
    assert (hits >= 30).all() and (hits <= 70).all()
