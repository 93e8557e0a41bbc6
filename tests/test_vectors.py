from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from planted import activations, planted, thinned
from sklearn.decomposition import PCA

from evmlx.errors import EvmlxError
from evmlx.neutral import neutral_components, project_out
from evmlx.vectors import (
    EmotionVectors,
    emotion_vectors,
    load_vectors,
    save_vectors,
    vanishing,
)


def some_vectors(seed: int = 0, layers: tuple[int, ...] = (3, 11)) -> EmotionVectors:
    rng = np.random.default_rng(seed)
    given = planted(rng.normal(size=(5, 24)), rng, layers=layers)
    return emotion_vectors(given.stories, given.labels, given.emotions, given.dialogues)


def test_balanced_crossed_vector_is_the_mean_deviation_from_the_scene() -> None:
    rng = np.random.default_rng(1)
    given = planted(rng.normal(size=(5, 24)), rng)
    found = emotion_vectors(given.stories, given.labels, given.emotions, None)
    pooled = given.stories.pooled[:, 0].astype(float)
    for row, emotion in enumerate(given.emotions):
        deviations = []
        for story in np.flatnonzero(np.array(given.labels) == emotion):
            same_scene = np.array(given.scenes) == given.scenes[story]
            deviations.append(pooled[story] - pooled[same_scene].mean(axis=0))
        np.testing.assert_allclose(found.raw[0, row], np.mean(deviations, axis=0), atol=1e-5)


def test_unbalanced_vector_is_centred_on_the_mean_over_emotions() -> None:
    rng = np.random.default_rng(2)
    given = planted(rng.normal(size=(4, 10)), rng)
    labels = np.array(given.labels)
    given = thinned(given, (labels != "emotion0") | (np.arange(labels.size) < 3))
    found = emotion_vectors(given.stories, given.labels, given.emotions, None)
    pooled = given.stories.pooled[:, 0].astype(float)
    of = np.array(given.labels)
    means = np.array([pooled[of == emotion].mean(axis=0) for emotion in given.emotions])
    np.testing.assert_allclose(found.raw[0], means - means.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.story_mean[0], means.mean(axis=0), rtol=1e-6)
    assert found.stories == (3, 12, 12, 12)
    assert np.abs(means.mean(axis=0) - pooled.mean(axis=0)).max() > 0.01  # the two differ here


def test_residual_norm_is_the_mean_over_stories() -> None:
    rng = np.random.default_rng(3)
    given = planted(rng.normal(size=(3, 10)), rng)
    found = emotion_vectors(given.stories, given.labels, given.emotions, None)
    norms = [np.sqrt((story.astype(float) ** 2).sum()) for story in given.stories.pooled[:, 0]]
    assert found.residual_norm[0] == pytest.approx(np.mean(norms))


def test_denoised_vectors_are_orthogonal_to_the_neutral_basis() -> None:
    found = some_vectors()
    for at in range(2):
        basis = found.neutral_basis[at].astype(float)
        assert len(basis) > 0
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-6)
        np.testing.assert_allclose(found.denoised[at] @ basis.T, 0, atol=1e-5)
        # and nothing else was taken: what went lies in the basis
        gone = (found.raw[at] - found.denoised[at]).astype(float)
        np.testing.assert_allclose(project_out(gone, basis), 0, atol=1e-5)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_neutral_components_are_the_fewest_that_reach_the_share(share: float) -> None:
    rng = np.random.default_rng(4)
    residuals = rng.normal(size=(30, 12)) * np.linspace(4, 1, 12) + 5
    basis, variance = neutral_components(residuals, share)
    reference = PCA().fit(residuals)
    shares = np.cumsum(reference.explained_variance_ratio_)
    k = len(basis)
    assert variance == pytest.approx(shares[k - 1]) and variance >= share
    assert k == 1 or shares[k - 2] < share
    # the same subspace as scikit-learn's
    overlap = np.linalg.svd(basis.astype(float) @ reference.components_[:k].T, compute_uv=False)
    np.testing.assert_allclose(overlap, 1, atol=1e-5)


