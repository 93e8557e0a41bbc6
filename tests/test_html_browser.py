"""The story browser of report.html: its data are the scores, and it runs in a browser."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from html_pages import CHROMIUM, Page, made_page, rendered
from run_folders import LAYERS, PRIMARY, made_up_texts, reported_run

from evmlx.corpus import Corpus, load_corpus
from evmlx.report.html_browser import (
    MAX_LAYERS,
    MAX_TEXT,
    UNIT,
    UNKNOWN,
    kept_texts,
    shown_layers,
    usual_scores,
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported_run(tmp_path_factory.getbasetemp())[0]


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_texts_and_scores_are_all_in_the_page(html: str, corpus: Corpus) -> None:
    script = html.split('<script type="application/json" id="browser-data">')[1]
    data = json.loads(script.split("</script>")[0])
    told = made_up_texts(corpus)
    assert [t[6] for t in data["texts"]] == [one.text for one in told]
    assert [data["emotions"][t[2]] for t in data["texts"]] == [one.emotion for one in told]
    scores = np.frombuffer(base64.b64decode(data["scores"]), "<i2")
    scores = scores.reshape(len(told), len(data["layers"]), len(data["emotions"]))
    given = np.array([one.scores for one in told])
    known = np.isfinite(given)
    assert np.abs(scores[known] / UNIT - given[known]).max() <= 0.5001 / UNIT
    assert (scores[~known] == UNKNOWN).all() and (~known).sum() == 1
    assert data["layers"][data["primary"]] == PRIMARY
    tellings = [t for t in data["texts"] if t[4] >= 0]
    assert len(tellings) == 100 and all(data["topics"][t[3]] for t in tellings)


def test_a_set_and_layer_has_one_scale_that_holds_all_its_scores(html: str, corpus: Corpus) -> None:
    script = html.split('<script type="application/json" id="browser-data">')[1]
    data = json.loads(script.split("</script>")[0])
    told = made_up_texts(corpus)
    assert len(data["scales"]) == len(data["kinds"]) == 3
    for (kind, _, scoring), scales in zip(data["kinds"], data["scales"], strict=True):
        assert ("not the probe" in scoring) == (kind == "story")
        texts = [one for one in told if one.kind == kind]
        for layer, (largest, typical, low, high) in zip(data["layers"], scales, strict=True):
            scores = np.array([one.scores[LAYERS.index(layer)] for one in texts])
            right = [
                s[corpus.emotions.index(t.emotion)] for t, s in zip(texts, scores, strict=True)
            ]
            assert largest == pytest.approx(np.nanmax(np.abs(scores)), abs=1e-4)
            assert np.mean(np.array(right) > typical) == pytest.approx(0.5, abs=0.02)
            inside = (scores > low) & (scores < high)
            assert inside.sum() / np.isfinite(scores).sum() == pytest.approx(0.9, abs=0.01)
    unknown = [replace(one, scores=one.scores * np.nan) for one in told[:3]]
    place = {emotion: at for at, emotion in enumerate(corpus.emotions)}
    assert usual_scores(unknown, [0], place) == [[None] * 4]


def test_a_run_without_scores_says_so(folder: Path, corpus: Corpus) -> None:
    html = made_page(folder, corpus, "the run folder has no activations.npz")
    Page(html)
    assert "No stories to browse: the run folder has no activations.npz." in html
    assert "browser-data" not in html.replace('getElementById("browser-data")', "")


def test_layers_and_texts_are_kept_to_what_a_page_can_hold(corpus: Corpus) -> None:
    assert shown_layers((4, 9), 9) == [4, 9]
    many = shown_layers(tuple(range(40)), 27)
    assert len(many) <= MAX_LAYERS and {0, 27, 39} <= set(many)
    told = made_up_texts(corpus)
    long = [replace(one, text="x" * 60_000) if one.kind == "story" else one for one in told]
    kept = kept_texts(long)
    assert sum(len(one.text) for one in kept if one.kind == "story") <= MAX_TEXT
    assert [one for one in kept if one.kind != "story"] == told[100:]
    assert kept_texts(told) == told


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on this machine")
def test_a_browser_runs_the_page(folder: Path, tmp_path: Path) -> None:
    """The scripts run to their end: the browser is filled, tables can be sorted."""
    dom = rendered((folder / "report.html").as_uri(), tmp_path / "profile")
    assert re.search(r'id="browser"(?![^>]*hidden)', dom)
    assert re.search(r'id="b-count"[^>]*>\d+ texts; the right emotion', dom)
    assert re.search(r'id="b-scale"[^>]*>In this set, layer \d+: the right', dom)
    assert dom.count('class="bar"') == 20 and '<button type="button">value</button>' in dom
    assert "Theme: as the system" in dom


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on this machine")
def test_an_address_names_the_set_of_its_text(corpus: Corpus, folder: Path, tmp_path: Path) -> None:
    """A message is read twice under one id; its address says which reading to open."""
    told = [one for one in made_up_texts(corpus) if one.kind == "message"][:3]
    twice = [*told, *(replace(one, kind="message_last", scores=-one.scores) for one in told)]
    path = tmp_path / "report.html"
    path.write_text(made_page(folder, corpus, twice), encoding="utf-8")
    dom = rendered(f"{path.as_uri()}#text=message_last/{told[1].id}", tmp_path / "profile")
    detail = dom.split('id="b-detail"')[1]
    assert f"<h3>{told[1].emotion}: a message, at the last token</h3>" in detail
    assert detail.count('class="bar"') == 20 and told[1].id in detail
    assert "mean of all texts of this set" in dom.split('id="b-scoring"')[1].split("</p>")[0]
