"""Sections of the report on what was run: subject, published protocol, limits, record."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from evmlx.report.format import ABSENT, code, interval, literal, plain, table
from evmlx.report.run_results import RunResults, get, number, reason
from evmlx.report.texts import BATTERIES, SCORE_HEAD, score_cells

if TYPE_CHECKING:
    from evmlx.corpus import Corpus

SHIPPED = "evmlx-corpus"
PUBLISHED = "https://github.com/mufxio/emotion-vector-bench"


def subject(results: RunResults) -> str:
    """Say what was measured, on what, with which engine and precision, at which layer."""
    run, model = results.run, results.run["model"]
    emotions = get(results.stages.get("probe"), "n_emotions")
    told = f" of {emotions} emotions" if emotions else ""
    return (
        f"{code(model.get('reference') or model['name'])} ({weights_of(run)}) on the "
        f"{run.get('backend')} engine, {run.get('device')}. "
        f"{_whole(get(run, 'corpus', 'stories'))} stories{told}; figures below are those of block "
        f"{depth(results)}, unless another is named: the primary layer, which was fixed "
        "beforehand at two thirds of the depth."
    )


def depth(results: RunResults) -> str:
    """Number of the primary layer, from 0, and which of the blocks that is."""
    blocks = results.run["model"].get("layers")
    which = f", the {_ordinal(results.primary + 1)} of {blocks}" if blocks else ""
    return f"{results.primary}{which}"


def _ordinal(number: int) -> str:
    """Return a number as 1st, 2nd, 3rd, 4th."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def trial_warning(results: RunResults) -> list[str]:
    """Warn where the run was made on a part of its corpus."""
    if not get(results.run, "corpus", "limit"):
        return []
    return [
        f"> A trial on {_whole(get(results.run, 'corpus', 'stories'))} stories (`--limit`): good "
        "for seeing that everything works, too few for conclusions.",
        "",
    ]


def published_section(results: RunResults) -> list[str]:
    """Figures by the published protocol, apart from those that evmlx stands for."""
    lines = []
    found = results.layer("probe", results.primary)
    body = [
        [
            str(layer),
            plain(number(results.layer("probe", layer), "published", "accuracy"), 3),
            _bounds(results.layer("probe", layer)),
            *_separations(results.layer("circumplex", layer)),
        ]
        for layer in results.layers
    ]
    if found or results.layer("circumplex", results.primary):
        head = ["layer", "probe, stratified folds", "95% interval"]
        head += ["valence separation, raw units", "arousal separation, raw units"]
        lines += table(head, body)
        if why := reason(get(found, "published")):
            known = math.isfinite(number(found, "published", "accuracy"))
            lines += ["", f"Probe without {'an interval' if known else 'figures'}: {why}."]
    scores = [
        [label, str(get(battery, "n")), *score_cells(get(battery, "published"))]
        for key, label in BATTERIES.items()
        if (battery := results.layer("implicit", results.primary).get(key)) is not None
        and math.isfinite(number(battery, "published", "top1"))
    ]
    if scores:
        lines += ["", *table(["battery (not centred)", *SCORE_HEAD], scores)]
    if not lines:
        return []
    return [
        "## By the published protocol",
        "",
        f"For comparison with [emotion-vector-bench]({PUBLISHED}) only. Separations are in raw "
        "activation units, on the component that separates most: not comparable across models or "
        "layers. Stratified folds let stories of one topic into training and test, which can "
        "flatter a probe. Without centring, the part that all texts share decides: look at the "
        "hub, the emotion that stands among the first three of nearly every text.",
        "",
        *lines,
    ]


def limits_section(results: RunResults, corpus: Corpus) -> list[str]:
    """Tell what the figures cannot say."""
    lines = [
        "## Limits",
        "",
        "- The figures say what can be read off the residuals, not that the model uses it, and "
        "nothing about whether a model feels.",
        "- Intervals are over topics, texts or templates of this corpus; those of r with human "
        "ratings are over emotions, those of the fitted plane and of RSA over topics alone, which "
        "makes them narrow. Another corpus, by other writers, would differ by more.",
        "- Figures are many and each p is for itself; a small one among many is no finding. The "
        "four questions at the top were fixed beforehand.",
        "- Only figures on the same corpus digest can be compared between models.",
    ]
    if corpus.name == SHIPPED:
        lines.append("- The texts are English and were written by a language model.")
    positive, count = len(corpus.valence.get("positive", ())), len(corpus.emotions)
    if 0 < positive <= 5:
        lines.append(
            f"- {positive} of {count} emotions are positive, so that valence rests on few points."
        )
    norms = corpus.norms
    if norms is not None and not all(norms.exact):
        names = [w for w, same in zip(norms.words, norms.exact, strict=True) if not same]
        lines.append(f"- Ratings are those of a neighbouring word for {', '.join(names)}.")
    lacks = get(results.run, "corpus", "lacks")
    if lacks:
        lines += ["- Of this corpus:", *(f"  - {literal(lack).rstrip('.')}." for lack in lacks)]
    return lines


