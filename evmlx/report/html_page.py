"""`report.html`: the report as one file that needs no network and no other file.

The sections are those of `REPORT.md`, put into HTML by `evmlx.report.html_text`, with plots drawn
as SVG in the page's own colours. What a script adds (values under the pointer, sorting, themes, the
story browser) is in ``html_assets``; without it the page still says everything but the stories.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from evmlx.plots.planes import rated
from evmlx.plots.style import Look, looks
from evmlx.report.claim import AS_WORDS, NO, PARTLY, YES
from evmlx.report.html_browser import browser_data, browser_section, kept_texts, shown_layers
from evmlx.report.html_curves import intensity_panels, layer_curves, rank_bars
from evmlx.report.html_glossary import explained, linked
from evmlx.report.html_headlines import headline_section
from evmlx.report.html_matrices import confusions, heatmap
from evmlx.report.html_planes import overlay, principal_plane
from evmlx.report.html_ranks import rank_dots
from evmlx.report.html_svg import tag
from evmlx.report.html_text import inline, slug, to_html
from evmlx.report.metrics import MetricRow, at_layer
from evmlx.report.record import depth, subject, trial_warning, weights_of
from evmlx.report.run_results import RunResults, get
from evmlx.report.sections import claims, not_run, report_sections

if TYPE_CHECKING:
    from evmlx.corpus import Corpus
    from evmlx.report.story_scores import Told

ASSETS = Path(__file__).parent / "html_assets"
_CLASSES = {YES: "yes", PARTLY: "partly", AS_WORDS: "no", NO: "no"}
_LAYERED = re.compile(r"(circumplex|cosine|pca)_layer_\d+\.png")


def report_page(
    results: RunResults,
    rows: list[MetricRow],
    corpus: Corpus,
    plots: set[str],
    told: Sequence[Told] | str,
) -> str:
    """Compose ``report.html``.

    Parameters
    ----------
    results : RunResults
        The run.
    rows : list of MetricRow
        Its metrics.
    corpus : Corpus
        Its corpus.
    plots : set of str
        Names of the plots that exist.
    told : sequence of Told, or str
        Scored texts for the story browser, or why there are none.

    Returns
    -------
    str
        HTML; equal input gives equal bytes.
    """
    drawn = Drawings(results, rows, corpus)
    sections = []
    for lines in report_sections(results, rows, corpus, plots, other_plots=False):
        name = slug(lines[0].lstrip("# "))
        if name.startswith("headline-figures"):
            inner = headline_section(lines, at_layer(rows, results.primary))
        else:
            inner = to_html(lines, drawn.figure)
        sections.append((name, lines[0].lstrip("# "), inner))
    sections.insert(-3, ("story-browser", "Story browser", _browser(results, corpus, told, drawn)))
    glossary, words = explained(sections[-1][2])
    inners = [*(linked(inner, words) for _, _, inner in sections[:-1]), glossary]
    body = "\n".join(
        f'<section aria-labelledby="{name}">\n{inner}\n</section>'
        for (name, _, _), inner in zip(sections, inners, strict=True)
    )
    links = "".join(
        f'<li><a href="#{name}">{inline(heading)}</a></li>' for name, heading, _ in sections
    )
    return _document(results, linked(_verdict(results, rows), words), links, body)


def _document(results: RunResults, verdict: str, links: str, body: str) -> str:
    title = escape(f"Emotion vectors in {results.run['model']['name']}")
    style, script = (
        "\n".join((ASSETS / name).read_text(encoding="utf-8").strip() for name in names)
        for names in (("report.css",), ("report.js", "browser.js"))
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<a class="skip" href="#main">To the report</a>
<header>
<div class="top"><p class="made">evmlx report</p>
<button type="button" id="theme" hidden>Theme: as the system</button></div>
<h1>{title}</h1>
{verdict}
<nav aria-label="Sections"><ol>{links}</ol></nav>
</header>
<main id="main">
{body}
</main>
<div id="tooltip" role="status" aria-live="polite" hidden></div>
<script>
{script}
</script>
</body>
</html>
"""


