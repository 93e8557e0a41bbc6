"""Permutation tests of likeness where there is none, or none beyond the words'."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from test_rsa import cosines, upper

from evmlx.norm_rsa import closeness, partial_p
from evmlx.pair_ranks import pair_ranks, permuted_correlations
from evmlx.resampling import draw_permutations, permutation_p


def null_matrices(rng: np.random.Generator, count: int, shared: float) -> tuple[np.ndarray, ...]:
    """Standardised similarities of model, human and text; the first two know the third only."""

    def standard(matrix: np.ndarray) -> np.ndarray:
        return (matrix - upper(matrix).mean()) / upper(matrix).std()

    text = standard(cosines(rng.normal(size=(count, 20))))
    human = standard(closeness(rng.normal(size=(count, 3)))) + shared * text
    model = standard(cosines(rng.normal(size=(count, 20)) * np.exp(rng.normal(size=20))))
    return model + shared * text, human, text


def mantel(model: np.ndarray, human: np.ndarray, _: np.ndarray, orders: np.ndarray) -> float:
    return permutation_p(float(model @ human), permuted_correlations(model, human, orders))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "shared"), [(mantel, 0.0), (partial_p, 0.0), (partial_p, 0.7), (partial_p, 1.4)]
)
@pytest.mark.parametrize("count", [8, 20])
def test_false_positives_are_as_many_as_stated(
    test: Callable[..., float], shared: float, count: int
) -> None:
    rng = np.random.default_rng(14)
    hits = 0
    for _ in range(1000):
        ranks = [pair_ranks(matrix) for matrix in null_matrices(rng, count, shared)]
        hits += test(*ranks, draw_permutations(count, 199, rng)) <= 0.05
    assert 0.03 <= hits / 1000 <= 0.07


def test_correlation_that_words_explain_is_gone_given_the_words() -> None:
    rng = np.random.default_rng(15)
    ps, partial_ps = [], []
    for _ in range(60):
        ranks = [pair_ranks(matrix) for matrix in null_matrices(rng, 12, 1.4)]
        orders = draw_permutations(12, 99, rng)
        ps.append(mantel(*ranks, orders))
        partial_ps.append(partial_p(*ranks, orders))
    assert np.mean(np.array(ps) <= 0.05) > 0.8
    # of 60 at 5%, 9 or more has probability 0.005
    assert np.sum(np.array(partial_ps) <= 0.05) <= 8
