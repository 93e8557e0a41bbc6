from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import a_corpus, vectors_from
from scipy.stats import binomtest, kstest

from evmlx.corpus import Corpus, Scenario, load_corpus
from evmlx.errors import EvmlxError
from evmlx.implicit import HEADLINE, Battery, implicit
from evmlx.implicit_scores import Score
from evmlx.results import to_json
from evmlx.store import Activations
from evmlx.vectors import EmotionVectors

WIDTH = 64


def some_vectors(emotions: Sequence[str], layers: Sequence[int], seed: int = 0) -> EmotionVectors:
    """Random vectors, a mean far from 0, and two neutral components that vectors are free of."""
    rng = np.random.default_rng(seed)
    shape = (len(layers), len(emotions), WIDTH)
    raw = rng.normal(size=shape)
    return vectors_from(raw, emotions, layers, rng)


def scenarios_for(emotions: Sequence[str], battery: str, each: int) -> tuple[Scenario, ...]:
    return tuple(
        Scenario(f"{battery}-{emotion}-{n}", battery, emotion, (), "") for emotion in emotions
        for n in range(each)
    )  # fmt: skip


def read_as(
    told: Sequence[Scenario],
    vectors: EmotionVectors,
    rng: np.random.Generator,
    *,
    signal: float = 1.0,
    noise: float = 0.3,
    neutral: float = 10.0,
) -> Activations:
    """Residuals: the stories' mean, the target's vector, neutral components, noise."""
    pooled = np.empty((len(told), len(vectors.layers), WIDTH))
    for at in range(len(vectors.layers)):
        target = [vectors.emotions.index(scenario.target) for scenario in told]
        pooled[:, at] = vectors.story_mean[at] + signal * vectors.denoised[at, target]
        pooled[:, at] += neutral * rng.normal(size=(len(told), 2)) @ vectors.neutral_basis[at]
        pooled[:, at] += noise * rng.normal(size=(len(told), WIDTH))
    ids = tuple(scenario.id for scenario in told)
    return Activations(
        ids, np.full(len(ids), 40, np.int32), vectors.layers, pooled.astype(np.float32)
    )


EMOTIONS = tuple(f"emotion{n}" for n in range(8))


def a_corpus_of(told: Sequence[Scenario], emotions: Sequence[str] = EMOTIONS) -> Corpus:
    return replace(a_corpus(emotions, {}), scenarios=tuple(told))


def one_battery(
    told: Sequence[Scenario], vectors: EmotionVectors, given: Activations, seed: int = 0
) -> Battery:
    layer = vectors.layers[0]
    found = implicit(
        given, None, vectors, a_corpus_of(told, vectors.emotions), primary_layer=layer, seed=seed
    )
    return found.layers[f"layer_{layer}"][told[0].battery]


def scores_of(battery: Battery) -> tuple[Score, Score, Score]:
    assert battery.centred and battery.z_scored and battery.published
    return battery.centred, battery.z_scored, battery.published


def test_common_component_makes_a_hub_of_uncentred_scores_and_centring_undoes_it() -> None:
    rng = np.random.default_rng(1)
    vectors = some_vectors(EMOTIONS, (5,))
    told = scenarios_for(EMOTIONS, "situation", 4)
    # the mean of all texts leans towards one emotion
    vectors = replace(vectors, story_mean=vectors.story_mean + 40 * vectors.denoised[:, 3])
    battery = one_battery(told, vectors, read_as(told, vectors, rng))
    centred, z_scored, published = scores_of(battery)
    assert centred.top1 == 1
    assert centred.mean_rank == 1
    assert z_scored.top1 == 1
    assert published.top1 == 4 / 32  # emotion3 comes first for every text
    assert published.hub_share == 1
    assert centred.hub_share < 0.75
    assert centred.p == pytest.approx(1 / 10_000)
    assert published.p > 1 / 10_000
    assert centred.macro_auc == 1
    assert z_scored.macro_auc == centred.macro_auc  # each vector's order of the texts is the same
    assert battery.n == 32


