"""The geometry stage of a run folder: what it reads beside activations, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_corpus import save_small_corpus

from evmlx.clusters import cluster_membership
from evmlx.cohesion import cohesion_gain, cosine_geometry
from evmlx.corpus import Corpus, load_corpus
from evmlx.cosine_draws import cosine_draws, no_draws, topic_plan
from evmlx.errors import EvmlxError
from evmlx.resampling import story_cells
from evmlx.stages import STAGES, Run
from evmlx.store import write_npz

WIDTH = 24


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return load_corpus(save_small_corpus(tmp_path_factory.mktemp("small") / "corpus"))


@pytest.fixture
def run(tmp_path: Path, corpus: Corpus) -> Run:
    rng = np.random.default_rng(0)
    emotions = {emotion: rng.normal(size=WIDTH) for emotion in corpus.emotions}
    pooled = np.stack([emotions[story.emotion] for story in corpus.stories])
    arrays = {"layers": np.array([3], np.int32)}
    for kind, items, means in (
        ("stories", corpus.stories, pooled),
        ("dialogues", corpus.dialogues, np.zeros((len(corpus.dialogues), WIDTH))),
    ):
        arrays[f"{kind}__ids"] = np.array([item.id for item in items])
        arrays[f"{kind}__tokens"] = np.full(len(items), 100, np.int32)
        noisy = means + 0.5 * rng.normal(size=means.shape)
        arrays[f"{kind}__layer_3"] = noisy.astype(np.float32)
    write_npz(tmp_path / "activations.npz", arrays)
    record = {"model": {"name": "made up"}, "seed": 0, "primary_layer": 3}
    return Run(tmp_path, corpus, record)


def results(run: Run) -> dict[str, Any]:
    for stage in STAGES[:2]:
        stage.run(run)
    found = json.loads((run.folder / "validation_results.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_words_and_human_ratings_stand_beside_every_layer(run: Run) -> None:
    found = results(run)
    layer = found["layers"]["layer_3"]
    assert np.array(found["text_cosine"]["matrix"]).shape == (20, 20)
    assert found["text_cosine"]["emotions"] == layer["cosine"]["emotions"]
    for key in ("low_bca", "high_bca"):
        assert isinstance(layer["cosine"]["bootstrap"][key], float)
        assert isinstance(layer["cosine"]["clusters"]["Hostile Anger"][key], float)
        assert key in layer["cosine"]["bootstrap"]["corrected"]
    assert layer["reliability"]["spearman_brown"] > 0.5
    assert isinstance(layer["rsa"]["text"]["r"], float)
    assert layer["rsa"]["norms"]["n"] == 20
    assert isinstance(layer["rsa"]["norms"]["partial_p"], float)
    assert layer["rsa"]["embedding"]["reason"] == "the run has no token embeddings"
    # words dealt at random have no more than noise, and so nothing to be paired with
    assert found["text_cosine"]["bootstrap"]["corrected"]["estimate"] is None
    assert layer["cohesion_gain"]["difference"] is None and layer["cohesion_gain"]["reason"]


def test_an_arrangement_gains_nothing_over_itself() -> None:
    rng = np.random.default_rng(4)
    cells = story_cells(["a", "b", "c", "d"] * 12, [f"t{k // 8}" for k in range(48)], "abcd")
    plan = topic_plan(cells, 50, rng, rng)
    drawn = cosine_draws(rng.normal(size=(4, 1, 20)) + 0.3 * rng.normal(size=(4, 6, 20)), plan)
    other = cosine_draws(rng.normal(size=(4, 1, 20)) + 0.3 * rng.normal(size=(4, 6, 20)), plan)
    clusters = cluster_membership("abcd", {"first": ("a", "b"), "second": ("c", "d")})
    itself = cohesion_gain(drawn, drawn, clusters)
    assert (itself.difference, itself.low, itself.high) == (0, 0, 0)
    there, back = cohesion_gain(drawn, other, clusters), cohesion_gain(other, drawn, clusters)
    assert (there.difference, there.low) == pytest.approx((-back.difference, -back.high))
    alone_first, alone_second = (
        cosine_geometry("abcd", d.plain[0], clusters, d, np.zeros((0, 4), int)).bootstrap.corrected
        for d in (drawn, other)
    )
    assert there.difference == pytest.approx(alone_first.estimate - alone_second.estimate)
    alone = cohesion_gain(drawn, no_draws(4, "no texts"), clusters)
    assert np.isnan(alone.difference) and alone.reason == "no texts"


def test_token_embeddings_are_read_where_they_are(run: Run, corpus: Corpus) -> None:
    rng = np.random.default_rng(1)
    topics = tuple(dict.fromkeys(story.topic_id for story in corpus.stories))
    cells = rng.normal(size=(20, len(topics), WIDTH)) + 3 * rng.normal(size=(20, 1, WIDTH))
    write_npz(
        run.folder / "token_embeddings.npz",
        {
            "emotions": np.array(corpus.emotions),
            "topics": np.array(topics),
            "cells": cells.astype(np.float32),
            "means": cells.mean(axis=1).astype(np.float32),
        },
    )
    embedding = results(run)["layers"]["layer_3"]["rsa"]["embedding"]
    assert embedding["reason"] is None and isinstance(embedding["low"], float)
    (run.folder / "token_embeddings.npz").write_bytes(b"no zip")
    with pytest.raises(EvmlxError, match="damaged"):
        results(run)