def _verdict(results: RunResults, rows: list[MetricRow]) -> str:
    """Say what was measured, and give an answer to each question."""
    run = results.run
    chips = [
        ("weights", weights_of(run).replace(" weights", "", 1)),
        ("engine", f"{run.get('backend')}, {run.get('device')}"),
        ("layer", depth(results)),
        ("corpus", f"{get(run, 'corpus', 'name')} {get(run, 'corpus', 'version') or ''}".strip()),
    ]
    listed = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in chips
    )
    cards = "".join(
        f'<article class="claim {_CLASSES.get(c.answer, "unknown")}"><h2>{inline(c.question)}</h2>'
        f'<p class="answer">{escape(c.answer)}</p><p>{inline(c.text)}</p></article>'
        for c in claims(results, rows)
    )
    missing = "".join(f'<p class="notice">{inline(line)}</p>' for line in not_run(results))
    trial = to_html(trial_warning(results), lambda *_: "")
    return (
        f'<p class="lead">An emotion vector is the direction in which a model\'s inner state '
        f"differs between stories of one emotion and stories of all. This page says what these "
        f"vectors represent, how sure that is, and how much of it the words of the stories give "
        f'away without any model.</p>\n<dl class="chips">{listed}</dl>\n{trial}'
        f"<p><strong>What was measured.</strong> {inline(subject(results))}</p>\n"
        f'<div class="claims" role="group" aria-label="Verdict">{cards}</div>\n{missing}'
    )


def _browser(
    results: RunResults, corpus: Corpus, told: Sequence[Told] | str, drawn: Drawings
) -> str:
    if isinstance(told, str):
        return browser_section(None, told or "the scores were not computed", 0)
    kept = kept_texts(told)
    data = browser_data(kept, results, corpus, drawn.shown)
    return browser_section(data, "", len(told) - len(kept))


class Drawings:
    """Draws the figure that stands in the page for a plot of `REPORT.md`.

    Parameters
    ----------
    results : RunResults
        The run.
    rows : list of MetricRow
        Its metrics.
    corpus : Corpus
        Its clusters give colours and markers.
    """

    def __init__(self, results: RunResults, rows: list[MetricRow], corpus: Corpus) -> None:
        self.results = results
        self.rows = rows
        self.corpus = corpus
        self.shown: dict[str, Look] = looks(corpus.emotions, corpus.clusters)

    def figure(self, name: str, alt: str, caption: str) -> str:
        """Figure with its caption; where layers differ, one drawing a layer and a choice."""
        layered = _LAYERED.fullmatch(name)
        if layered:
            draw = {"circumplex": self._circumplex, "cosine": self._cosine, "pca": self._pca}
            inner = self._by_layer(alt, draw[layered[1]])
        else:
            inner = self._single(name)
        return (
            f'<figure aria-label="{escape(alt, quote=True)}">{inner}'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def _single(self, name: str) -> str:
        results = self.results
        if name == "confusion.png":
            found = get(results.layer("probe", results.primary), "confusion")
            emotions = results.stages["probe"].get("emotions") or self.corpus.emotions
            return _wide(confusions(found, emotions, self.shown, results.primary))
        if name == "implicit.png":
            return rank_bars(results)
        if name == "ranks.png":
            return rank_dots(results, self.shown)
        if name == "intensity.png":
            return intensity_panels(results.layer("intensity", results.primary), self.shown)
        return layer_curves(results, self.rows)

    def _by_layer(self, alt: str, draw: Callable[[int], str]) -> str:
        results = self.results
        drawn = {n: draw(n) for n in shown_layers(results.layers, results.primary)}
        drawn = {layer: inner for layer, inner in drawn.items() if inner}
        views = "".join(
            f'<div class="view" data-layer="{layer}"'
            f"{'' if layer == results.primary else ' hidden'}>{_wide(inner)}</div>"
            for layer, inner in drawn.items()
        )
        if len(drawn) < 2:
            return views
        options = "".join(
            f"<option{' selected' if layer == results.primary else ''}>{layer}</option>"
            for layer in drawn
        )
        name = escape(f"Layer of: {alt}", quote=True)
        return (
            f'<label class="pick" hidden>Layer <select aria-label="{name}">{options}</select>'
            f"</label>{views}"
        )

    def _circumplex(self, layer: int) -> str:
        found = self.results.layer("circumplex", layer)
        if get(found, "procrustes", "model"):
            return overlay(found["procrustes"], self.shown, layer)
        norms = get(self.results.stages.get("circumplex"), "norms")
        if not any(get(found, "coordinates") or ()) or not rated(norms).any():
            return ""
        names = found.get("emotions") or norms["words"]
        return principal_plane(found["coordinates"], names, [], self.shown, layer, norms)

    def _cosine(self, layer: int) -> str:
        found = get(self.results.layer("geometry", layer), "cosine")
        return heatmap(found, self.shown, layer) if len(get(found, "matrix") or ()) > 1 else ""

    def _pca(self, layer: int) -> str:
        pca = get(self.results.layer("geometry", layer), "pca")
        if not any(get(pca, "coordinates") or ()):
            return ""
        shares = pca.get("explained_variance") or []
        norms = get(self.results.stages.get("circumplex"), "norms")
        return principal_plane(
            pca["coordinates"], pca["emotions"], shares, self.shown, layer, norms
        )


def _wide(inner: str) -> str:
    return tag("div", inner, class_="scroll plot")
