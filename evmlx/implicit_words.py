"""What the words alone make of texts that do not name their emotion: TF-IDF in place of residuals.

The same construction as for residuals: class means of the stories, less their mean, and the cosine
of a new text, centred, with each. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evmlx.comparison.paired import share_difference
from evmlx.implicit_scores import Score, accepted_emotions, ranks, resampling, score, standardised
from evmlx.text_scores import cosines
from evmlx.textcontrol import no_shared_words, tfidf_pipeline

if TYPE_CHECKING:
    from evmlx.corpus import Scenario


@dataclass(frozen=True)
class WordsBattery:
    """A battery scored by the stories' TF-IDF means.

    Attributes
    ----------
    n : int
        Texts.
    centred, z_scored : Score or None
        As `evmlx.implicit.Battery` has them for residuals.
    ids : tuple of str
        The texts.
    rank : tuple of int
        Centred rank of each text's target, 1 the best.
    reason : str or None
        Why there are no scores.
    """

    n: int
    centred: Score | None
    z_scored: Score | None
    ids: tuple[str, ...]
    rank: tuple[int, ...]
    reason: str | None


@dataclass(frozen=True)
class GainOverWords:
    """Right emotion first by residuals less right emotion first by words.

    Attributes
    ----------
    difference, low, high : float
        Of the two shares, with Tango's 95% interval for paired shares.
    p : float
        McNemar's exact test of no difference.
    n : int
        Texts.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int


def words_battery(
    told: Sequence[Scenario],
    stories: Sequence[str],
    labels: Sequence[str],
    emotions: Sequence[str],
    seed: int,
) -> WordsBattery:
    """Score the texts of a battery by words and word pairs, with the text control's settings.

    Parameters
    ----------
    told : sequence of Scenario
        The texts.
    stories, labels : sequence of str, length N
        Texts and emotions of the stories.
    emotions : sequence of str
        Order of the columns.
    seed : int
        Of permutations and bootstrap: the same draws as for residuals.
    """
    ids = tuple(scenario.id for scenario in told)
    if not told:
        return WordsBattery(0, None, None, (), (), "no text of this kind")
    vectorizer = tfidf_pipeline()[0]
    try:
        weights = vectorizer.fit_transform(list(stories))
    except ValueError as error:
        return WordsBattery(len(told), None, None, ids, (), no_shared_words(error))
    given = np.asarray(labels)
    means = np.vstack(
        [np.asarray(weights[given == emotion].mean(axis=0)).ravel() for emotion in emotions]
    )
    centre = means.mean(axis=0)
    texts = vectorizer.transform([scenario.text for scenario in told]).toarray()
    centred = cosines(texts - centre, means - centre)
    target, accepted = accepted_emotions(told, emotions)
    draws = resampling(len(told), seed)
    several = len(told) > 1
    z_scored = score(standardised(centred), target, accepted, emotions, draws) if several else None
    return WordsBattery(
        n=len(told),
        centred=score(centred, target, accepted, emotions, draws),
        z_scored=z_scored,
        ids=ids,
        rank=tuple(int(rank) for rank in ranks(centred)[np.arange(len(told)), target]),
        reason=None if several else "one text has no spread to standardise by",
    )


def gain_over_words(
    ids: Sequence[str], rank: Sequence[int], words: WordsBattery
) -> GainOverWords | None:
    """How much oftener residuals put the right emotion first than words do, text by text.

    Parameters
    ----------
    ids, rank : sequence, length n
        Each text and its target's rank by residuals.
    words : WordsBattery
        The same texts.

    Returns
    -------
    GainOverWords or None
        None where one of them has no ranks.
    """
    by_words = dict(zip(words.ids, words.rank, strict=False))
    if not ids or not all(text in by_words for text in ids):
        return None
    first = np.array([by_words[text] == 1 for text in ids])
    found = share_difference("top1", first, np.array([r == 1 for r in rank]))
    return GainOverWords(found.difference, found.low, found.high, found.p, found.n)
