"""The story browser of the report: its data, and the controls that a script brings to life.

Scores travel as 16-bit whole numbers, ten thousandths of a cosine, in base64; texts as JSON. How
long a bar may get, and what is a usual score, goes by all texts of a set and layer, never by the
text at hand, so that bars of different texts can be compared.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from evmlx.implicit import HEADLINE
from evmlx.plots.style import Look
from evmlx.report.html_svg import colour_class
from evmlx.report.run_results import RunResults, get

if TYPE_CHECKING:
    from evmlx.corpus import Corpus
    from evmlx.report.story_scores import Told

MAX_TEXT = 2_400_000  # characters of text, so that a page stays below five megabytes
MAX_LAYERS = 8
UNIT, UNKNOWN = 10_000, -32_768
KINDS = {
    "story": "stories of the corpus",
    "situation": "situations",
    "message": "messages",
    "message_last": "messages, at the last token",
}
UNTRAINED = (
    "Scores are cosines with the emotion vectors, nothing trained: the nearest-vector method"
)
HELD_OUT = (
    UNTRAINED
    + ", not the probe. Vectors, and the mean that is taken out, come from the stories of "
    "all topics but the story's own; the nearest vector in the tables leaves out a fifth of the "
    "topics at a time, so that its share differs a little."
)
NEW_TEXTS = {  # by the headline's way of scoring
    "centred": UNTRAINED + ". The mean of the corpus's stories is taken out of each text first.",
    "own_centred": UNTRAINED + ". The mean of all texts of this set is taken out of each first, "
    "not that of the stories, as for the figure in the tables.",
}


def shown_layers(layers: Sequence[int], primary: int) -> list[int]:
    """At most `MAX_LAYERS` of the sampled layers, spread evenly, the primary one among them."""
    if len(layers) <= MAX_LAYERS:
        return list(layers)
    picked = {layers[round(i)] for i in np.linspace(0, len(layers) - 1, MAX_LAYERS - 1)}
    return sorted(picked | {primary})


def kept_texts(told: Sequence[Told]) -> list[Told]:
    """Every text where they fit into a page; of too many stories, one in so many."""
    stories = [one for one in told if one.kind == "story"]
    size = sum(len(one.text) for one in stories)
    step = max(1, -(-size // MAX_TEXT))
    return [*stories[::step], *(one for one in told if one.kind != "story")]


def browser_data(
    told: Sequence[Told], results: RunResults, corpus: Corpus, shown: dict[str, Look]
) -> dict[str, Any]:
    """Collect what the browser's script reads.

    Parameters
    ----------
    told : sequence of Told
        Texts and scores, at the run's layers.
    results : RunResults
        The run.
    corpus : Corpus
        Its corpus.
    shown : dict of str to Look
        Colours.

    Returns
    -------
    dict
        ``scores`` is base64 of int16, little end first, (texts, layers, emotions); ``scales``
        has, per set and layer, what `usual_scores` gives.
    """
    layers = shown_layers(results.layers, results.primary)
    columns = [results.layers.index(layer) for layer in layers]
    emotions = list(corpus.emotions)
    place = {emotion: at for at, emotion in enumerate(emotions)}
    topics = list(dict.fromkeys(one.topic for one in told if one.topic is not None))
    scenes = list(dict.fromkeys(one.scene for one in told if one.scene is not None))
    scores = np.array([one.scores[columns] for one in told], np.float64)
    whole = np.where(np.isfinite(scores), np.round(scores * UNIT), UNKNOWN).astype("<i2")
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in told)]
    return {
        "emotions": emotions,
        "colours": [colour_class(shown[e]) for e in emotions],
        "clusters": [shown[e].cluster for e in emotions],
        "layers": layers,
        "primary": layers.index(results.primary),
        "kinds": [[kind, KINDS[kind], _scoring(kind)] for kind in kinds],
        "scales": [
            usual_scores([one for one in told if one.kind == kind], columns, place)
            for kind in kinds
        ],
        "topics": topics,
        "cosines": [_rounded(results, layer) for layer in layers],
        "texts": [
            [
                kinds.index(one.kind),
                one.id,
                place[one.emotion],
                -1 if one.topic is None else topics.index(one.topic),
                -1 if one.scene is None else scenes.index(one.scene),
                [place[e] for e in one.near if e in place],
                one.text,
            ]
            for one in told
        ],
        "scores": base64.b64encode(whole.tobytes()).decode(),
    }


def _scoring(kind: str) -> str:
    return HELD_OUT if kind == "story" else NEW_TEXTS[HEADLINE[kind]]


def usual_scores(
    told: Sequence[Told], columns: Sequence[int], place: Mapping[str, int]
) -> list[list[float | None]]:
    """Say what scores of a set are like.

    Parameters
    ----------
    told : sequence of Told
        Texts of one set.
    columns : sequence of int
        Places of the layers in their scores.
    place : mapping of str to int
        Place of each emotion in them.

    Returns
    -------
    list of list
        Per layer: the largest size of any score, the median score of the right emotion, and
        between which two the middle 90% of all scores lie; None where there is no score.
    """
    scores = np.array([one.scores[columns] for one in told], np.float64)
    right = np.array([place[one.emotion] for one in told])
    found: list[list[float | None]] = []
    for at in range(len(columns)):
        every = scores[:, at][np.isfinite(scores[:, at])]
        own = scores[np.arange(len(told)), at, right]
        own = own[np.isfinite(own)]
        told_apart: list[float | None] = [None] * 4
        if len(every) and len(own):
            ends = (np.abs(every).max(), np.median(own), *np.quantile(every, [0.05, 0.95]))
            told_apart = [round(float(v), 4) for v in ends]
        found.append(told_apart)
    return found


def _rounded(results: RunResults, layer: int) -> list[list[float | None]] | None:
    matrix = get(results.layer("geometry", layer), "cosine", "matrix")
    if not matrix:
        return None
    return [[None if v is None else round(float(v), 3) for v in row] for row in matrix]


def embedded_json(value: Any) -> str:
    """JSON that can stand in a script element: no character in it ends one or starts a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def browser_section(data: dict[str, Any] | None, why: str, left_out: int) -> str:
    """Controls of the browser, or why there is none."""
    head = '<h2 id="story-browser">Story browser</h2>'
    if data is None:
        return f'{head}<p class="notice">No stories to browse: {escape(why)}.</p>'
    emotions = "".join(
        f'<option value="{at}">{escape(name)}</option>' for at, name in enumerate(data["emotions"])
    )
    kinds = "".join(
        f'<option value="{at}">{escape(label)}</option>'
        for at, (_, label, _) in enumerate(data["kinds"])
    )
    layers = "".join(
        f'<option value="{at}"{" selected" if at == data["primary"] else ""}>{layer}</option>'
        for at, layer in enumerate(data["layers"])
    )
    less = (
        f" One in so many is shown: {left_out:,} more stories would make the page too large."
        if left_out
        else ""
    )
    return f"""{head}
<p>Pick an emotion to see how its texts score on average, or a text to see its own scores. Under a
story stands the same scene, told for another emotion: the event stays, the feeling and its wording
change. A score is the cosine of the text with an emotion vector, after what the texts share (their
mean; the line below says of which texts) has been taken out.{less}</p>
<noscript><p class="notice">The story browser needs JavaScript. Everything else is on the page
without it.</p></noscript>
<div class="browser" id="browser" hidden>
<div class="controls">
<label>Texts <select id="b-kind">{kinds}</select></label>
<label>Emotion <select id="b-emotion"><option value="-1">all</option>{emotions}</select></label>
<label>Layer <select id="b-layer">{layers}</select></label>
<label>Order <select id="b-order"><option value="corpus">as in the corpus</option>
<option value="best">right emotion ranked best</option>
<option value="worst">right emotion ranked worst</option></select></label>
<label>Words <input type="search" id="b-search" placeholder="in the text"></label>
</div>
<p id="b-count" class="count" aria-live="polite"></p>
<p id="b-scoring" class="count"></p>
<p id="b-scale" class="count"></p>
<div class="panes">
<ol id="b-list" class="texts" aria-label="Texts"></ol>
<div id="b-detail" class="detail" aria-live="polite" tabindex="-1"></div>
</div>
</div>
<script type="application/json" id="browser-data">{embedded_json(data)}</script>"""
