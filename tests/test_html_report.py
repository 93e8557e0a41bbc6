"""report.html: well-formed, whole, without network; the browser's data are the scores."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from run_folders import LAYERS, PRIMARY, edit, made_up_texts, make_run, reported_run

from evmlx.corpus import Corpus, load_corpus
from evmlx.report.html_browser import (
    MAX_LAYERS,
    MAX_TEXT,
    UNIT,
    UNKNOWN,
    embedded_json,
    kept_texts,
    shown_layers,
    usual_scores,
)
from evmlx.report.html_glossary import explained, linked
from evmlx.report.html_page import report_page
from evmlx.report.html_svg import ticks
from evmlx.report.html_text import inline, to_html
from evmlx.report.metrics import LABELS, at_layer, metrics
from evmlx.report.run_results import read_results

VOID = {"meta", "input", "br", "link", "img", "hr", "path", "rect", "circle"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Page(HTMLParser):
    """What a page consists of; fails where a tag is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tips: list[str] = []
        self.headings: list[str] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in {tag}"
        if "id" in given:
            self.ids.append(str(given["id"]))
        self.links += [str(given[name]) for name in ("href", "src", "action") if name in given]
        if "data-tip" in given:
            self.tips.append(str(given["data-tip"]))
        if tag == "svg":
            assert given.get("aria-label") or given.get("aria-hidden") == "true"
        if tag in ("select", "input"):
            assert given.get("aria-label") or "label" in self.open
        if tag not in VOID or tag in ("path", "rect", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}>"

    def handle_data(self, data: str) -> None:
        where = self.open[-1] if self.open else ""
        if where == "script":
            self.scripts.append(data)
        elif where != "style":
            self.text.append(data)
        if where in ("h1", "h2", "h3"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported_run(tmp_path_factory.getbasetemp())[0]


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def made_page(folder: Path, corpus: Corpus, told: object = "none were made") -> str:
    names = {f"{kind}_layer_{PRIMARY}.png" for kind in ("circumplex", "cosine", "pca")}
    names |= {"confusion.png", "implicit.png", "intensity.png", "layers.png", "ranks.png"}
    return report_page(read_results(folder), metrics(folder), corpus, names, told)  # type: ignore


def test_the_page_stands_alone(html: str, page: Page) -> None:
    assert html.startswith("<!DOCTYPE html>") and '<html lang="en">' in html
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", html)
    assert "default-src 'none'" in html
    # the namespace of an SVG is not needed in HTML, so that there is no address at all
    assert not re.search(r"https?://", html.split('id="browser-data"')[0])


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.links) > 10


def test_page_and_markdown_say_the_same(folder: Path, page: Page) -> None:
    markdown = (folder / "REPORT.md").read_text(encoding="utf-8")
    headings = [line.lstrip("# ") for line in markdown.splitlines() if line.startswith("#")]
    assert set(headings) <= set(page.headings)
    text = re.sub(r"\s+", " ", "".join(page.text))
    for line in markdown.splitlines():
        if line.startswith(("|", "!", "#")) or "plots/" in line or not line:
            continue  # tables are compared below
        for part in re.split(r"\*\*|`|\*", line.strip().removeprefix("- ").removeprefix("> ")):
            sentence = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", part).strip()
            # the answer stands under its question there
            assert re.sub(r"\? (Yes|No|In part)\.$", "?", sentence) in text
    figures = set(re.findall(r"\d\.\d+", markdown))
    assert figures <= set(re.findall(r"\d\.\d+", " ".join(page.text)))
    assert not re.search(r"\bnan\b|\bNone\b|\*\*|\| ", text)


def test_every_headline_is_a_row(folder: Path, html: str) -> None:
    table = html.split('id="headline-figures')[1].split("</section>")[0]
    rows = at_layer(metrics(folder), PRIMARY)
    for name in rows:
        assert table.count(f'<th scope="row">{escape(LABELS[name][0])}</th>') == 1
    assert table.count("<tr>") == len(rows) + table.count("<table")
    for column in ("value", "95% interval", "control", "p", "n"):  # a narrow page has no head row
        told = table.count(f'data-label="{column}"')
        assert told == sum(row.value is not None for row in rows.values())


def test_heatmap_and_circumplex_tell_their_values(folder: Path, page: Page, corpus: Corpus) -> None:
    results = read_results(folder)
    matrix = results.layer("geometry", PRIMARY)["cosine"]["matrix"]
    names = list(corpus.emotions)
    for a, b in ((0, 1), (4, 17)):
        value = f"{matrix[a][b]:.3f}".replace("-", "\N{MINUS SIGN}")
        assert f"{names[a]} and {names[b]}\ncosine {value}" in page.tips
    fit = results.layer("circumplex", PRIMARY)["procrustes"]
    told = [tip for tip in page.tips if "distance" in tip and tip.startswith("furious ")]
    assert len(told) == len(LAYERS)
    x, y = fit["human"][names.index("furious")]
    said = f"human: valence {x:+.2f}, arousal {y:+.2f}".replace("-", "\N{MINUS SIGN}")
    assert any(said in tip for tip in told)


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


def test_the_same_run_gives_the_same_bytes(folder: Path, corpus: Corpus) -> None:
    told = made_up_texts(corpus)[:5]
    assert made_page(folder, corpus, told) == made_page(folder, corpus, told)


