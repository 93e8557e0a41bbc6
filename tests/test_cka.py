from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from evmlx.comparison.cka import debiased_cka, grouped_cka, jackknife_interval, linear_cka


def features(rows: int, columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)) + 3.0


def rotation(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(features(size, size, seed) - 3.0)[0]


def test_plain_cka_is_the_published_formula() -> None:
    x, y = features(30, 5, 0), features(30, 9, 1)
    y[:, :5] += x
    a, b = x - x.mean(0), y - y.mean(0)
    direct = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert linear_cka(x, y) == pytest.approx(direct, rel=1e-12)
    assert math.isnan(linear_cka(x, np.ones((30, 2))))


@pytest.mark.parametrize("debiased", [False, True])
def test_rotation_shift_and_scale_change_nothing_but_other_maps_do(debiased: bool) -> None:
    def value(a: np.ndarray, b: np.ndarray) -> float:
        return debiased_cka(a @ a.T, b @ b.T) if debiased else linear_cka(a, b)

    x, y = features(40, 6, 2), features(40, 8, 3)
    y[:, :6] += 2 * x
    moved = 0.01 * y @ rotation(8, 4) + 7.0
    assert value(x, moved) == pytest.approx(value(x, y), rel=1e-9)
    assert value(x, x @ rotation(6, 5)) == pytest.approx(1, rel=1e-12)
    assert abs(value(x, y * np.array([9.0, 1, 1, 1, 1, 1, 1, 1])) - value(x, y)) > 0.01


def test_hsic_is_the_mean_over_four_different_rows() -> None:
    x, y = features(7, 3, 6), features(7, 4, 7)
    y[:, 0] += x[:, 0]
    k, m = x @ x.T, y @ y.T

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        # Song et al. (2012), equation 4: i, j, q, r all different
        terms = [
            a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q]) for i, j, q, r in permutations(range(7), 4)
        ]
        return float(np.mean(terms))

    expected = hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))
    assert debiased_cka(k, m) == pytest.approx(expected, rel=1e-9)


def test_unrelated_wide_features_are_alike_to_plain_cka_only() -> None:
    pairs = [(features(40, 2000, s), features(40, 2000, 100 + s)) for s in range(8)]
    plain = [linear_cka(x, y) for x, y in pairs]
    clean = [debiased_cka(x @ x.T, y @ y.T) for x, y in pairs]
    assert min(plain) > 0.9 and abs(np.mean(clean)) < 0.05


def test_what_cannot_be_had_is_nan_with_a_reason() -> None:
    k = np.eye(3)
    few = grouped_cka(k, k, ["a", "a", "b"], np.random.default_rng(0))
    assert math.isnan(few.value) and few.reason == "3 rows are too few"
    x = features(8, 3, 8)
    still = grouped_cka(x @ x.T, np.ones((8, 8)), list("aabbccdd"), np.random.default_rng(0))
    assert math.isnan(still.value) and still.reason == "one side does not vary"
    two = grouped_cka(x @ x.T, x @ x.T, list("aaaabbbb"), np.random.default_rng(0))
    assert two.value == pytest.approx(1) and math.isnan(two.low)
    assert two.reason == "fewer than three topics: no interval"


def crossed(noise: float, seed: int, *, shared: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Grams of two models on 12 topics x 5 emotions; emotions alike where `shared`."""
    rng = np.random.default_rng(seed)
    topic, emotion = np.repeat(np.arange(12), 5), np.tile(np.arange(5), 12)
    directions = rng.normal(size=(5, 40))
    other = directions if shared else rng.normal(size=(5, 40))[rng.permutation(5)]
    grams = []
    for place in (directions, other @ rotation(40, seed + 1)):
        rows = place[emotion] + noise * rng.normal(size=(60, 40))
        rows -= np.stack([rows[topic == t].mean(0) for t in range(12)])[topic]
        grams.append(rows @ rows.T)
    return grams[0], grams[1], [f"topic{t}" for t in topic]


def test_shared_emotions_are_found_within_topics_and_the_interval_holds_the_value() -> None:
    found = grouped_cka(*crossed(0.5, 9, shared=True), np.random.default_rng(0))
    assert found.value > 0.8 and found.low < found.value < found.high <= 1
    assert abs(found.null_mean) < 0.1 and found.p == 1 / (found.draws + 1) and found.n == 60
    k, _, topics = crossed(0.5, 9, shared=True)
    same = grouped_cka(k, k, topics, np.random.default_rng(0))
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1), abs=1e-5)


def test_p_of_unlike_emotions_is_level_under_its_null() -> None:
    # Noise alone on both sides: rows within a topic are exchangeable.
    rng = np.random.default_rng(11)
    small = 0
    for draw in range(150):
        x, y = rng.normal(size=(24, 10)), rng.normal(size=(24, 10))
        topics = [f"topic{t}" for t in np.repeat(np.arange(6), 4)]
        found = grouped_cka(x @ x.T, y @ y.T, topics, np.random.default_rng(draw), permutations=39)
        small += found.p <= 0.05
    # 95% of binomial(150, 0.05) lie within 3 .. 13
    assert 1 <= small <= 16


def test_jackknife_of_a_mean_has_the_known_standard_error() -> None:
    # For a mean the jackknife's squared error is the sample variance over n; near 0, arctanh is
    # the identity.
    values = 1e-3 * np.random.default_rng(12).normal(size=20)
    mean = float(values.mean())
    low, high = jackknife_interval(mean, lambda g: float(np.delete(values, g).mean()), 20)
    error = values.std(ddof=1) / math.sqrt(20)
    assert (low, high) == pytest.approx((mean - 2.093 * error, mean + 2.093 * error), abs=1e-7)
    assert all(map(math.isnan, jackknife_interval(0.5, lambda _: 0.5, 2)))
