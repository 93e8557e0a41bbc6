from __future__ import annotations

from itertools import permutations as all_orders

import numpy as np
import pytest
from planted import CLUSTERS, VALENCE, Planted, a_corpus, clustered, measure, planted, thinned
from scipy.stats import rankdata, spearmanr

from evmlx.affect import SCALES, Affect
from evmlx.corpus import Corpus, Norms
from evmlx.cosine_draws import cosine_draws, topic_plan
from evmlx.norm_rsa import norm_rsa, partial_correlation
from evmlx.pair_ranks import pair_ranks
from evmlx.reliability import reliability
from evmlx.resampling import Cells, draw_permutations, story_cells
from evmlx.rsa import Compared, rsa

EMOTIONS = tuple(f"emotion{e}" for e in range(7))


def cosines(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return unit @ unit.T


def upper(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


def side(matrix: np.ndarray) -> Compared:
    return Compared(matrix, matrix[None], 0, None, "not resampled")


def affect(ratings: np.ndarray) -> Affect:
    norms = {scale: ratings[:, at] for at, scale in enumerate(SCALES)}
    return Affect((), (), (), (), norms, "made up")


def rated(ratings: np.ndarray) -> Corpus:
    columns = [tuple(map(float, column)) for column in ratings.T]
    norms = Norms(EMOTIONS, columns[0], columns[1], columns[2], (True,) * 7, "made up")
    return a_corpus(EMOTIONS, CLUSTERS, valence=VALENCE, norms=norms)


def some_texts(given: Planted, rng: np.random.Generator) -> list[str]:
    """Texts in which each emotion has words of its own, some shared within a cluster."""
    texts = []
    for label in given.labels:
        e = int(label.removeprefix("emotion"))
        likely = np.ones(60)
        likely[8 * e : 8 * e + 8] += 4
        likely[56 + e // 3] += 9
        words = rng.choice(60, size=25, p=likely / likely.sum())
        texts.append(" ".join(f"word{w}" for w in words))
    return texts


@pytest.fixture(scope="module")
def given() -> Planted:
    rng = np.random.default_rng(0)
    return planted(clustered(rng), rng, topics=10, layers=(3,))


def test_rsa_equals_scipys_spearman() -> None:
    rng = np.random.default_rng(1)
    a, b = cosines(rng.normal(size=(9, 5))), cosines(rng.normal(size=(9, 5)))
    found = rsa(side(a), side(b), draw_permutations(9, 99, rng), 0.9)
    assert found.r == pytest.approx(spearmanr(upper(a), upper(b)).statistic)
    assert (found.n_pairs, found.p_draws, found.ceiling) == (36, 99, 0.9)


def test_mantel_p_nears_that_of_all_permutations() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(6, 4))
    a, b = cosines(vectors), cosines(vectors + 1.2 * rng.normal(size=(6, 4)))
    null = [
        spearmanr(upper(a), upper(b[np.ix_(order, order)])).statistic
        for order in map(list, all_orders(range(6)))
    ]
    r = spearmanr(upper(a), upper(b)).statistic
    exact = np.mean(np.array(null) >= r - 1e-9)
    assert 0.005 < exact < 0.5
    found = rsa(side(a), side(b), draw_permutations(6, 4999, rng), 1.0)
    assert found.p == pytest.approx(exact, abs=0.02)


def test_partial_correlation_is_that_of_regression_residuals() -> None:
    rng = np.random.default_rng(3)
    matrices = [cosines(rng.normal(size=(8, 4))) for _ in range(3)]
    matrices[0] = matrices[0] + matrices[2]
    ranks = [rankdata(upper(m)) for m in matrices]
    design = np.stack([ranks[2], np.ones(28)], axis=1)
    left = [y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in ranks[:2]]
    expected = np.corrcoef(left)[0, 1]
    assert float(partial_correlation(*map(pair_ranks, matrices))) == pytest.approx(expected)


def test_human_closeness_is_of_standardised_ratings() -> None:
    rng = np.random.default_rng(4)
    ratings = rng.normal(size=(8, 3)) * [1, 10, 0.1] + 5
    standard = (ratings - ratings.mean(axis=0)) / ratings.std(axis=0)
    model, text = cosines(rng.normal(size=(8, 5))), cosines(rng.normal(size=(8, 5)))
    distance = [
        np.linalg.norm(standard[i] - standard[j]) for i in range(8) for j in range(i + 1, 8)
    ]
    found = norm_rsa(side(model), side(text), affect(ratings), draw_permutations(8, 99, rng))
    assert found.r == pytest.approx(-spearmanr(upper(model), distance).statistic)
    assert found.text_r == pytest.approx(-spearmanr(upper(text), distance).statistic)
    assert found.n == 8


def test_unrated_emotions_are_left_out_of_the_norms() -> None:
    rng = np.random.default_rng(5)
    ratings = rng.normal(size=(9, 3))
    ratings[4, 1] = np.nan
    model, text = cosines(rng.normal(size=(9, 5))), cosines(rng.normal(size=(9, 5)))
    kept = np.delete(np.arange(9), 4)
    orders = draw_permutations(9, 499, rng)
    found = norm_rsa(side(model), side(text), affect(ratings), orders)
    fewer = [side(m[np.ix_(kept, kept)]) for m in (model, text)]
    again = norm_rsa(*fewer, affect(ratings[kept]), draw_permutations(8, 499, rng))
    assert found.n == 8 and found.r == again.r and found.partial_r == again.partial_r
    assert found.p == pytest.approx(again.p, abs=0.08)


def test_reliability_equals_a_brute_force_split(given: Planted) -> None:
    found = measure(given, draws=10, permutations=9).layers["layer_3"].reliability
    cells = story_cells(given.labels, given.topic_ids, given.emotions)
    rngs = np.random.default_rng(0).spawn(4)
    plan = topic_plan(cells, 10, rngs[0], rngs[3])
    pooled = given.stories.pooled[:, 0].astype(float)
    neutral = given.dialogues.pooled[:, 0].astype(float)
    centred = neutral - neutral.mean(axis=0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    basis = vt[: int(np.argmax(np.cumsum(s**2) / np.sum(s**2) >= 0.5)) + 1]
    labels, topics = np.array(given.labels), np.array(given.topic_ids)
    rs = []
    for first in plan.halves.first:
        halves = []
        for chosen in (first, ~first):
            inside = np.isin(topics, np.array(cells.topics)[chosen])
            means = np.stack([pooled[inside & (labels == e)].mean(axis=0) for e in given.emotions])
            means -= means.mean(axis=0)
            halves.append(upper(cosines(means - means @ basis.T @ basis)))
        rs.append(spearmanr(*halves).statistic)
    assert found.splits == 100 and found.reason is None
    assert found.halves_r == pytest.approx(np.mean(rs), abs=1e-3)
    assert (found.low, found.high) == pytest.approx(np.quantile(rs, [0.025, 0.975]), abs=2e-2)
    assert found.spearman_brown == pytest.approx(2 * np.mean(rs) / (1 + np.mean(rs)), abs=1e-3)


def test_ceiling_is_what_noisy_cosines_reach_with_the_true_ones() -> None:
    rng = np.random.default_rng(6)
    directions = np.repeat(rng.normal(size=(7, 40)), 3, axis=0)[:20] + rng.normal(size=(20, 40))
    true = upper(cosines(directions))
    cells = Cells(np.arange(600), np.ones((20, 30), int), tuple(map(str, range(30))))
    reached, squares = [], []
    for _ in range(30):
        plan = topic_plan(cells, 0, rng, rng)
        drawn = cosine_draws(directions[:, None] + 5 * rng.normal(size=(20, 30, 40)), plan)
        reached.append(spearmanr(upper(drawn.plain[0]), true).statistic)
        squares.append(reliability(drawn).ceiling ** 2)
    assert np.mean(reached) < 0.85
    assert np.sqrt(np.mean(squares)) == pytest.approx(np.mean(reached), abs=0.02)


def test_text_cosines_are_those_of_tfidf_class_means(given: Planted) -> None:
    from evmlx.textcontrol import tfidf_pipeline

    texts = some_texts(given, np.random.default_rng(7))
    found = measure(given, texts=texts, draws=200)
    weights = tfidf_pipeline()[0].fit_transform(texts).toarray()
    labels = np.array(given.labels)
    expected = cosines(np.stack([weights[labels == e].mean(axis=0) for e in given.emotions]))
    np.testing.assert_allclose(found.text_cosine.matrix, expected, atol=1e-10)
    assert found.text_cosine.diff > 0 and found.text_cosine.reason is None
    assert found.text_reliability.spearman_brown > 0.5
    layer = found.layers["layer_3"]
    r = spearmanr(upper(layer.cosine.matrix), upper(expected)).statistic
    assert layer.rsa.text.r == pytest.approx(r)
    assert layer.rsa.text.low < r < layer.rsa.text.high
    assert layer.rsa.text.ceiling == pytest.approx(layer.reliability.spearman_brown**0.5)
    assert layer.rsa.text.reason is None and layer.rsa.text.p < 0.05


def test_a_layer_that_is_the_token_embeddings_is_found_out(given: Planted) -> None:
    """Embeddings equal to the residuals: RSA 1, in whatever order the file has its rows."""
    no_dialogues = Planted(
        given.emotions,
        given.labels,
        given.topic_ids,
        given.scenes,
        given.stories,
        type(given.dialogues)((), given.dialogues.tokens[:0], (3,), given.dialogues.pooled[:0]),
    )
    cells = story_cells(given.labels, given.topic_ids, given.emotions)
    sums = np.zeros((7, 10, 30))
    for at, cell in enumerate(cells.of_story):
        sums[cell // 10, cell % 10] += given.stories.pooled[at, 0]
    order = np.random.default_rng(8).permutation(7)
    arrays = {
        "emotions": np.array(given.emotions)[order],
        "topics": np.array(cells.topics),
        "cells": sums[order].astype(np.float32),
    }
    found = measure(no_dialogues, embeddings=arrays).layers["layer_3"].rsa.embedding
    assert found.r == pytest.approx(1, abs=1e-6) and found.high == pytest.approx(1, abs=1e-6)
    other = measure(given, embeddings=arrays | {"emotions": np.array(list("abcdefg"))})
    assert "other emotions" in (other.layers["layer_3"].rsa.embedding.reason or "")


def test_without_words_or_norms_reasons_say_so(given: Planted) -> None:
    found = measure(given).layers["layer_3"].rsa
    assert found.text.reason == "no texts of the stories" and np.isnan(found.text.r)
    assert found.embedding.reason == "the run has no token embeddings"
    assert "human ratings" in (found.norms.reason or "") and found.norms.n == 0
    wordless = measure(given, texts=[f"x{n}" for n in range(len(given.labels))])
    assert "no word" in (wordless.text_cosine.reason or "")
    assert "no word" in (wordless.layers["layer_3"].rsa.text.reason or "")


def test_norms_without_text_still_have_their_correlation(given: Planted) -> None:
    ratings = np.random.default_rng(9).normal(size=(7, 3))
    found = measure(given, rated(ratings)).layers["layer_3"].rsa.norms
    assert np.isfinite([found.r, found.p, found.low, found.high]).all()
    assert np.isnan([found.text_r, found.partial_r, found.partial_p]).all()
    assert found.reason == "no texts of the stories"
    same = measure(given, rated(np.ones((7, 3)))).layers["layer_3"].rsa.norms
    assert np.isnan(same.r) and same.reason == "human ratings do not differ"


def test_one_topic_keeps_the_correlations_without_intervals(given: Planted) -> None:
    one = thinned(given, np.array(given.topic_ids) == "topic0")
    texts = some_texts(one, np.random.default_rng(10))
    layer = measure(one, rated(np.random.default_rng(11).normal(size=(7, 3))), texts=texts)
    found = layer.layers["layer_3"]
    assert found.reliability.reason == "fewer than two topics: there are no halves"
    for figure in (found.rsa.text, found.rsa.norms):
        assert np.isfinite([figure.r, figure.p]).all() and np.isnan(figure.low)
        assert figure.reason is not None and "fewer than two topics" in figure.reason
    assert np.isnan(found.rsa.text.ceiling)


def test_two_emotions_have_no_pairs_to_correlate(given: Planted) -> None:
    keep = np.isin(given.labels, EMOTIONS[:2])
    two = thinned(given, keep)
    two = Planted(EMOTIONS[:2], two.labels, two.topic_ids, two.scenes, two.stories, two.dialogues)
    found = measure(two, texts=some_texts(two, np.random.default_rng(12)))
    layer = found.layers["layer_3"]
    for figure in (layer.reliability, layer.rsa.text, layer.rsa.norms):
        assert figure.reason is not None and "fewer than 4 emotions" in figure.reason


def test_constant_activations_have_reasons(given: Planted) -> None:
    pooled = np.ones_like(given.stories.pooled)
    stories = type(given.stories)(given.stories.ids, given.stories.tokens, (3,), pooled)
    same = Planted(
        given.emotions, given.labels, given.topic_ids, given.scenes, stories, given.dialogues
    )
    layer = measure(same, texts=some_texts(same, np.random.default_rng(13))).layers["layer_3"]
    assert layer.cosine.reason is not None and layer.reliability.reason is not None
    assert layer.rsa.text.reason is not None and np.isnan(layer.rsa.text.r)