def test_names_and_texts_cannot_become_markup(tmp_path: Path, corpus: Corpus) -> None:
    folder = make_run(tmp_path / "run", corpus)
    evil = '</script><script>alert("1")</script>&'
    for path in (("model", "name"), ("model", "reference"), ("command",), ("corpus", "name")):
        edit(folder, "run.json", *path, value=evil)
    axis = {"r": None, "reason": "<b>why</b>"}
    here = ("layers", f"layer_{PRIMARY}", "norm_axis", "valence")
    edit(folder, "arousal_results.json", *here, value=axis)
    told = [replace(one, text=evil, id=evil) for one in made_up_texts(corpus)[:2]]
    html = made_page(folder, corpus, told)
    page = Page(html)  # every script that is open is closed
    assert html.count("<script") == 2 and "<b>why" not in html
    assert evil in "".join(page.text)
    data = json.loads(next(s for s in page.scripts if s.startswith('{"emotions"')))
    assert data["texts"][0][6] == evil


def test_a_run_without_scores_says_so(folder: Path, corpus: Corpus) -> None:
    html = made_page(folder, corpus, "the run folder has no activations.npz")
    Page(html)
    assert "No stories to browse: the run folder has no activations.npz." in html
    assert "browser-data" not in html.replace('getElementById("browser-data")', "")


def test_a_run_of_an_older_evmlx_still_makes_a_page(tmp_path: Path, corpus: Corpus) -> None:
    folder = make_run(tmp_path / "run", corpus)
    for layer in LAYERS:
        here = ("layers", f"layer_{layer}")
        for key in ("procrustes", "norm_axis"):
            edit(folder, "arousal_results.json", *here, key, value=None)
    (folder / "intensity_results.json").unlink()
    (folder / "probe_results.json").unlink()
    page = Page(made_page(folder, corpus))
    assert "Human valence and arousal" in page.headings and "Not run yet:" in page.text
    assert not re.search(r"\bnan\b|\bNone\b", " ".join(page.text))


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


def test_words_are_linked_to_what_they_mean(html: str, page: Page) -> None:
    found = re.findall(r'<a class="word" href="#(word-[^"]*)">([^<]*)</a>', html)
    entries = dict(re.findall(r'<li id="(word-[^"]*)"><strong>([^<]*):</strong>', html))
    assert len(entries) > 5 and {name for name, _ in found} <= set(entries) <= set(page.ids)
    for name, word in found:
        heads = [head.strip().lower() for head in entries[name].split(",")]
        assert word.lower() in heads or word.lower().removesuffix("s") in heads
    for section in html.split("<section")[1:]:  # once a section, not in tables, plots and texts
        names = re.findall(r'class="word" href="#([^"]*)"', section)
        assert len(names) == len(set(names))
        outside = r"<(table|svg|code|script)\b.*?</\1>"
        for closed in re.finditer(outside, section, flags=re.DOTALL):
            assert 'class="word"' not in closed[0]


def test_a_word_is_linked_once_and_only_by_itself() -> None:
    given = "<ul><li><strong>Layer, block:</strong> a</li><li><strong>p:</strong> b</li></ul>"
    shown, words = explained(given)
    assert words == {"Layer": "word-layer-block", "block": "word-layer-block", "p": "word-p"}
    assert Page(shown).ids == ["word-layer-block", "word-p"]
    text = "<p>layers, a block, multi-layer <code>p</code> at P, p and p &amp;p</p><h2>p</h2>"
    html = linked(text, words)
    assert re.findall(r'<a class="word" href="#([^"]*)">([^<]*)</a>', html) == [
        ("word-layer-block", "layers"),
        ("word-p", "p"),
    ]
    assert re.sub(r"</?a[^>]*>", "", html) == text and "P, <a" in html
    assert linked(text, {}) == text


def test_markdown_of_a_section() -> None:
    lines = [
        "## A *b* | c",
        "",
        "One",
        "two `x<y`.",
        "- a",
        "  - deep \\*",
        "- **b** [run](r.json)",
    ]
    lines = [*lines[:4], "", *lines[4:], "", "| h | v |", "| --- | ---: |", "| a\\|b | 1 [0, 2] |"]
    html = to_html(lines, lambda *_: "")
    assert "<h2" in html and "<p>One two <code>x&lt;y</code>.</p>" in html
    assert "<ul><li>a<ul><li>deep *</li></ul></li><li><strong>b</strong> " in html
    assert '<th scope="row">a|b</th><td>1<small class="range">[0, 2]</small></td>' in html
    Page(html)
    drawn = to_html(
        ["![alt](plots/x.png)", "", "*How to read it*", "", "After."], "{0}{1}{2}".format
    )
    assert drawn == "x.pngaltHow to read it\n<p>After.</p>"
    assert inline("a \\<b\\> & c") == "a &lt;b&gt; &amp; c"
    assert "</" not in embedded_json({"a": "</script><!--"})


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.37, 0.66), (0.62, 0.84), (-3, 900), (5, 5)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in found)
    if high > low:
        steps = np.diff(found)
        assert 2 <= len(found) <= 11 and np.allclose(steps, steps[0])


def rendered(address: str, profile: Path) -> str:
    """What a browser makes of a page, its scripts run."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={profile}", "--dump-dom", address,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


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
