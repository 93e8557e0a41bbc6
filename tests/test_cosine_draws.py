from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import planted, thinned
from scipy.sparse import csr_array
from test_resampling import by_brute_force

from evmlx.cosine_draws import cosine_draws, draw_halves, no_draws, topic_plan
from evmlx.neutral import project_out
from evmlx.reliability import reliability
from evmlx.resampling import cell_sums, resampled_cosines, story_cells
from evmlx.vectors import emotion_vectors


def test_rows_are_every_topic_then_one_left_out_then_draws() -> None:
    """Against the full estimator on repeated stories, on an unbalanced corpus."""
    rng = np.random.default_rng(0)
    given = planted(rng.normal(size=(4, 15)), rng, topics=5, per_cell=3)
    given = thinned(given, rng.random(len(given.labels)) < 0.7)
    cells = story_cells(given.labels, given.topic_ids, given.emotions)
    plan = topic_plan(cells, 6, np.random.default_rng(1), np.random.default_rng(2))
    found = emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)
    sums = cell_sums(given.stories.pooled[:, 0], cells, found.story_mean[0])
    drawn = cosine_draws(project_out(sums, found.neutral_basis[0]), plan)
    assert (drawn.left_out, drawn.draws) == (5, 6)
    weights = [np.ones(5), *(1 - np.eye(5)), *plan.topics.weights]
    for cosines, weighed in zip(drawn.plain, weights, strict=True):
        np.testing.assert_allclose(cosines, by_brute_force(given, cells.topics, weighed), atol=1e-5)
    for halves, first in zip(drawn.halves[:3], plan.halves.first, strict=False):
        for half, kept in zip(halves, (first, ~first), strict=True):
            np.testing.assert_allclose(half, by_brute_force(given, cells.topics, kept), atol=1e-5)


def test_sparse_sums_give_the_same_cosines() -> None:
    rng = np.random.default_rng(3)
    dense = rng.normal(size=(4, 5, 40)) * (rng.random((4, 5, 40)) < 0.2)
    counts = rng.integers(1, 4, size=(4, 5))
    weights = rng.multinomial(5, np.full(5, 0.2), size=7).astype(float)
    expected = resampled_cosines(dense, counts, weights)
    found = resampled_cosines(csr_array(dense.reshape(20, 40)), counts, weights)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)


@pytest.mark.parametrize("topics", [2, 7, 10])
def test_halves_part_the_topics(topics: int) -> None:
    found = draw_halves(np.ones((3, topics), int), 40, np.random.default_rng(4))
    assert found.reason is None and found.first.shape == (40, topics)
    np.testing.assert_array_equal(found.first.sum(axis=1), topics // 2)
    assert len(np.unique(found.first, axis=0)) > 1


def test_every_emotion_has_a_story_in_both_halves() -> None:
    counts = np.ones((2, 8), int)
    counts[0, 2:] = 0
    found = draw_halves(counts, 50, np.random.default_rng(5))
    assert len(found.first) == 50
    assert (found.first[:, :2].sum(axis=1) == 1).all()
    counts[0, 1] = 0
    none = draw_halves(counts, 50, np.random.default_rng(5))
    assert len(none.first) == 0 and none.reason is not None and "too few topics" in none.reason


def test_halves_that_contradict_each_other_have_no_ceiling() -> None:
    one = np.random.default_rng(6).normal(size=(6, 6))
    one = one + one.T
    none = no_draws(6, "nothing drawn")
    found = reliability(replace(none, halves=np.stack([[one, -one]] * 3), halves_reason=None))
    assert (found.splits, found.halves_r) == (3, pytest.approx(-1))
    assert np.isnan([found.spearman_brown, found.ceiling]).all()
    assert found.reason is not None and "do not agree" in found.reason
