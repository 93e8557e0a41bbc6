"""Implicit emotion: whether emotion vectors find the emotion of texts that do not name it.

Nothing is trained here. Knows nothing about how the texts were read or the vectors made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.intervals import clopper_pearson
from evmlx.neutral import project_out
from evmlx.resampling import draw_permutations, percentile_interval, permutation_p
from evmlx.store import Activations
from evmlx.vectors import EmotionVectors, vanishing

if TYPE_CHECKING:
    from evmlx.corpus import Corpus, Scenario

PERMUTATIONS = 9999
RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """How well one way of scoring finds the target emotions of a battery.

    Attributes
    ----------
    top1, top3, top5 : float
        Share of texts with the target among the highest one, three, five scores; `_low` and
        `_high` are Clopper-Pearson 95% bounds.
    mean_rank, mean_rank_low, mean_rank_high : float
        Rank of the target, 1 the best; bootstrap over texts.
    chance_top1, chance_mean_rank : float
        The same for a guess at random.
    top1_near, top1_near_low, top1_near_high, chance_top1_near : float
        Share of texts whose highest score is the target's or that of an emotion near it.
    hub_emotion, hub_share : str, float
        The emotion that is among the highest three for most texts, and for what share of them.
    p : float
        Permutation p of the mean rank, the targets permuted over the texts.
    draws : int
        Permutations.
    """

    top1: float
    top1_low: float
    top1_high: float
    top3: float
    top3_low: float
    top3_high: float
    top5: float
    top5_low: float
    top5_high: float
    mean_rank: float
    mean_rank_low: float
    mean_rank_high: float
    chance_top1: float
    chance_mean_rank: float
    top1_near: float
    top1_near_low: float
    top1_near_high: float
    chance_top1_near: float
    hub_emotion: str
    hub_share: float
    p: float
    draws: int


@dataclass(frozen=True)
class RankedScenario:
    """One text: rank of its target, and the five highest centred scores."""

    id: str
    target: str
    rank: int
    top5: tuple[str, ...]
    top5_scores: tuple[float, ...]


@dataclass(frozen=True)
class Battery:
    """Texts of one kind, scored in three ways (see `implicit`); None where there is no text."""

    n: int
    centred: Score | None
    z_scored: Score | None
    published: Score | None
    scenarios: tuple[RankedScenario, ...]
    reason: str | None


@dataclass(frozen=True)
class Implicit:
    """What `implicit_emotion_results.json` holds, less the names of the run."""

    primary_layer: int
    layers: Mapping[str, Mapping[str, Battery]]
    reason: str | None


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
    cosine with each denoised vector. ``z_scored``: the centred scores, each vector's
    standardised over the battery. ``published``: cosine of the residual as it is, the protocol
    of emotion-vector-bench; there the direction that all residuals share decides.

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
        return Implicit(primary_layer, {}, "the corpus has no scenarios")
    denoised = np.where(vanishing(vectors)[:, :, None], 0.0, vectors.denoised)
    layers = {}
    for at in np.argsort(vectors.layers):
        layers[f"layer_{vectors.layers[at]}"] = {
            name: _battery(given, rows, known, vectors, at, denoised[at], seed)
            for name, (given, rows) in read.items()
        }
    return Implicit(primary_layer, layers, None)


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
        return Battery(0, None, None, None, (), "no text of this kind")
    column = given.layers.index(vectors.layers[at])
    residuals = given.pooled[list(rows), column].astype(np.float64)
    centred = project_out(residuals - vectors.story_mean[at], vectors.neutral_basis[at])
    return _ranked(
        [known[given.ids[row]] for row in rows],
        vectors.emotions,
        _cosines(centred, denoised),
        _cosines(residuals, denoised),
        seed,
    )


def _ranked(
    told: Sequence[Scenario],
    emotions: Sequence[str],
    centred: np.ndarray,
    published: np.ndarray,
    seed: int,
) -> Battery:
    """Rank the targets of a battery; `centred`, `published`: (texts, emotions) cosines."""
    spread = centred.std(axis=0)
    z_scored = (centred - centred.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    row_of = {emotion: row for row, emotion in enumerate(emotions)}
    target = np.array([row_of[scenario.target] for scenario in told])
    accepted = np.zeros(centred.shape, bool)
    for row, scenario in enumerate(told):
        accepted[row, [row_of[e] for e in (scenario.target, *scenario.near) if e in row_of]] = True
    ranks = _ranks(centred)
    best = np.argsort(-centred, axis=1, kind="stable")[:, :5]
    return Battery(
        n=len(told),
        centred=_score(ranks, target, accepted, emotions, seed),
        # one text alone is its own mean: every z is 0
        z_scored=_score(_ranks(z_scored), target, accepted, emotions, seed)
        if len(told) > 1
        else None,
        published=_score(_ranks(published), target, accepted, emotions, seed),
        scenarios=tuple(
            RankedScenario(
                scenario.id,
                scenario.target,
                int(ranks[row, target[row]]),
                tuple(emotions[e] for e in best[row]),
                tuple(float(centred[row, e]) for e in best[row]),
            )
            for row, scenario in enumerate(told)
        ),
        reason=None,
    )


def _cosines(residuals: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Cosine of each text (float64) with each vector; 0 where either is zero."""
    directions = np.asarray(vectors, np.float64)
    lengths = np.outer(np.linalg.norm(residuals, axis=1), np.linalg.norm(directions, axis=1))
    return np.asarray((residuals @ directions.T) / np.where(lengths > 0, lengths, 1.0))


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of each emotion for each text, 1 the best; of equal scores each has the worst rank."""
    return np.asarray((scores[:, None, :] >= scores[:, :, None]).sum(axis=2))


def _score(
    ranks: np.ndarray,
    target: np.ndarray,
    accepted: np.ndarray,
    emotions: Sequence[str],
    seed: int,
) -> Score:
    """Sum ranks (texts, emotions) up for the target of each text."""
    n, count = ranks.shape
    texts = np.arange(n)
    reached = ranks[texts, target]
    tops = {k: int((reached <= k).sum()) for k in (1, 3, 5)}
    near = int(((ranks == 1) & accepted).any(axis=1).sum())
    hub = (ranks <= 3).sum(axis=0)
    rng = np.random.default_rng(seed)
    null = ranks[texts, target[draw_permutations(n, PERMUTATIONS, rng)]].mean(axis=1)
    resampled = reached[rng.integers(n, size=(RESAMPLES, n))].mean(axis=1)
    return Score(
        tops[1] / n,
        *clopper_pearson(tops[1], n),
        tops[3] / n,
        *clopper_pearson(tops[3], n),
        tops[5] / n,
        *clopper_pearson(tops[5], n),
        float(reached.mean()),
        *percentile_interval(resampled),
        chance_top1=1 / count,
        chance_mean_rank=(count + 1) / 2,
        top1_near=near / n,
        **dict(zip(("top1_near_low", "top1_near_high"), clopper_pearson(near, n), strict=True)),
        chance_top1_near=float(accepted.mean()),
        hub_emotion=emotions[int(hub.argmax())],
        hub_share=float(hub.max() / n),
        # a low rank is a good one
        p=permutation_p(-float(reached.mean()), -null),
        draws=PERMUTATIONS,
    )
