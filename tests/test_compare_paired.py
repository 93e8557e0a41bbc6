from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from evmlx.comparison.paired import (
    holm,
    mcnemar_p,
    mean_difference,
    share_difference,
    sign_flip_p,
    tango_interval,
    topic_difference,
)
from evmlx.intervals import TopicBootstrap


def test_sign_flips_come_to_the_exact_p() -> None:
    values = np.array([0.4, -0.1, 0.3, 0.6, 0.2, -0.2, 0.5])
    signs = np.array(list(product([-1, 1], repeat=7)))
    exact = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-12)
    p = sign_flip_p(values, np.random.default_rng(0), draws=20_000)
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert sign_flip_p(np.zeros(5), np.random.default_rng(0), 99) == 1
    assert math.isnan(sign_flip_p(np.zeros(0), np.random.default_rng(0)))


def test_sign_flips_are_level_under_the_null_and_find_a_difference() -> None:
    rng = np.random.default_rng(1)
    null = [sign_flip_p(rng.normal(size=30), rng, 399) for _ in range(400)]
    # four standard errors about 5%
    assert abs(np.mean(np.array(null) <= 0.05) - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 400)
    assert sign_flip_p(rng.normal(1.0, 1.0, size=30), rng, 9999) < 0.001


def outcome(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, True, False, False], [both, first, second, neither])
    b = np.repeat([True, False, True, False], [both, first, second, neither])
    return a, b


def test_mcnemar_is_the_binomial_of_the_texts_that_one_alone_gets_right() -> None:
    # 3 of 12: 2 (C(12,0) + .. + C(12,3)) / 2^12
    by_hand = 2 * sum(math.comb(12, k) for k in range(4)) / 2**12
    assert mcnemar_p(*outcome(30, 3, 9, 38)) == pytest.approx(by_hand)
    assert mcnemar_p(*outcome(5, 9, 3, 0)) == pytest.approx(binomtest(9, 12, 0.5).pvalue)
    assert mcnemar_p(*outcome(40, 0, 0, 40)) == 1


def profile_z(gain: int, loss: int, n: int, delta: float) -> float:
    """Score statistic at the constrained maximum of the likelihood, found numerically."""
    lowest, highest = max(0.0, -delta), (1 - delta) / 2

    def cost(share: float) -> float:  # share: the first alone is right; the second: share + delta
        rest = 1 - 2 * share - delta
        total = 0.0
        for count, p in ((gain, share + delta), (loss, share), (n - gain - loss, rest)):
            total -= count * math.log(max(p, 1e-300)) if count else 0.0
        return total

    share = minimize_scalar(cost, bounds=(lowest, highest), method="bounded",
                            options={"xatol": 1e-12}).x  # fmt: skip
    variance = n * (2 * share + delta - delta**2)
    return (gain - loss - n * delta) / math.sqrt(variance)


@pytest.mark.parametrize(("gain", "loss", "n"), [(9, 3, 80), (1, 7, 40), (5, 5, 20), (12, 0, 60)])
def test_tangos_bounds_are_where_the_score_test_rejects(gain: int, loss: int, n: int) -> None:
    low, high = tango_interval(gain, loss, n)
    assert low < (gain - loss) / n < high
    assert profile_z(gain, loss, n, low) == pytest.approx(1.96, abs=2e-3)
    assert profile_z(gain, loss, n, high) == pytest.approx(-1.96, abs=2e-3)
    mirrored = tango_interval(loss, gain, n)
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


def test_models_that_never_disagree_still_have_an_interval() -> None:
    z = 1.959963984540054**2
    reach = z / (80 + z)
    assert tango_interval(0, 0, 80) == pytest.approx((-reach, reach), abs=1e-6)
    assert tango_interval(20, 0, 20)[1] == pytest.approx(1, abs=1e-6)
    assert all(map(math.isnan, tango_interval(0, 0, 0)))


def test_tangos_interval_covers() -> None:
    rng = np.random.default_rng(2)
    drawn = rng.multinomial(80, [0.15, 0.08, 0.77], size=600)
    bounds = [tango_interval(int(gain), int(loss), 80) for gain, loss, _ in drawn]
    held = [low <= 0.07 <= high for low, high in bounds]
    assert 0.92 < np.mean(held) < 0.98


def test_share_and_mean_differences_are_second_minus_first() -> None:
    a, b = outcome(20, 5, 15, 40)
    found = share_difference("top1", a, b)
    assert (found.a, found.b, found.difference) == pytest.approx((25 / 80, 35 / 80, 10 / 80))
    assert found.low < 10 / 80 < found.high and found.n == 80 and found.unit == "texts"
    ranks = np.arange(40) % 5 + 1.0
    better = mean_difference("rank", ranks, ranks - 0.5, "texts", np.random.default_rng(0))
    assert (better.difference, better.low, better.high) == pytest.approx((-0.5, -0.5, -0.5))
    assert better.p == pytest.approx(1 / 10_000)


def test_topics_stand_or_fall_together() -> None:
    # Ten topics of unlike size; the second model is right on two of them, the first on none.
    sizes = np.array([3, 5, 2, 8, 4, 6, 3, 7, 2, 10])
    topics = np.repeat([f"t{k}" for k in range(10)], sizes)
    first = np.zeros(50, bool)
    second = np.isin(topics, ["t3", "t9"])
    bootstrap = TopicBootstrap(topics, 2000, np.random.default_rng(0))
    found = topic_difference(
        "probe_accuracy", first, second, topics, bootstrap, np.random.default_rng(1)
    )
    assert found.difference == pytest.approx(18 / 50) and found.n == 10
    # of the four ways to turn the signs of 8 and 10, two reach 18
    assert found.p == pytest.approx(0.5, abs=0.03)
    assert found.low == pytest.approx(0, abs=0.1) and found.high > 0.5


def test_holm_steps_down() -> None:
    nan = float("nan")
    corrected = holm([0.01, 0.04, nan, 0.03, 0.005])
    # sorted 0.005 x 4, 0.01 x 3, 0.03 x 2, then 0.04 x 1 raised to what stands before it
    assert corrected[4] == pytest.approx(0.02) and corrected[0] == pytest.approx(0.03)
    assert corrected[3] == pytest.approx(0.06) and corrected[1] == pytest.approx(0.06)
    assert math.isnan(corrected[2])