def test_neutral_components_of_a_text_do_not_count() -> None:
    vectors = some_vectors(EMOTIONS, (5,))
    told = scenarios_for(EMOTIONS, "situation", 4)
    quiet, loud = (
        one_battery(
            told, vectors, read_as(told, vectors, np.random.default_rng(2), neutral=neutral)
        )
        for neutral in (0.0, 100.0)
    )
    for one, other in zip(quiet.scenarios, loud.scenarios, strict=True):
        assert one.top5 == other.top5
        assert one.top5_scores == pytest.approx(other.top5_scores, abs=1e-4)
    share = quiet.scenarios[0].top5_scores[0]
    assert share > 0.9  # of a text that is its vector, some noise aside


def test_z_scores_undo_a_vector_that_is_close_to_every_text() -> None:
    rng = np.random.default_rng(3)
    vectors = some_vectors(EMOTIONS, (5,))
    told = scenarios_for(EMOTIONS, "message", 4)
    given = read_as(told, vectors, rng)
    given = replace(given, pooled=given.pooled + 3 * vectors.denoised[0, 6])  # unlike the stories
    centred, z_scored, _ = scores_of(one_battery(told, vectors, given))
    assert centred.hub_emotion == "emotion6"
    assert centred.top1 < 0.5
    assert z_scored.top1 > 0.8


def test_figures_equal_those_counted_by_hand() -> None:
    rng = np.random.default_rng(4)
    vectors = some_vectors(EMOTIONS, (5,))
    told = tuple(
        replace(scenario, near=(EMOTIONS[(n + 1) % 8], "an emotion without a vector"))
        for n, scenario in enumerate(scenarios_for(EMOTIONS, "situation", 3))
    )
    given = read_as(told, vectors, rng, signal=0.25, noise=1.0)
    battery = one_battery(told, vectors, given)
    basis, mean = vectors.neutral_basis[0].astype(float), vectors.story_mean[0].astype(float)
    ranks, firsts, thirds = [], [], []
    for row, scenario in enumerate(told):
        text = given.pooled[row, 0].astype(float) - mean
        for direction in basis:
            text = text - (text @ direction) * direction
        score = {
            emotion: text @ v / np.linalg.norm(text) / np.linalg.norm(v)
            for emotion, v in zip(EMOTIONS, vectors.denoised[0].astype(float), strict=True)
        }
        order = sorted(score, key=score.__getitem__, reverse=True)
        ranks.append(order.index(scenario.target) + 1)
        firsts.append(order[0] in (scenario.target, *scenario.near))
        thirds.append(order[:3])
        assert battery.scenarios[row].rank == ranks[-1]
        assert list(battery.scenarios[row].top5) == order[:5]
        assert battery.scenarios[row].top5_scores == pytest.approx([score[e] for e in order[:5]])
    centred, _, _ = scores_of(battery)
    reached = np.array(ranks)
    assert 1 < reached.mean() < 4.5  # neither perfect nor at chance, or this says little
    for k, share in ((1, centred.top1), (3, centred.top3), (5, centred.top5)):
        assert share == np.mean(reached <= k)
    interval = binomtest(int((reached <= 3).sum()), 24).proportion_ci(0.95, method="exact")
    assert (centred.top3_low, centred.top3_high) == pytest.approx((interval.low, interval.high))
    assert centred.mean_rank == pytest.approx(reached.mean())
    assert centred.mean_rank_low < centred.mean_rank < centred.mean_rank_high
    assert centred.top1_near == np.mean(firsts)
    accepted = [{scenario.target, scenario.near[0]} for scenario in told]
    assert centred.chance_top1_near == pytest.approx(np.mean([len(a) for a in accepted]) / 8)
    shares = {emotion: np.mean([emotion in three for three in thirds]) for emotion in EMOTIONS}
    assert centred.hub_share == max(shares.values()) == shares[centred.hub_emotion]
    assert (centred.chance_top1, centred.chance_mean_rank) == (1 / 8, 4.5)


