"""Stories dealt to folds in the ways a probe is tested, or the reason why they cannot be.

Knows nothing about features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evmlx.folds import (
    cell_splitting_folds,
    grouped_folds,
    missing_in_training,
    stratified_folds,
)
from evmlx.within_scene import whole_scenes

FOLDS = 5
ONE_EMOTION = "fewer than two emotions: there is nothing to tell apart"


@dataclass(frozen=True)
class Split:
    """Which fold each story is held out in.

    Attributes
    ----------
    grouping : str
        What is held out together: "topic", "domain", "scene", "stratified" for nothing.
    fold_of : ndarray of int, shape (N,)
        -1 where a story is left out; means nothing where there is a reason.
    names : tuple of str
        Names of the folds, where they have any.
    folds : int
        Number of folds.
    reason : str or None
        Why the stories cannot be dealt.
    """

    grouping: str
    fold_of: np.ndarray
    names: tuple[str, ...]
    folds: int
    reason: str | None

    @property
    def n(self) -> int:
        """Stories that lie in a fold."""
        return int((self.fold_of >= 0).sum())

    def without(self, reason: str | None) -> Split:
        """Return the split with a reason against it, if it has none yet."""
        return replace(self, reason=self.reason or reason)


@dataclass(frozen=True)
class Splits:
    """All the ways in which the stories are dealt.

    Attributes
    ----------
    topic, stratified, domain, scene, cell : Split
        `scene` is `topic` for the stories of whole scenes alone.
    cells : ndarray of int, shape (N,)
        Cell, of emotion and topic, of each story.
    scene_of : ndarray of int, shape (N,)
        Number of each story's whole scene, -1 for none.
    """

    topic: Split
    stratified: Split
    domain: Split
    scene: Split
    cell: Split
    cells: np.ndarray
    scene_of: np.ndarray

    def without(self, reason: str) -> Splits:
        """Return the splits with a reason against each that has none yet."""
        return replace(
            self,
            topic=self.topic.without(reason),
            stratified=self.stratified.without(reason),
            domain=self.domain.without(reason),
            scene=self.scene.without(reason),
            cell=self.cell.without(reason),
        )


def deal(
    labels: np.ndarray,
    emotions: Sequence[str],
    topic_ids: Sequence[str],
    scenes: Sequence[str | None] | None,
    domains: Sequence[str | None] | None,
    seed: int,
) -> Splits:
    """Deal N stories in every way.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        Emotion of each story.
    emotions : sequence of str
    topic_ids : sequence of str, length N
    scenes, domains : sequence of str or None, length N, or None
    seed : int

    Returns
    -------
    Splits
    """
    grouped = topic_split(labels, emotions, topic_ids, seed)
    scene_of, no_scene = whole_scenes(labels, scenes, len(emotions))
    cell, cells = cell_split(labels, emotions, topic_ids, scenes, seed)
    return Splits(
        topic=grouped,
        stratified=stratified_split(labels, emotions, seed),
        domain=domain_split(labels, emotions, domains),
        scene=scene_split(grouped.without(no_scene), labels, emotions, scene_of),
        cell=cell,
        cells=cells,
        scene_of=scene_of,
    )


def topic_split(
    labels: np.ndarray, emotions: Sequence[str], topic_ids: Sequence[str], seed: int
) -> Split:
    """Deal whole topics to five folds."""
    undealt = _undealt("topic", len(labels), FOLDS)
    topics = len(set(topic_ids))
    if len(emotions) < 2:
        return undealt.without(ONE_EMOTION)
    if topics < FOLDS:
        return undealt.without(f"too few topics ({topics}) for {FOLDS} folds")
    fold_of = grouped_folds(topic_ids, FOLDS, np.random.default_rng([seed, 0]))
    return _trainable(replace(undealt, fold_of=fold_of), labels, emotions)


def stratified_split(labels: np.ndarray, emotions: Sequence[str], seed: int) -> Split:
    """Deal the stories of each emotion evenly to five folds, topics on both sides."""
    undealt = _undealt("stratified", len(labels), FOLDS)
    if len(emotions) < 2:
        return undealt.without(ONE_EMOTION)
    counts = np.bincount(labels, minlength=len(emotions))
    if counts.min() < FOLDS:
        few = int(counts.argmin())
        return undealt.without(
            f"{emotions[few]!r} has {counts[few]} stories, too few for {FOLDS} folds"
        )
    return replace(undealt, fold_of=stratified_folds(labels, FOLDS, seed))


def domain_split(
    labels: np.ndarray, emotions: Sequence[str], domains: Sequence[str | None] | None
) -> Split:
    """Hold out one domain after another; stories whose topic has none are left out."""
    names = tuple(dict.fromkeys(d for d in domains or () if d is not None))
    undealt = _undealt("domain", len(labels), len(names))
    if len(emotions) < 2:
        return undealt.without(ONE_EMOTION)
    if domains is None or not names:
        return undealt.without("the corpus gives its topics no domains")
    if len(names) < 2:
        return undealt.without(f"all topics are of one domain, {names[0]!r}")
    at = {name: fold for fold, name in enumerate(names)}
    fold_of = np.array([-1 if d is None else at[d] for d in domains], np.int64)
    return _trainable(replace(undealt, fold_of=fold_of, names=names), labels, emotions)


def scene_split(
    grouped: Split, labels: np.ndarray, emotions: Sequence[str], scene_of: np.ndarray
) -> Split:
    """Keep the stories of whole scenes in their topic's fold, and leave the others out."""
    if grouped.reason is not None:
        return grouped
    split = replace(grouped, fold_of=np.where(scene_of >= 0, grouped.fold_of, -1))
    if len(np.unique(split.fold_of[split.fold_of >= 0])) < FOLDS:
        return split.without("the scenes told for every emotion lie in too few topics")
    return _trainable(split, labels, emotions)


