"""Procrustes fit against scipy, a planted plane, and its own null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes as scipys
from sklearn.decomposition import PCA

from evmlx.norm_axis import DrawnCosines
from evmlx.procrustes import Procrustes, first_two, fit, procrustes

COUNT, WIDTH = 20, 50
NAMES = tuple(f"emotion{e}" for e in range(COUNT))
NO_DRAWS = DrawnCosines(np.zeros((0, COUNT, COUNT)), 0, "none drawn")


def unit(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=-2, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=-1, keepdims=True))


def cosines(vectors: np.ndarray) -> np.ndarray:
    return unit(vectors) @ np.swapaxes(unit(vectors), -1, -2)


def measure(
    vectors: np.ndarray, plane: np.ndarray, permutations: int = 999, drawn: DrawnCosines = NO_DRAWS
) -> Procrustes:
    return procrustes(NAMES, cosines(vectors), drawn, plane, 0, permutations)


def a_plane(rng: np.random.Generator, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Vectors near a plane in which they lie as the ratings have them, turned and mirrored."""
    plane = rng.normal(size=(COUNT, 2)) * [2.0, 0.8] + [4.0, 5.0]
    human = (plane - plane.mean(axis=0)) / plane.std(axis=0)
    axes, _ = np.linalg.qr(rng.normal(size=(WIDTH, 2)))
    turned = human @ np.array([[0.6, 0.8], [0.8, -0.6]]) * [1.3, 1.0]
    return 7 * (turned @ axes.T + noise * rng.normal(size=(COUNT, WIDTH)) / np.sqrt(WIDTH)), plane


def test_equals_scipys_disparity_on_scikit_learns_components() -> None:
    rng = np.random.default_rng(0)
    vectors, plane = rng.normal(size=(COUNT, WIDTH)), rng.normal(size=(COUNT, 2)) * [1, 4]
    found = measure(vectors, plane)
    human = (plane - plane.mean(axis=0)) / plane.std(axis=0)
    points = PCA(2).fit_transform(unit(vectors))
    target, fitted, disparity = scipys(human, points)
    assert found.r2 == pytest.approx(1 - disparity)
    np.testing.assert_allclose(found.human, human, atol=1e-12)
    # scipy's target has length 1, ours variance 1 on each axis
    np.testing.assert_allclose(found.model, fitted * np.linalg.norm(human), atol=1e-9)
    np.testing.assert_allclose(found.human, target * np.linalg.norm(human), atol=1e-12)


def test_r2_is_the_variance_accounted_for() -> None:
    found = measure(*a_plane(np.random.default_rng(1)))
    left = np.sum((found.human - found.model) ** 2)
    assert found.r2 == pytest.approx(1 - left / np.sum(found.human**2))


def test_planted_plane_is_found_and_random_vectors_give_none() -> None:
    rng = np.random.default_rng(2)
    found = measure(*a_plane(rng))
    assert found.r2 > 0.7 and found.p < 0.01
    assert np.corrcoef(found.model.T, found.human.T)[0, 2] > 0.8
    other = measure(rng.normal(size=(COUNT, WIDTH)), rng.normal(size=(COUNT, 2)))
    assert other.p > 0.05 and other.r2 < 0.5
    assert 0 < other.null_mean < 0.5


def test_null_equals_scipys_under_permutation() -> None:
    rng = np.random.default_rng(3)
    vectors, plane = rng.normal(size=(COUNT, WIDTH)), rng.normal(size=(COUNT, 2))
    found = measure(vectors, plane, 9999)
    human = (plane - plane.mean(axis=0)) / plane.std(axis=0)
    points = PCA(2).fit_transform(unit(vectors))
    null = np.array([1 - scipys(rng.permutation(human), points)[2] for _ in range(1000)])
    assert found.null_mean == pytest.approx(null.mean(), abs=4 * null.std() / np.sqrt(1000))
    assert found.p == pytest.approx(np.mean(null >= found.r2), abs=0.05)


def test_signs_and_order_of_components_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    points, human = rng.normal(size=(COUNT, 2)), rng.normal(size=(COUNT, 2))
    human -= human.mean(axis=0)
    fitted, r2 = fit(points, human)
    for changed in (points * [1, -1], points[:, ::-1], 3 * points + [5, -2]):
        again, same = fit(changed, human)
        np.testing.assert_allclose(again, fitted, atol=1e-12)
        assert same == pytest.approx(r2)


