from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evmlx.implicit_scores import Score, macro_auc, resampling, score
from evmlx.text_scores import cosines


def of_scores(scores: np.ndarray, target: np.ndarray) -> Score:
    accepted = np.eye(scores.shape[1], dtype=bool)[target]
    emotions = [f"emotion{n}" for n in range(scores.shape[1])]
    return score(scores, target, accepted, emotions, resampling(len(target), 0))


def test_equal_scores_count_against_the_target() -> None:
    found = of_scores(np.zeros((8, 8)), np.arange(8))
    assert (found.top1, found.mean_rank, found.hub_share, found.p) == (0, 8, 0, 1)
    assert found.macro_auc == 0.5  # a tie is half won


def test_auc_is_that_of_scikit_learn_averaged_over_emotions() -> None:
    rng = np.random.default_rng(12)
    target = rng.permutation(np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 8]))
    scores = rng.normal(size=(36, 8)) + 1.5 * np.eye(8)[target]
    scores = np.round(scores, 1)  # some ties
    single = [roc_auc_score(target == e, scores[:, e]) for e in range(8)]
    found = of_scores(scores, target)
    assert found.macro_auc == pytest.approx(np.mean(single))
    assert found.macro_auc_low < found.macro_auc < found.macro_auc_high
    weights = rng.integers(1, 4, size=(3, 36)).astype(float)
    for counts, auc in zip(weights, macro_auc(scores, target, weights), strict=True):
        repeated = np.repeat(np.arange(36), counts.astype(int))
        single = [roc_auc_score(target[repeated] == e, scores[repeated, e]) for e in range(8)]
        assert auc == pytest.approx(np.mean(single))


def test_auc_leaves_out_emotions_that_a_draw_misses() -> None:
    scores, target = np.array([[3.0, 0], [1, 2], [2, 3]]), np.array([0, 0, 1])
    weights = np.array([[1.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    found = macro_auc(scores, target, weights)
    assert found[:2] == pytest.approx([(0.5 + 1) / 2, 1])
    assert np.isnan(found[2])  # no text is left that aims at another emotion


@pytest.mark.filterwarnings("error")
def test_auc_of_texts_with_one_target_has_a_reason() -> None:
    found = of_scores(np.arange(6.0).reshape(2, 3), np.zeros(2, int))
    assert np.isnan([found.macro_auc, found.macro_auc_low]).all()
    assert found.reason and "one target" in found.reason
    found = of_scores(np.arange(6.0).reshape(2, 3), np.arange(2))  # half of all draws have one
    assert found.macro_auc == 0.5
    assert np.isnan(found.macro_auc_low)
    assert found.reason and "too few" in found.reason


@pytest.mark.filterwarnings("error")
def test_texts_that_are_all_ranked_first_leave_no_interval_but_the_exact_one() -> None:
    found = of_scores(np.eye(4)[[0, 0, 1, 1, 2, 3]], np.array([0, 0, 1, 1, 2, 3]))
    assert (found.mean_rank, found.macro_auc) == (1, 1)
    bounds = (found.mean_rank_low, found.mean_rank_high, found.macro_auc_low, found.macro_auc_high)
    assert np.isnan(bounds).all()
    assert found.reason
    assert 0.5 < found.top1_low < found.top1_high == 1


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.5])
def test_interval_of_the_auc_holds_it(strength: float) -> None:
    rng = np.random.default_rng(13)
    vectors = rng.normal(size=(20, 30))
    vectors -= vectors.mean(axis=0)

    def battery(each: int) -> tuple[np.ndarray, np.ndarray]:
        target = np.repeat(np.arange(20), each)
        dose = strength * np.linspace(0, 1, 20)[target]  # some emotions are easier than others
        residuals = dose[:, None] * vectors[target] + rng.normal(size=(len(target), 30))
        return cosines(residuals, vectors), target

    truth = np.mean([macro_auc(*battery(20), np.ones((1, 400)))[0] for _ in range(100)])
    held = 0
    for _ in range(500):
        scores, target = battery(4)
        weights = rng.multinomial(80, np.full(80, 1 / 80), size=500).astype(float)
        low, high = np.quantile(macro_auc(scores, target, weights), [0.025, 0.975])
        held += int(low <= truth <= high)
    assert 0.93 <= held / 500 <= 0.97
