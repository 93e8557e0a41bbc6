"""How stories are dealt to folds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut

from evmlx.folds import grouped_folds, missing_in_training, scores_out_of_fold, stratified_folds
from evmlx.splits import cell_split, domain_split, scene_split, topic_split
from evmlx.within_scene import whole_scenes


def test_grouped_folds_hold_whole_topics_and_equal_sizes() -> None:
    topics = np.repeat([f"t{n}" for n in range(30)], 100)
    fold_of = grouped_folds(topics.tolist(), 5, np.random.default_rng(3))
    assert np.bincount(fold_of).tolist() == [600] * 5
    assert all(len(set(fold_of[topics == topic])) == 1 for topic in set(topics))


def test_grouped_folds_are_even_for_uneven_topics() -> None:
    sizes = np.random.default_rng(0).integers(1, 40, size=23)
    topics = np.repeat([f"t{n}" for n in range(23)], sizes)
    loads = np.bincount(grouped_folds(topics.tolist(), 5, np.random.default_rng(3)), minlength=5)
    assert loads.max() - loads.min() <= 10  # dealt at random: some 50


def test_grouped_folds_depend_on_the_seed_not_on_the_order_of_stories() -> None:
    topics = np.repeat([f"t{n}" for n in range(30)], 4)
    order = np.random.default_rng(0).permutation(120)
    first = grouped_folds(topics.tolist(), 5, np.random.default_rng(3))
    again = grouped_folds(topics[order].tolist(), 5, np.random.default_rng(3))
    other = grouped_folds(topics.tolist(), 5, np.random.default_rng(4))
    assert (first[order] == again).all()
    assert (first != other).any()


def test_stratified_folds_spread_every_class() -> None:
    labels = np.repeat(np.arange(4), [10, 25, 5, 15])
    fold_of = stratified_folds(labels, 5, 0)
    for label, size in enumerate([10, 25, 5, 15]):
        assert np.bincount(fold_of[labels == label], minlength=5).tolist() == [size // 5] * 5


def test_class_that_one_fold_holds_whole_is_found() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert missing_in_training(labels, np.array([0, 1, 0, 1, 0, 1])) is None
    assert missing_in_training(labels, np.array([0, 1, 0, 1, 1, 1])) == (1, 2)


def crossed(
    emotions: int, topics: int, scenes: int
) -> tuple[np.ndarray, list[str], list[str], list[str]]:
    """Labels, names of emotions, topics and scenes of a crossed corpus."""
    e, t, s = (
        axis.ravel() for axis in np.meshgrid(*map(range, (emotions, topics, scenes)), indexing="ij")
    )
    names = [f"emotion{k}" for k in range(emotions)]
    where = [f"t{k}" for k in t]
    return e, names, where, [f"{topic}/{n}" for topic, n in zip(where, s, strict=True)]


def test_left_out_stories_are_neither_learnt_from_nor_scored() -> None:
    fold_of = np.array([0, 0, -1, 1, 1, -1])
    seen: list[tuple[list[int], list[int]]] = []

    def fit(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, bool]:
        seen.append((training.tolist(), test.tolist()))
        return np.ones((len(test), 2)), False

    scores, unconverged = scores_out_of_fold(fold_of, fit, parallel=False)
    assert seen == [([3, 4], [0, 1]), ([0, 1], [3, 4])]
    assert np.isnan(scores).all(axis=1).tolist() == [f < 0 for f in fold_of]
    assert unconverged == 2


def test_domains_are_held_out_as_scikit_learn_does() -> None:
    labels, emotions, topics, _ = crossed(3, 7, 2)
    domains = [f"domain {int(topic[1:]) % 3}" for topic in topics]
    split = domain_split(labels, emotions, domains)
    assert split.reason is None
    assert (split.grouping, split.folds) == ("domain", 3)
    expected = [set(test) for _, test in LeaveOneGroupOut().split(labels, labels, domains)]
    found = [set(np.flatnonzero(split.fold_of == f)) for f in range(3)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    for fold, name in enumerate(split.names):
        assert {domains[row] for row in found[fold]} == {name}


def test_topics_without_a_domain_are_left_out_of_domain_folds() -> None:
    labels, emotions, topics, _ = crossed(3, 6, 1)
    domains = [None if t == "t5" else "a" if t < "t2" else "b" for t in topics]
    split = domain_split(labels, emotions, domains)
    assert split.reason is None
    assert split.n == 15
    assert {topics[row] for row in np.flatnonzero(split.fold_of < 0)} == {"t5"}


@pytest.mark.parametrize(
    ("domains", "reason"),
    [
        (None, "no domains"),
        ([None] * 12, "no domains"),
        (["x"] * 12, "of one domain"),
        (["x"] * 8 + ["y"] * 4, "all domains of 'emotion0' are held out together"),
    ],
)
def test_domains_that_cannot_be_held_out(domains: list[str | None] | None, reason: str) -> None:
    labels, emotions, _, _ = crossed(3, 4, 1)
    assert reason in str(domain_split(labels, emotions, domains).reason)


def test_folds_that_split_cells_hold_out_whole_scenes() -> None:
    labels, emotions, topics, scenes = crossed(4, 6, 5)
    split, cells = cell_split(labels, emotions, topics, scenes, seed=1)
    assert split.reason is None
    assert (split.grouping, split.folds, split.n) == ("scene", 5, 120)
    for scene in set(scenes):
        assert len(set(split.fold_of[np.array(scenes) == scene])) == 1
    for cell in np.unique(cells):
        assert sorted(split.fold_of[cells == cell]) == [0, 1, 2, 3, 4]
        assert len(set(labels[cells == cell])) == 1
    first_topic = np.array(topics) == "t0"
    again, _ = cell_split(labels, emotions, topics, scenes, seed=2)
    assert (split.fold_of[first_topic] != again.fold_of[first_topic]).any()


def test_cells_that_cannot_be_split_are_left_out() -> None:
    labels, emotions, topics, scenes = crossed(3, 4, 3)
    keep = ~((np.array(topics) == "t1") & (labels == 2) & ~np.char.endswith(scenes, "/0"))
    rows = np.flatnonzero(keep)
    split, cells = cell_split(
        labels[rows], emotions, [topics[r] for r in rows], [scenes[r] for r in rows], seed=0
    )
    alone = np.flatnonzero(split.fold_of < 0)
    assert len(alone) == 1
    assert (labels[rows[alone[0]]], topics[rows[alone[0]]]) == (2, "t1")
    for cell in np.unique(cells[split.fold_of >= 0]):
        assert len(set(split.fold_of[cells == cell])) >= 2


def test_without_scenes_the_stories_of_a_cell_are_dealt_one_by_one() -> None:
    labels, emotions, topics, _ = crossed(3, 4, 5)
    split, cells = cell_split(labels, emotions, topics, None, seed=0)
    assert split.reason is None
    assert split.grouping == "story"
    assert all(sorted(split.fold_of[cells == cell]) == [0, 1, 2, 3, 4] for cell in set(cells))


@pytest.mark.parametrize(
    ("emotions", "topics", "scenes", "reason"),
    [(1, 4, 3, "two emotions"), (3, 1, 5, "one topic"), (3, 6, 1, "has two scenes")],
)
def test_cells_without_folds(emotions: int, topics: int, scenes: int, reason: str) -> None:
    labels, names, topic_ids, scene_ids = crossed(emotions, topics, scenes)
    assert reason in str(cell_split(labels, names, topic_ids, scene_ids, seed=0)[0].reason)


def test_whole_scenes_are_those_told_once_for_every_emotion() -> None:
    labels = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1])
    scenes = ["a", "a", "b", "b", "c", "c", None, "d", None]
    scene_of, reason = whole_scenes(labels, scenes, 2)
    assert reason is None
    assert scene_of.tolist() == [0, 0, 1, 1, -1, -1, -1, -1, -1]
    assert "no scenes" in str(whole_scenes(labels, None, 2)[1])
    assert "no scenes" in str(whole_scenes(labels, [None] * 9, 2)[1])
    assert "exactly once" in str(whole_scenes(labels, [str(n) for n in range(9)], 2)[1])


def test_scene_folds_are_the_topic_folds_of_whole_scenes() -> None:
    labels, emotions, topics, scenes = crossed(3, 6, 2)
    grouped = topic_split(labels, emotions, topics, seed=0)
    scene_of, _ = whole_scenes(labels, scenes, 3)
    assert (scene_split(grouped, labels, emotions, scene_of).fold_of == grouped.fold_of).all()
    scene_of[np.array(scenes) == "t0/0"] = -1
    split = scene_split(grouped, labels, emotions, scene_of)
    assert split.reason is None
    assert split.n == 33
    scene_of[np.char.endswith(scenes, "/0") | (np.array(topics) < "t4")] = -1
    assert "too few topics" in str(scene_split(grouped, labels, emotions, scene_of).reason)
