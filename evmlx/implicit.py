"""Implicit emotion: whether emotion vectors find the emotion of texts that do not name it.

Nothing is trained here. Knows nothing about how the texts were read or the vectors made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.implicit_scores import Score, accepted_emotions, ranks, resampling, score, standardised
from evmlx.implicit_words import GainOverWords, WordsBattery, gain_over_words, words_battery
from evmlx.store import Activations
from evmlx.text_scores import alike, centred, cosines, directions
from evmlx.vectors import EmotionVectors

if TYPE_CHECKING:
    from evmlx.corpus import Corpus, Scenario

HEADLINE = {"situation": "centred", "message": "centred", "message_last": "own_centred"}
"""The scoring to quote, fixed by how a battery is read and not by what it gives.

Mean-pooled texts are read as the stories were, so the stories' mean is what they share with
them. One token at the end of a prompt is at another place than any story: what it shares with the
other prompts is its position, which the battery's own mean holds.
"""


@dataclass(frozen=True)
class RankedScenario:
    """One text: rank of its target, and the five highest scores, in the headline scoring."""

    id: str
    target: str
    rank: int
    top5: tuple[str, ...]
    top5_scores: tuple[float, ...]


@dataclass(frozen=True)
class Battery:
    """Texts of one kind, scored in four ways (see `implicit`); None where one cannot be had.

    Attributes
    ----------
    n : int
        Texts.
    centred, z_scored, own_centred, published : Score or None
        One for each scoring.
    headline : str
        Which of them is the one to quote.
    scenarios : tuple of RankedScenario
        Each text in the headline scoring; empty where that cannot be had.
    reason : str or None
        Why a scoring is None.
    gain_over_words : GainOverWords or None
        The right emotion first, in the headline scoring, less the same by words alone.
    """

    n: int
    centred: Score | None
    z_scored: Score | None
    own_centred: Score | None
    published: Score | None
    headline: str
    scenarios: tuple[RankedScenario, ...]
    reason: str | None
    gain_over_words: GainOverWords | None = None


@dataclass(frozen=True)
class Implicit:
    """What `implicit_emotion_results.json` holds, less the names of the run.

    `text_control` has, per battery, what the words of the stories alone make of its texts.
    """

    primary_layer: int
    layers: Mapping[str, Mapping[str, Battery]]
    reason: str | None
    text_control: Mapping[str, WordsBattery]


@dataclass(frozen=True)
class _Scores:
    """Scores of the texts of a battery, each (texts, emotions); None where one text is alone."""

    centred: np.ndarray
    z_scored: np.ndarray | None
    own_centred: np.ndarray | None
    published: np.ndarray


def implicit(
    scenarios: Activations | None,
    scenarios_last: Activations | None,
    vectors: EmotionVectors,
    corpus: Corpus,
    *,
    primary_layer: int,
    seed: int,
) -> Implicit:
    """Score texts that imply an emotion against every emotion vector.

    ``centred``: the pooled residual minus the stories' mean, neutral components projected out,
    cosine with each denoised vector. ``own_centred``: the same with the mean of the battery's
    own texts. ``z_scored``: the centred scores, each vector's standardised over the battery.
    ``published``: cosine of the residual as it is, the protocol of emotion-vector-bench; there
    the direction that all residuals share decides. Beside all of them stands what the same
    construction gives on TF-IDF of the words (see `evmlx.implicit_words`).

    Parameters
    ----------
    scenarios : Activations or None
        Both batteries, mean over the text's tokens.
    scenarios_last : Activations or None
        The messages, at the last token of the generation prompt.
    vectors : EmotionVectors
        At the same layers.
    corpus : Corpus
        Says which battery a text belongs to, its target and the emotions near it.
    primary_layer : int
        The layer of the headline figures.
    seed : int
        Seed of permutations and bootstrap.

    Returns
    -------
    Implicit
        Without layers where there is no scenario.

    Raises
    ------
    EvmlxError
        If a text is not in the corpus, or its target has no vector.
    """
    known = {scenario.id: scenario for scenario in corpus.scenarios}
    read = {
        "situation": _rows(scenarios, known, "situation", vectors.emotions),
        "message": _rows(scenarios, known, "message", vectors.emotions),
        "message_last": _rows(scenarios_last, known, "message", vectors.emotions),
    }
    if not any(rows for _, rows in read.values()):
        return Implicit(primary_layer, {}, "the corpus has no scenarios", {})
    denoised = directions(vectors)
    words = _words(read, known, vectors.emotions, corpus, seed)
    layers = {}
    for at in np.argsort(vectors.layers):
        found = {
            name: _battery(name, given, rows, known, vectors, int(at), denoised[at], seed)
            for name, (given, rows) in read.items()
        }
        layers[f"layer_{vectors.layers[at]}"] = {
            name: _beside_words(name, battery, words) for name, battery in found.items()
        }
    return Implicit(primary_layer, layers, None, words)


def _words(
    read: Mapping[str, tuple[Activations | None, tuple[int, ...]]],
    known: Mapping[str, Scenario],
    emotions: Sequence[str],
    corpus: Corpus,
    seed: int,
) -> dict[str, WordsBattery]:
    """Score each battery by words; the last token of a message is held against its words."""
    texts, labels = ([s.text for s in corpus.stories], [s.emotion for s in corpus.stories])
    found = {}
    for name in ("situation", "message"):
        given, rows = read[name]
        told = [known[given.ids[row]] for row in rows] if given is not None else []
        found[name] = words_battery(told, texts, labels, emotions, seed)
    return found


def _beside_words(name: str, battery: Battery, words: Mapping[str, WordsBattery]) -> Battery:
    ids = [text.id for text in battery.scenarios]
    rank = [text.rank for text in battery.scenarios]
    control = words[name.removesuffix("_last")]
    return replace(battery, gain_over_words=gain_over_words(ids, rank, control))


def _rows(
    given: Activations | None,
    known: Mapping[str, Scenario],
    battery: str,
    emotions: Sequence[str],
) -> tuple[Activations | None, tuple[int, ...]]:
    """Rows of the texts of a battery."""
    if given is None:
        return None, ()
    rows = []
    for row, name in enumerate(given.ids):
        if name not in known:
            raise EvmlxError(f"scenario {name!r} is not in the corpus: run `evmlx extract` again")
        if known[name].target not in emotions:
            raise EvmlxError(
                f"scenario {name!r}: target {known[name].target!r} has no emotion vector; correct "
                "it in implicit_scenarios.jsonl or add stories for it"
            )
        if known[name].battery == battery:
            rows.append(row)
    return given, tuple(rows)


def _battery(
    name: str,
    given: Activations | None,
    rows: Sequence[int],
    known: Mapping[str, Scenario],
    vectors: EmotionVectors,
    at: int,
    denoised: np.ndarray,
    seed: int,
) -> Battery:
    """Score the texts in some rows against the denoised vectors of one layer."""
    if given is None or not rows:
        return _without_scores(name, 0, "no text of this kind")
    if not denoised.any():
        return _without_scores(name, len(rows), "no emotion vector differs from zero here")
    residuals = given.pooled[list(rows), given.layers.index(vectors.layers[at])].astype(np.float64)
    if alike(residuals):
        return _without_scores(name, len(rows), "the residuals of all texts are the same")
    from_stories = cosines(
        centred(residuals, vectors.story_mean[at], vectors.neutral_basis[at]), denoised
    )
    own = centred(residuals, residuals.mean(axis=0), vectors.neutral_basis[at])
    several = len(rows) > 1
    scores = _Scores(
        centred=from_stories,
        z_scored=standardised(from_stories) if several else None,
        own_centred=cosines(own, denoised) if several else None,
        published=cosines(residuals, denoised),
    )
    return _scored(name, [known[given.ids[row]] for row in rows], vectors.emotions, scores, seed)


def _without_scores(name: str, n: int, reason: str) -> Battery:
    return Battery(n, None, None, None, None, HEADLINE[name], (), reason)


def _scored(
    name: str, told: Sequence[Scenario], emotions: Sequence[str], scores: _Scores, seed: int
) -> Battery:
    """Sum the scores of a battery up, and list its texts in the headline scoring."""
    target, accepted = accepted_emotions(told, emotions)
    given = {field.name: getattr(scores, field.name) for field in fields(scores)}
    headline = given[HEADLINE[name]]
    draws = resampling(len(told), seed)
    summed = {
        way: None if found is None else score(found, target, accepted, emotions, draws)
        for way, found in given.items()
    }
    return Battery(
        n=len(told),
        centred=summed["centred"],
        z_scored=summed["z_scored"],
        own_centred=summed["own_centred"],
        published=summed["published"],
        headline=HEADLINE[name],
        scenarios=() if headline is None else _listed(told, target, emotions, headline),
        reason=None if len(told) > 1 else "one text is its own mean: two are needed for the rest",
    )


def _listed(
    told: Sequence[Scenario], target: np.ndarray, emotions: Sequence[str], scores: np.ndarray
) -> tuple[RankedScenario, ...]:
    """Each text with the rank of its target and its five highest scores."""
    ranked = ranks(scores)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    return tuple(
        RankedScenario(
            scenario.id,
            scenario.target,
            int(ranked[row, target[row]]),
            tuple(emotions[e] for e in best[row]),
            tuple(float(scores[row, e]) for e in best[row]),
        )
        for row, scenario in enumerate(told)
    )
