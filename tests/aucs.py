"""A macro AUC with its interval, as the probe puts the two together."""

from __future__ import annotations

import numpy as np

from evmlx.intervals import TopicBootstrap
from evmlx.ranking import auc_interval, macro_auc_draws


def macro_auc(
    scores: np.ndarray, labels: np.ndarray, fold_of: np.ndarray, bootstrap: TopicBootstrap
) -> tuple[float, float, float]:
    auc, draws = macro_auc_draws(scores, labels, fold_of, bootstrap)
    return auc, *auc_interval(draws, bootstrap)
