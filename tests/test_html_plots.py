"""Plots and words of report.html: values under the pointer, legends, room, links to meanings."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from html_pages import Page
from run_folders import LAYERS, PRIMARY, reported_run

from evmlx.corpus import Corpus, load_corpus
from evmlx.report.html_glossary import explained, linked
from evmlx.report.html_planes import Plane
from evmlx.report.html_svg import ticks
from evmlx.report.run_results import read_results


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported_run(tmp_path_factory.getbasetemp())[0]


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


def test_every_plot_says_what_its_marks_are(html: str) -> None:
    figures = [part.split("</figure>")[0] for part in html.split("<figure")[1:]]

    def key(mark: str) -> str:
        found = [one for one in figures if mark in one]
        assert found, mark
        return " ".join(re.findall(r'<ul class="legend.*?</ul>', found[0], flags=re.DOTALL))

    assert "hollow: human ratings" in key('class="chart overlay"')
    over_layers = key("Probe accuracy, unseen topics, over the layers")
    assert "its control" in over_layers and "its 95% interval" in over_layers
    grown = key("score over the numbers of a text")
    assert "swatch solid" in grown and "way0" not in grown  # its lines have cluster colours
    ranks = key("Rank of the right emotion, situations")
    assert "hollow: word counts" in ranks and "chance" in ranks


def test_values_of_bars_keep_off_the_line_of_chance(html: str) -> None:
    panels = re.findall(r'<svg [^>]*aria-label="(?:right one|mean rank).*?</svg>', html, re.DOTALL)
    assert len(panels) == 3
    for drawn in panels:
        chance = float(re.findall(r'x1="([^"]*)"[^>]*class="chance"', drawn)[0])
        values = re.findall(r'<text x="([^"]*)"[^>]*class="cell-name">([^<]*)<', drawn)
        assert len(values) >= 3
        for x, text in values:
            assert not float(x) <= chance <= float(x) + 6 * len(text)


def test_a_figure_beside_its_control_has_numbers(html: str) -> None:
    table = html.split('id="headline-figures')[1].split("</section>")[0]
    drawn = re.findall(r'<svg [^>]*class="forest wide".*?</svg>', table)
    assert len(drawn) > 5
    for one in drawn:
        places = [float(x) for x in re.findall(r'<text x="([^"]*)"', one)]
        values = [
            float(v.replace("\N{MINUS SIGN}", "-")) for v in re.findall(r">([^<>]+)</text>", one)
        ]
        assert values and all(0 <= x <= 150 for x in places)
        if len(values) > 2:  # one scale
            assert np.allclose(
                np.diff(places) / np.diff(values),
                np.diff(places)[0] / np.diff(values)[0],
                rtol=1e-2,
            )


def test_the_axes_of_a_plane_have_enough_numbers() -> None:
    for spread in ((3.6, 3.6), (1.6, 1.9), (0.4, 0.1)):
        plane = Plane(np.array([[0.0, 0.0], spread]), (640.0, 640.0))
        for low, high in zip(plane.low, plane.high, strict=True):
            assert len(ticks(float(low), float(high), 7)) >= 3
        axes = plane.axes("x", "y")
        assert len(re.findall(r'text-anchor="middle" class="tick"', axes)) >= 3
        assert len(re.findall(r'text-anchor="end" class="tick"', axes)) >= 3


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.37, 0.66), (0.62, 0.84), (-3, 900), (5, 5)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in found)
    if high > low:
        steps = np.diff(found)
        assert 2 <= len(found) <= 11 and np.allclose(steps, steps[0])


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
    entry = "<li><strong>{}:</strong> a</li>".format
    given = f"<ul>{entry('Layer, block')}{entry('p')}{entry('Emotion vector')}</ul>"
    shown, words = explained(given)
    layer, vector = "word-layer-block", "word-emotion-vector"
    assert words == {"Layer": layer, "block": layer, "p": "word-p", "Emotion vector": vector}
    assert Page(shown).ids == [layer, "word-p", vector]
    text = (
        "<p>layers, multi-layer, a block, layer <code>p</code> at P, p and p &amp;p</p><h2>p</h2>"
    )
    text += '<ul class="legend"><li>emotion vector</li></ul><p>emotion vectors</p>'
    html = linked(text, words)
    assert re.findall(r'<a class="word" href="#([^"]*)">([^<]*)</a>', html) == [
        (layer, "block"),
        ("word-p", "p"),
        (vector, "emotion vectors"),
    ]
    assert re.sub(r"</?a[^>]*>", "", html) == text and "P, <a" in html
    assert linked(text, {}) == text