def test_p_is_uniform_where_texts_say_nothing() -> None:
    rng = np.random.default_rng(5)
    vectors = some_vectors(EMOTIONS, (5,))
    told = scenarios_for(EMOTIONS, "situation", 5)
    found = [
        scores_of(one_battery(told, vectors, read_as(told, vectors, rng, signal=0), seed))[0].p
        for seed in range(60)
    ]
    assert kstest(found, "uniform").pvalue > 0.01


def test_own_centring_undoes_what_the_texts_share_and_the_stories_do_not() -> None:
    rng = np.random.default_rng(14)
    vectors = some_vectors(EMOTIONS, (5,))
    told = scenarios_for(EMOTIONS, "message", 4)
    given = read_as(told, vectors, rng)
    shared = 30 * rng.normal(size=WIDTH) + 20 * vectors.denoised[0, 6]
    given = replace(given, pooled=(given.pooled + shared).astype(np.float32))
    corpus = a_corpus_of(told)
    found = implicit(None, given, vectors, corpus, primary_layer=5, seed=0)
    battery = found.layers["layer_5"]["message_last"]
    assert battery.own_centred and battery.centred
    assert battery.own_centred.top1 == 1
    assert battery.centred.top1 < 0.5
    # by hand, for one text
    residuals = given.pooled[:, 0].astype(float)
    text = residuals[7] - residuals.mean(axis=0)
    basis = vectors.neutral_basis[0].astype(float)
    text = text - text @ basis.T @ basis
    v = vectors.denoised[0, vectors.emotions.index(told[7].target)].astype(float)
    one = battery.scenarios[7]
    assert one.top5[0] == told[7].target  # listed in the headline scoring
    assert one.top5_scores[0] == pytest.approx(text @ v / np.linalg.norm(text) / np.linalg.norm(v))


def test_headline_follows_how_a_battery_is_read_and_not_its_scores() -> None:
    assert HEADLINE == {
        "situation": "centred", "message": "centred", "message_last": "own_centred"
    }  # fmt: skip
    vectors = some_vectors(EMOTIONS, (5,))
    told = scenarios_for(EMOTIONS, "message", 2)
    for signal in (-1.0, 1.0):
        given = read_as(told, vectors, np.random.default_rng(15), signal=signal)
        found = implicit(given, given, vectors, a_corpus_of(told), primary_layer=5, seed=0)
        for name, battery in found.layers["layer_5"].items():
            assert battery.headline == HEADLINE[name]


@pytest.mark.filterwarnings("error")
def test_constant_residuals_give_null_and_a_reason() -> None:
    vectors = some_vectors(EMOTIONS, (5,))
    told = scenarios_for(EMOTIONS, "situation", 2)
    given = read_as(told, vectors, np.random.default_rng(16))
    same = replace(given, pooled=np.repeat(given.pooled[:1], 16, axis=0))
    flat = replace(vectors, denoised=np.zeros_like(vectors.denoised))
    for battery, why in (
        (one_battery(told, vectors, same), "the same"),
        (one_battery(told, flat, given), "no emotion vector"),
    ):
        scored = (battery.centred, battery.z_scored, battery.own_centred, battery.published)
        assert scored == (None,) * 4
        assert battery.n == 16
        assert battery.reason and why in battery.reason


@pytest.mark.filterwarnings("error")
def test_two_emotions_can_be_told_apart_or_not() -> None:
    vectors = some_vectors(EMOTIONS[:2], (5,))
    told = scenarios_for(EMOTIONS[:2], "situation", 4)
    battery = one_battery(told, vectors, read_as(told, vectors, np.random.default_rng(17)))
    centred, _, _ = scores_of(battery)
    assert (centred.top1, centred.top3, centred.mean_rank, centred.macro_auc) == (1, 1, 1, 1)
    assert (centred.chance_top1, centred.chance_mean_rank) == (0.5, 1.5)
    assert centred.p < 0.05