def test_coordinates_equal_scikit_learns_but_for_sign() -> None:
    stack = np.random.default_rng(5).normal(size=(3, COUNT, WIDTH))
    for vectors, found in zip(stack, first_two(cosines(stack)), strict=True):
        reference = PCA(2).fit_transform(unit(vectors))
        np.testing.assert_allclose(np.abs(found), np.abs(reference), atol=1e-9)


def test_covariance_is_that_of_refitted_draws() -> None:
    rng = np.random.default_rng(6)
    vectors, plane = a_plane(rng)
    spread = np.linspace(0.1, 1.0, COUNT)[:, None]
    again = vectors + spread * rng.normal(size=(300, COUNT, WIDTH))
    found = measure(vectors, plane, 99, DrawnCosines(cosines(again), 30, None))
    assert found.covariance is not None and found.covariance.shape == (COUNT, 2, 2)
    human = (plane - plane.mean(axis=0)) / plane.std(axis=0)
    refitted = [
        scipys(human, PCA(2).fit_transform(unit(v)))[1] * np.linalg.norm(human) for v in again
    ]
    for e in (0, 7, 19):
        reference = np.cov(np.array(refitted)[:, e].T)
        np.testing.assert_allclose(found.covariance[e], reference, atol=1e-9)
    areas = np.linalg.det(found.covariance)
    assert areas[-5:].mean() > 3 * areas[:5].mean()  # noisier emotions have larger ellipses
    assert found.low < found.r2 < found.high and found.reason is None


def test_unrated_emotions_are_left_out_of_the_fit_but_not_of_the_components() -> None:
    rng = np.random.default_rng(7)
    vectors, plane = a_plane(rng)
    plane[4, 0], plane[9, 1] = np.nan, np.nan
    found = measure(vectors, plane)
    rated = np.isfinite(plane).all(axis=1)
    points = PCA(2).fit_transform(unit(vectors))[rated]
    human = (plane[rated] - plane[rated].mean(axis=0)) / plane[rated].std(axis=0)
    assert found.r2 == pytest.approx(1 - scipys(human, points)[2])
    assert found.n == COUNT - 2 and len(found.model) == len(found.human) == COUNT - 2
    assert found.emotions == tuple(np.array(NAMES)[rated])


@pytest.mark.parametrize("case", ["four rated", "constant", "zero vector", "equal"])
def test_degenerate_input_has_a_reason(case: str) -> None:
    vectors, plane = a_plane(np.random.default_rng(8))
    matrix, said = cosines(vectors), "4 emotions are rated"
    if case == "four rated":
        plane[4:, 1] = np.nan
    elif case == "constant":
        plane[:, 1], said = 3.0, "rated alike"
    elif case == "zero vector":
        plane[2] = np.nan  # even of an emotion that is not rated: the components need all
        matrix[2] = matrix[:, 2] = np.nan
        said = "is zero"
    else:
        matrix, said = np.ones_like(matrix), "one direction"
    drawn = DrawnCosines(np.repeat(matrix[None], 3, axis=0), 3, None)
    found = procrustes(NAMES, matrix, drawn, plane, 0, 99)
    assert found.reason is not None and said in found.reason
    assert np.isnan([found.r2, found.low, found.high, found.p, found.null_mean]).all()
    assert found.model.shape == (0, 2) and found.covariance is None


@pytest.mark.slow
def test_false_positives_are_as_rare_as_p_says() -> None:
    rng = np.random.default_rng(9)
    decay = np.exp(-np.arange(WIDTH) / 8)
    p = np.array(
        [
            measure(rng.normal(size=(COUNT, WIDTH)) * decay, rng.normal(size=(COUNT, 2)), 199).p
            for _ in range(2000)
        ]
    )
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(("off_plane", "noise"), [(2.0, 0.3), (6.0, 1.0)])
def test_interval_holds_what_other_topics_would_give(off_plane: float, noise: float) -> None:
    """500 data sets of 30 topics: the interval is to hold the mean of r2 over data sets."""
    rng = np.random.default_rng(10)
    vectors, plane = a_plane(rng, off_plane)
    found, held = [], []
    for _ in range(500):
        cells = vectors / 7 + noise * rng.normal(size=(30, COUNT, WIDTH))
        weights = rng.multinomial(30, np.full(30, 1 / 30), size=300) / 30
        drawn = DrawnCosines(cosines(np.tensordot(weights, cells, axes=1)), 30, None)
        one = procrustes(NAMES, cosines(cells.mean(axis=0)), drawn, plane, 0, 1)
        found.append(one.r2)
        held.append((one.low, one.high))
    truth = np.mean(found)
    coverage = np.mean([low <= truth <= high for low, high in held])
    assert 0.93 <= coverage <= 0.97