def cell_split(
    labels: np.ndarray,
    emotions: Sequence[str],
    topic_ids: Sequence[str],
    scenes: Sequence[str | None] | None,
    seed: int,
) -> tuple[Split, np.ndarray]:
    """Deal the scenes of each topic to five folds, so that cells of emotion and topic are split.

    Where a story has no scene, the stories of each cell are dealt one by one.

    Returns
    -------
    split : Split
    cells : ndarray of int, shape (N,)
        Cell of each story.
    """
    topics, topic = np.unique(np.asarray(topic_ids, dtype=str), return_inverse=True)
    cells = labels * max(len(topics), 1) + topic
    scenic = scenes is not None and None not in scenes and len(scenes) > 0
    undealt = _undealt("scene" if scenic else "story", len(labels), FOLDS)
    if len(emotions) < 2:
        return undealt.without(ONE_EMOTION), cells
    if len(topics) < 2:
        reason = "one topic only: random labels by topic would be the emotions renamed"
        return undealt.without(reason), cells
    units = [str(unit) for unit in (scenes if scenic and scenes else range(len(labels)))]
    dealt = topic_ids if scenic else [str(cell) for cell in cells]
    fold_of = cell_splitting_folds(cells, units, dealt, FOLDS, seed)
    kept = fold_of >= 0
    if len(np.unique(labels[kept])) < 2:
        reason = "no emotion and topic has two scenes: random labels could not be learnt"
        return undealt.without(reason), cells
    folds = len(np.unique(fold_of[kept]))
    return replace(undealt, fold_of=fold_of, folds=folds), cells


def _undealt(grouping: str, stories: int, folds: int) -> Split:
    return Split(grouping, np.zeros(stories, np.int64), (), folds, None)


def _trainable(split: Split, labels: np.ndarray, emotions: Sequence[str]) -> Split:
    untrained = missing_in_training(labels, split.fold_of)
    if untrained is None:
        return split
    whole = {"topic": "topics", "domain": "domains"}[split.grouping]
    return split.without(f"all {whole} of {emotions[untrained[1]]!r} are held out together")
