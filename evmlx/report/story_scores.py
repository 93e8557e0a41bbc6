"""Cosine of every text with every emotion vector, for the story browser of the report.

A story is scored with vectors that were made without its topic: with the plain ones it would be
compared with a mean that it is part of, and its own emotion would win too easily. A new text is
scored as the headline of its battery is (`evmlx.implicit.HEADLINE`), so that the browser and the
tables tell the same. Knows nothing about HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evmlx.implicit import HEADLINE
from evmlx.neutral import project_out
from evmlx.store import Activations
from evmlx.text_scores import centred, cosines, directions
from evmlx.vectors import EmotionVectors

if TYPE_CHECKING:
    from evmlx.corpus import Corpus


@dataclass(frozen=True)
class Told:
    """A text and its scores.

    Attributes
    ----------
    kind : str
        "story", "situation", "message" or "message_last".
    id, emotion, text : str
        Emotion: the one that a story was told for, or that a new text implies.
    topic : str or None
        Premise of a story's topic.
    scene : str or None
        Shared by the tellings of one event.
    near : tuple of str
        Emotions that a careful reader might also name.
    scores : ndarray of float32, shape (layers, emotions)
        Cosines; nan where a vector could not be made without the topic.
    """

    kind: str
    id: str
    emotion: str
    text: str
    topic: str | None
    scene: str | None
    near: tuple[str, ...]
    scores: np.ndarray


def told_texts(
    stories: Activations,
    scenarios: Activations | None,
    scenarios_last: Activations | None,
    vectors: EmotionVectors,
    corpus: Corpus,
) -> list[Told]:
    """Score stories and scenarios of a run.

    Parameters
    ----------
    stories, scenarios, scenarios_last : Activations
        At the layers of `vectors`, in any order.
    vectors : EmotionVectors
        Of the run.
    corpus : Corpus
        Has the texts; stories and scenarios that it does not know are left out.

    Returns
    -------
    list of Told
        Stories in the order of the activations, then the batteries one by one.
    """
    known = {story.id: story for story in corpus.stories}
    premises = {topic.id: topic.premise for topic in corpus.topics}
    rows = [row for row, name in enumerate(stories.ids) if name in known]
    told = [known[stories.ids[row]] for row in rows]
    found = story_scores(
        stories, rows, [s.emotion for s in told], [s.topic_id for s in told], vectors
    )
    texts = [
        Told("story", s.id, s.emotion, s.text, premises.get(s.topic_id), s.scene, (), scores)
        for s, scores in zip(told, found, strict=True)
    ]
    for kind in HEADLINE:
        given = scenarios_last if kind.endswith("_last") else scenarios
        if given is not None:
            texts += _battery(kind, given, vectors, corpus)
    return texts


def _battery(kind: str, given: Activations, vectors: EmotionVectors, corpus: Corpus) -> list[Told]:
    """Score the texts of one battery, in the order of the activations."""
    told = {one.id: one for one in corpus.scenarios if one.battery == kind.removesuffix("_last")}
    rows = [row for row, name in enumerate(given.ids) if name in told]
    found = new_text_scores(given, rows, vectors, own_mean=HEADLINE[kind] == "own_centred")
    return [
        Told(kind, one.id, one.target, one.text, None, None, one.near, scores)
        for one, scores in zip((told[given.ids[row]] for row in rows), found, strict=True)
    ]


def story_scores(
    stories: Activations,
    rows: Sequence[int],
    labels: Sequence[str],
    topics: Sequence[str],
    vectors: EmotionVectors,
) -> np.ndarray:
    """Cosine of stories with vectors made from the other topics.

    With r a story's pooled residual, t its topic, m_e the mean of emotion e over the stories of
    other topics and m the mean of those: the cosine of P(r - m) and P(m_e - m), where P takes
    the neutral components out.

    Parameters
    ----------
    stories : Activations
        Pooled residuals.
    rows : sequence of int, length N
        Which of them.
    labels, topics : sequence of str, length N
        Emotion and topic of each.
    vectors : EmotionVectors
        Emotions, layers and neutral components.

    Returns
    -------
    ndarray of float32, shape (N, layers, emotions)
        Layers in the order of `vectors`; nan for an emotion that no other topic tells.
    """
    names = list(dict.fromkeys(topics))
    place = {topic: at for at, topic in enumerate(names)}
    topic_of = np.array([place[topic] for topic in topics], int)
    emotion_of = np.array([vectors.emotions.index(label) for label in labels], int)
    cell = emotion_of * len(names) + topic_of
    shape = (len(vectors.emotions), len(names))
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    scores = np.full((len(rows), len(vectors.layers), shape[0]), np.nan, np.float32)
    for at, layer in enumerate(vectors.layers):
        pooled = stories.pooled[list(rows), stories.layers.index(layer)].astype(np.float64)
        sums = np.zeros((*shape, pooled.shape[1]))
        np.add.at(sums.reshape(-1, pooled.shape[1]), cell, pooled)
        everywhere = sums.sum(axis=1)
        for topic in range(len(names)):
            there = topic_of == topic
            left = counts.sum(axis=1) - counts[:, topic]
            usable = left > 0
            if usable.sum() < 2:
                continue
            means = (everywhere - sums[:, topic])[usable] / left[usable, None]
            centre = means.mean(axis=0)
            basis = vectors.neutral_basis[at]
            others = project_out(means - centre, basis)
            found = cosines(project_out(pooled[there] - centre, basis), others)
            scores[np.ix_(there, [at], usable)] = found[:, None]
    return scores


def new_text_scores(
    given: Activations, rows: Sequence[int], vectors: EmotionVectors, own_mean: bool = False
) -> np.ndarray:
    """Centred cosine of texts that no vector was made from.

    Parameters
    ----------
    given : Activations
        Pooled residuals.
    rows : sequence of int, length N
        Which of them, one battery.
    vectors : EmotionVectors
        Emotions, layers, the stories' mean and neutral components.
    own_mean : bool
        Take the mean of these texts out of each, and not that of the stories.

    Returns
    -------
    ndarray of float32, shape (N, layers, emotions)
        nan for a single text that would be its own mean.
    """
    scores = np.full((len(rows), len(vectors.layers), len(vectors.emotions)), np.nan, np.float32)
    if own_mean and len(rows) < 2:
        return scores
    ahead = directions(vectors)
    for at, layer in enumerate(vectors.layers):
        pooled = given.pooled[list(rows), given.layers.index(layer)].astype(np.float64)
        centre = pooled.mean(axis=0) if own_mean else vectors.story_mean[at]
        scores[:, at] = cosines(centred(pooled, centre, vectors.neutral_basis[at]), ahead[at])
    return scores
