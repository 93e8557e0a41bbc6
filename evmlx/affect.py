"""What people say about the emotions of a run: valence and arousal groups, and norms.

Knows nothing about vectors: it lines a corpus up with the emotions that were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evmlx.corpus import Corpus

SCALES = ("valence", "arousal", "dominance")
"""Scales of the norms."""


@dataclass(frozen=True)
class Affect:
    """Groups and norms in the order of the measured emotions.

    Attributes
    ----------
    positive, negative : tuple of int
        Rows of the emotions of either valence; empty where the corpus names none.
    high, low : tuple of int
        Rows of the emotions of high and of low arousal.
    norms : mapping of str to ndarray of float64, each (emotions,)
        Human valence, arousal and dominance; NaN where a word or the whole table is missing.
    source : str or None
        Where the norms come from.
    """

    positive: tuple[int, ...]
    negative: tuple[int, ...]
    high: tuple[int, ...]
    low: tuple[int, ...]
    norms: Mapping[str, np.ndarray]
    source: str | None


def affect_of(emotions: Sequence[str], corpus: Corpus) -> Affect:
    """Line up a corpus's groups and norms with emotions.

    Parameters
    ----------
    emotions : sequence of str
        Measured emotions; those that a group or the norms lack are left out there.
    corpus : Corpus
        May have no groups and no norms.

    Returns
    -------
    Affect
    """
    rows = {emotion: row for row, emotion in enumerate(emotions)}

    def group(members: Iterable[str]) -> tuple[int, ...]:
        return tuple(rows[emotion] for emotion in members if emotion in rows)

    norms = {scale: np.full(len(emotions), np.nan) for scale in SCALES}
    if corpus.norms is not None:
        for scale in SCALES:
            given = getattr(corpus.norms, scale)
            for word, rating in zip(corpus.norms.words, given, strict=True):
                if word in rows:
                    norms[scale][rows[word]] = rating
    return Affect(
        positive=group(corpus.valence.get("positive", ())),
        negative=group(corpus.valence.get("negative", ())),
        high=group(corpus.arousal.get("high", ())),
        low=group(corpus.arousal.get("low", ())),
        norms=norms,
        source=corpus.norms.source if corpus.norms is not None else None,
    )
