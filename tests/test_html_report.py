"""report.html: well-formed, whole, without network; it says what REPORT.md says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from html_pages import Page, made_page
from run_folders import LAYERS, PRIMARY, edit, made_up_texts, make_run, reported_run

from evmlx.corpus import Corpus, load_corpus
from evmlx.report.html_browser import (
    embedded_json,
)
from evmlx.report.html_text import inline, to_html
from evmlx.report.metrics import LABELS, at_layer, metrics


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
            assert re.sub(r"\? (Yes|No more than words|No|In part)\.$", "?", sentence) in text
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