def test_rounding_of_the_shares_does_not_change_the_number_of_components() -> None:
    rng = np.random.default_rng(10)
    square = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    for _ in range(20):
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        basis, variance = neutral_components(square @ rotation)
        assert basis.shape == (1, 3) and variance == pytest.approx(0.5)
        assert len(neutral_components(rng.normal(size=(30, 7)), 1.0)[0]) == 7


@pytest.mark.parametrize("texts", [0, 1, 3])
def test_without_neutral_variance_nothing_is_projected_out(texts: int) -> None:
    rng = np.random.default_rng(5)
    given = planted(rng.normal(size=(3, 10)), rng)
    same = np.tile(rng.normal(size=(1, 1, 10)), (texts, 1, 1))
    dialogues = activations(same, (3,), "dialogue")
    found = emotion_vectors(given.stories, given.labels, given.emotions, dialogues)
    assert found.neutral_basis[0].shape == (0, 10)
    assert np.isnan(found.neutral_variance[0])
    np.testing.assert_array_equal(found.raw, found.denoised)


def test_saved_vectors_load_to_the_last_bit(tmp_path: Path) -> None:
    found = some_vectors(layers=(8, 16))
    save_vectors(tmp_path, found)
    again = load_vectors(tmp_path)
    for field in fields(EmotionVectors):
        before, after = getattr(found, field.name), getattr(again, field.name)
        if field.name == "neutral_basis":
            before, after = np.concatenate(before), np.concatenate(after)
        np.testing.assert_array_equal(before, after)
        assert np.asarray(before).dtype == np.asarray(after).dtype
    with np.load(tmp_path / "denoised_vectors.npz") as archive:
        np.testing.assert_array_equal(archive["layer_16__emotion2"], found.denoised[1, 2])


def test_layers_load_in_numeric_order(tmp_path: Path) -> None:
    save_vectors(tmp_path, some_vectors(layers=(8, 16, 101)))
    assert load_vectors(tmp_path).layers == (8, 16, 101)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    save_vectors(tmp_path, some_vectors(layers=(8, 16)))
    other = tmp_path / "other"
    save_vectors(other, some_vectors(layers=(8, 17)))
    (other / "denoised_vectors.npz").replace(tmp_path / "denoised_vectors.npz")
    with pytest.raises(EvmlxError, match="differ in layers or emotions"):
        load_vectors(tmp_path)


def test_emotion_without_story_is_named() -> None:
    rng = np.random.default_rng(6)
    given = planted(rng.normal(size=(3, 10)), rng)
    with pytest.raises(EvmlxError, match="'serene' has no story"):
        emotion_vectors(given.stories, given.labels, (*given.emotions, "serene"), None)


def test_non_finite_residual_is_named_with_text_and_layer() -> None:
    rng = np.random.default_rng(7)
    given = planted(rng.normal(size=(3, 10)), rng, layers=(3, 9))
    pooled = given.stories.pooled.copy()
    pooled[17, 1, 4] = np.inf
    with pytest.raises(EvmlxError, match=r"story/17 at layer 9"):
        emotion_vectors(replace(given.stories, pooled=pooled), given.labels, given.emotions, None)


def test_vectors_that_are_zero_but_for_rounding_are_known() -> None:
    rng = np.random.default_rng(8)
    given = planted(rng.normal(size=(3, 10)), rng)
    alone = emotion_vectors(given.stories, given.labels, ("emotion0",), None)
    assert vanishing(alone).all()
    together = emotion_vectors(given.stories, given.labels, given.emotions, None)
    assert not vanishing(together).any()


def test_sums_are_exact_where_one_dimension_is_large_for_every_text() -> None:
    """Half a million in one dimension must not drown a difference of a thousandth in it."""
    rng = np.random.default_rng(9)
    given = planted(rng.normal(size=(2, 6)), rng, topics=20, per_cell=10)
    pooled = given.stories.pooled.copy()
    pooled[:, 0, 0] = 2.0**19
    pooled[np.array(given.labels) == "emotion0", 0, 0] += 0.0625
    found = emotion_vectors(
        replace(given.stories, pooled=pooled), given.labels, given.emotions, None
    )
    np.testing.assert_allclose(found.raw[0, :, 0], [0.03125, -0.03125])
