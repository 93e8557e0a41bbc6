"""What a corpus is made of: frozen values that travel through every stage.

Knows nothing about files or models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Topic:
    """What a group of stories is about.

    Attributes
    ----------
    id : str
        Short name, unique in the corpus; a slug of the premise where the corpus gives none.
    premise : str
        One sentence.
    domain : str or None
        Group of topics, such as "Educational".
    """

    id: str
    premise: str
    domain: str | None


@dataclass(frozen=True)
class Story:
    """One telling of one scene, for one emotion.

    Attributes
    ----------
    id : str
        "emotion/topic_id/story_index".
    emotion, topic_id : str
        The two crossed factors.
    story_index : int
        Number of the story (of the scene, where scenes are declared) within its topic.
    scene : str or None
        "topic_id/story_index" where topics.json declares scenes: tellings with the same scene
        share person, place and event.
    perspective : str or None
        "first" or "third".
    channel : str or None
        What the telling leans on: action, body, speech, thought or surroundings.
    text : str
        The story.
    """

    id: str
    emotion: str
    topic_id: str
    story_index: int
    scene: str | None
    perspective: str | None
    channel: str | None
    text: str


@dataclass(frozen=True)
class NeutralText:
    """A text without affect: a "dialogue" (for the neutral components) or a "passage"."""

    id: str
    kind: str
    category: str | None
    text: str


@dataclass(frozen=True)
class Scenario:
    """A text that implies one emotion, `target`, without naming it.

    `battery` is "situation" or "message"; `near` are the emotions that a careful reader might
    also name.
    """

    id: str
    battery: str
    target: str
    near: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class IntensityTemplate:
    """A text whose number, put in for ``{n}``, grades the target emotion.

    `direction` is "up" where a larger number means more of it, else "down". `control_text` takes
    the same numbers without the emotion.
    """

    id: str
    target: str
    text: str
    values: tuple[float, ...]
    control_text: str
    direction: str

    def at(self, value: float) -> str:
        """Return the text with a number in it, written out, without decimals where it has none."""
        return self.text.replace("{n}", _written(value))

    def control_at(self, value: float) -> str:
        """Return the control text with the same number in it."""
        return self.control_text.replace("{n}", _written(value))


def _written(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


@dataclass(frozen=True)
class Norms:
    """Human ratings of the emotion words; equal lengths, one entry for each emotion, in order.

    Attributes
    ----------
    words : tuple of str
        The corpus' emotions.
    valence, arousal, dominance : tuple of float
        Mean ratings on the source's scale (Glasgow: 1 to 9); nan where a word has none.
    exact : tuple of bool
        False where a neighbouring word stands in, or where the word has no rating.
    source : str
        Where the ratings come from.
    """

    words: tuple[str, ...]
    valence: tuple[float, ...]
    arousal: tuple[float, ...]
    dominance: tuple[float, ...]
    exact: tuple[bool, ...]
    source: str


@dataclass(frozen=True)
class Corpus:
    """Everything that a run measures a model with.

    Attributes
    ----------
    name : str
        From manifest.json, else the folder's name.
    version : str or None
        From manifest.json.
    root : Path
        The folder it was read from.
    digest : str
        SHA-256 of the content as loaded: the same wherever the folder lies, whatever its files'
        order and line ends; another one as soon as a text, a label or a norm differs.
    emotions : tuple of str
        In the order of emotions.json.
    clusters, valence, arousal : mapping of str to tuple of str
        Groups of emotions; empty where the corpus has none. `valence` has the keys "positive"
        and "negative", `arousal` "high" and "low".
    topics, stories, dialogues, passages, scenarios, intensity : tuple
        The texts. Stories are sorted by emotion, topic and index.
    norms : Norms or None
        Human ratings of the emotion words.
    lacks : tuple of str
        One plain line for each thing that the corpus lacks, with what follows from it.
    """

    name: str
    version: str | None
    root: Path
    digest: str
    emotions: tuple[str, ...]
    clusters: Mapping[str, tuple[str, ...]]
    valence: Mapping[str, tuple[str, ...]]
    arousal: Mapping[str, tuple[str, ...]]
    topics: tuple[Topic, ...]
    stories: tuple[Story, ...]
    dialogues: tuple[NeutralText, ...]
    passages: tuple[NeutralText, ...]
    scenarios: tuple[Scenario, ...]
    intensity: tuple[IntensityTemplate, ...]
    norms: Norms | None
    lacks: tuple[str, ...]