def test_batteries_readings_and_layers_are_kept_apart() -> None:
    rng = np.random.default_rng(6)
    vectors = some_vectors(EMOTIONS, (8, 16, 25))
    situations = scenarios_for(EMOTIONS, "situation", 1)
    messages = scenarios_for(EMOTIONS, "message", 2)
    mean = read_as((*messages, *situations), vectors, rng)
    last = read_as(messages, vectors, rng, signal=-1)
    corpus = a_corpus_of((*situations, *messages))
    found = implicit(mean, last, vectors, corpus, primary_layer=16, seed=0)
    assert list(found.layers) == ["layer_8", "layer_16", "layer_25"]
    for batteries in found.layers.values():
        assert {name: battery.n for name, battery in batteries.items()} == {
            "situation": 8,
            "message": 16,
            "message_last": 16,
        }
        assert scores_of(batteries["message"])[0].top1 == 1
        assert scores_of(batteries["message_last"])[0].mean_rank > 7
        assert {s.id for s in batteries["situation"].scenarios} == {s.id for s in situations}


def test_layers_are_matched_by_number() -> None:
    vectors = some_vectors(EMOTIONS, (8, 16))
    told = scenarios_for(EMOTIONS, "situation", 2)
    given = read_as(told, vectors, np.random.default_rng(7))
    turned = replace(given, layers=(16, 8), pooled=given.pooled[:, ::-1])
    found, again = (
        to_json(implicit(a, None, vectors, a_corpus_of(told), primary_layer=8, seed=0))
        for a in (given, turned)
    )
    assert found == again


@pytest.mark.filterwarnings("error")
def test_missing_batteries_have_a_reason() -> None:
    vectors = some_vectors(EMOTIONS, (8,))
    told = scenarios_for(EMOTIONS, "situation", 1)[:3]
    given = read_as(told, vectors, np.random.default_rng(8))
    empty = Activations((), np.zeros(0, np.int32), (8,), np.zeros((0, 1, WIDTH), np.float32))
    for last in (None, empty):
        found = implicit(given, last, vectors, a_corpus_of(told), primary_layer=8, seed=0)
        message = to_json(found)["layers"]["layer_8"]["message"]
        assert (message["n"], message["centred"]) == (0, None)
        assert message["reason"]
    for none in (None, empty):
        found = implicit(none, empty, vectors, a_corpus_of(()), primary_layer=8, seed=0)
        assert found.layers == {}
        assert found.reason
    first = replace(given, ids=given.ids[:1], pooled=given.pooled[:1])
    alone = one_battery(told[:1], vectors, first)
    assert (alone.z_scored, alone.own_centred) == (None, None)
    assert alone.reason
    assert alone.centred and alone.centred.top1 == 1
    assert alone.centred.reason


def test_text_that_the_corpus_or_the_vectors_do_not_know_is_named() -> None:
    vectors = some_vectors(EMOTIONS[:7], (8,))
    told = scenarios_for(EMOTIONS[:7], "situation", 1)
    given = read_as(told, vectors, np.random.default_rng(9))
    with pytest.raises(EvmlxError, match="situation-emotion6-0.*not in the corpus"):
        implicit(given, None, vectors, a_corpus_of(told[:6]), primary_layer=8, seed=0)
    strange = (*told[:6], replace(told[6], target="emotion7"))
    with pytest.raises(EvmlxError, match="'emotion7' has no emotion vector"):
        implicit(given, None, vectors, a_corpus_of(strange), primary_layer=8, seed=0)


def test_ten_situations_of_another_corpus(external: Path) -> None:
    corpus = load_corpus(external / "corpus")
    vectors = some_vectors(corpus.emotions, (8,))
    given = read_as(corpus.scenarios, vectors, np.random.default_rng(10))
    found = implicit(given, None, vectors, corpus, primary_layer=8, seed=0)
    batteries = found.layers["layer_8"]
    assert batteries["situation"].n == len(corpus.scenarios) == 10
    assert scores_of(batteries["situation"])[0].top1 == 1
    assert batteries["message"].n == 0