def words_section() -> list[str]:
    """Explain the words that a reader from outside the field will not know."""
    words = {
        "Layer, block": "one step of the model's computation; its residuals are the model's inner "
        "state after that step, a list of numbers per token, averaged here over a text's tokens "
        "(how: Pooling, above).",
        "Primary layer": "the one that headline figures are of, fixed before the run.",
        "Topic, scene": "what a story is about, and one event of it; each scene is told once for "
        "every emotion, by the same person at the same place.",
        "Emotion vector": "mean state over the stories of an emotion, minus the mean over all "
        "emotions; what neutral dialogues vary in has been taken out.",
        "Cosine": "likeness of two directions: 1 the same, 0 unrelated, −1 opposite.",
        "Probe": "a linear classifier trained to name the emotion of a story from the state; "
        "tested on topics that it was not trained on, unless a row says otherwise.",
        "TF-IDF": "weighted counts of words and word pairs, without any model: what a bag of words "
        "can do. It goes through what the residuals go through: beside a probe it is a classifier "
        "of the same kind, beside vectors the means of the stories' counts.",
        "Gain": "the figure less its control's, paired over the same topics or texts.",
        "Control": "what the figure would be without what it claims to show.",
        "95% interval": "range of values that the data allow.",
        "p": "how often chance would do as well, by random rearrangement or, for a gain in new "
        "texts, an exact test (McNemar's); small: not chance, whichever way the figure points.",
        "Macro AUC": "how often a text of an emotion scores higher for it than a text of another "
        "emotion does, mean over emotions; 0.5 by chance.",
        "Valence, arousal, dominance": "how pleasant, how stirred and how in control people find "
        "a word's feeling, as mean ratings.",
        "RSA": "rank correlation of two tables of likeness between the same emotions.",
        "Reliability, ceiling": "how well the cosines repeat with other topics, and the highest "
        "correlation that this allows.",
        "PC": "principal component: a main direction in which the emotion vectors differ.",
        "rho": "rank correlation.",
    }
    return ["## Words used here", "", *(f"- **{word}:** {text}" for word, text in words.items())]


def record_section(results: RunResults) -> list[str]:
    """How the run was made, so that it can be made again."""
    run, model, corpus = results.run, results.run["model"], results.run["corpus"]
    versions = ", ".join(f"{name} {v}" for name, v in (run.get("versions") or {}).items())
    width = f", {model['hidden_size']} wide" if model.get("hidden_size") else ""
    texts = ", ".join(
        f"{_whole(corpus[kind])} {kind}"
        for kind in ("stories", "dialogues", "passages", "scenarios")
        if corpus.get(kind) is not None
    )
    rows = {
        "Command": _code(run.get("command")),
        "Model": f"{literal(model['name'])}, {model.get('architecture')}, "
        f"{_whole(model.get('layers'))} blocks{width}",
        "Source": f"{model.get('source')}: {_code(model.get('reference'))}",
        "Revision": _code(model.get("revision")),
        "Licence": literal(model.get("license") or "not stated"),
        "Weights": weights_of(run),
        "Engine": f"{run.get('backend')} on {run.get('device')}",
        "Versions": versions or ABSENT,
        "Layers": f"{', '.join(map(str, results.layers))}; primary {results.primary}",
        "Pooling": run.get("pooling"),
        "Chat template": "around messages" if run.get("chat_template") else None,
        "Corpus": literal(f"{corpus.get('name')} {corpus.get('version') or ''}") + f": {texts}",
        "Corpus digest": _code(corpus.get("digest")),
        "Tokens": _whole(run.get("tokens")),
        "Seed": run.get("seed"),
    }
    body = [[name, str(value)] for name, value in rows.items() if value is not None]
    lines = ["| | |", "| --- | --- |"] + [f"| {' | '.join(cells)} |" for cells in body]
    # Times stand in run.json alone: a report has the same bytes each time it is made.
    beside = (
        "The command gives these figures again with the same versions, corpus and seed. Times and "
        "peak memory: [run.json](run.json). Every plot lies in `plots/`, as PNG and SVG. Dialogues "
        "give the neutral components; passages are a second null, which no figure here uses."
    )
    return ["## How it was run", "", *lines, "", beside]


def weights_of(run: Any) -> str:
    """Precision of the weights and of the computation."""
    model = run["model"]
    dtype = run.get("dtype") or model.get("dtype") or "unknown precision"
    kind = run.get("quantize") or model.get("quantization")
    return f"{kind} weights, computed in {dtype}" if kind else f"{dtype}, not quantized"


def _bounds(found: Any) -> str:
    return interval(number(found, "published", "low"), number(found, "published", "high"), 3)


def _separations(found: Any) -> list[str]:
    cells = []
    for norm in ("valence", "arousal"):
        value = number(found, "published_protocol", f"{norm}_separation")
        pc = get(found, "published_protocol", f"best_{norm}_pc")
        cells.append(f"{plain(value)} (PC{pc})" if math.isfinite(value) and pc else ABSENT)
    return cells


def _code(value: Any) -> str:
    return code(value) if value else ABSENT


def _whole(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value or ABSENT)
