"""Coverage of the intervals over topics and false alarms of what is read off them, by simulation.

Marked slow: every test draws 500 data sets.
"""

from __future__ import annotations

import numpy as np
import pytest
from aucs import macro_auc
from scipy.stats import norm

from evmlx.folds import Fit
from evmlx.intervals import TopicBootstrap
from evmlx.nearest import nearest_vector
from evmlx.probe_figures import Task, selectivity
from evmlx.splits import cell_split

SETS = 500
TOPICS = np.repeat([f"t{k:02}" for k in range(30)], 20)

pytestmark = pytest.mark.slow


def right(rng: np.random.Generator, skill: np.ndarray) -> np.ndarray:
    """Which stories are classified rightly, given the skill in each topic."""
    return (rng.random(len(TOPICS)) < np.repeat(skill, 20)).astype(float)


@pytest.mark.parametrize(("a", "b"), [(1.5, 1.0), (8.0, 2.0), (16.0, 4.0)])
def test_interval_of_accuracy_covers_the_truth(a: float, b: float) -> None:
    rng = np.random.default_rng([1, int(a)])
    covered = 0
    for _ in range(SETS):
        bootstrap = TopicBootstrap(TOPICS.tolist(), 1000, rng)
        low, high = bootstrap.interval(right(rng, rng.beta(a, b, size=30)))
        covered += low <= a / (a + b) <= high
    assert 0.93 <= covered / SETS <= 0.97


def test_interval_of_a_gain_covers_the_truth_and_seldom_misses_zero_by_chance() -> None:
    rng = np.random.default_rng(2)
    covered = alarms = 0
    for _ in range(SETS):
        bootstrap = TopicBootstrap(TOPICS.tolist(), 1000, rng)
        skill = rng.beta(8, 3, size=30)
        gained = np.clip(rng.normal(0.08, 0.05, size=30), -0.2, 0.2)
        first, second = right(rng, skill), right(rng, skill)
        better = right(rng, 0.8 * skill + gained)
        low, high = bootstrap.interval(better - second)
        covered += low <= 0.08 - 0.2 * 8 / 11 <= high
        low, high = bootstrap.interval(first - second)
        alarms += not low <= 0 <= high
    assert 0.93 <= covered / SETS <= 0.97
    assert 0.03 <= alarms / SETS <= 0.07


def test_interval_of_macro_auc_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    labels = np.tile(np.arange(4), len(TOPICS) // 4)
    folds = np.repeat(np.arange(30) % 5, 20)
    truth = norm.cdf(1 / np.sqrt(2 + 0.6**2))  # an emotion stands out by N(1, 0.6) in a topic
    covered = 0
    for _ in range(SETS):
        bootstrap = TopicBootstrap(TOPICS.tolist(), 1000, rng)
        signal = np.repeat(rng.normal(1, 0.6, size=(30, 4)), 20, axis=0)
        scores = rng.normal(size=(len(TOPICS), 4)) + signal * np.eye(4)[labels]
        _, low, high = macro_auc(scores, labels, folds, bootstrap)
        covered += low <= truth <= high
    assert 0.93 <= covered / SETS <= 0.97


def test_random_features_seldom_look_selective() -> None:
    labels = np.tile(np.repeat(np.arange(3), 3), 12)
    topics = [f"t{k}" for k in np.repeat(np.arange(12), 9)]
    scenes = [f"{topic}/{k % 3}" for k, topic in enumerate(topics)]
    emotions = ("a", "b", "c")
    above = below = 0
    for number in range(SETS):
        rng = np.random.default_rng([4, number])
        features = rng.normal(size=(108, 5)).astype(np.float32)
        split, cells = cell_split(labels, emotions, topics, scenes, seed=number)
        task = Task(emotions, labels, np.full(3, -1), TopicBootstrap(topics, 500, rng))

        def fit_to(labels: np.ndarray, features: np.ndarray = features) -> Fit:
            return nearest_vector(features, labels, None)  # quick to fit

        found = selectivity(task, split, cells, fit_to, rng)
        above += found.low > 0
        below += found.high < 0
    # Some 9% rather than 5%: near chance the errors of two folds depend on each other, because
    # the stories of each are in the training set of the other. The two sides have to be alike.
    assert above / SETS <= 0.06
    assert below / SETS <= 0.06
