"""Takes a smaller corpus out of a larger one, balanced over emotions and spread over topics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from evmlx.corpus.loading import content_digest
from evmlx.corpus.types import Corpus
from evmlx.errors import EvmlxError

Cell = tuple[str, int]  # topic id, story index


def subset(corpus: Corpus, stories: int) -> Corpus:
    """Take about `stories` stories: equally many for each emotion, spread over the topics.

    Where the corpus is crossed (each emotion has the same topics and indices), whole scenes are
    taken, so that the subset is crossed as well; otherwise each emotion's own stories. Topics
    come first: a second scene of a topic only after the first scene of every topic, and topics
    of an unfinished round at even distances in the order of the corpus.

    Parameters
    ----------
    corpus : Corpus
        What to take from.
    stories : int
        At most so many in all.

    Returns
    -------
    Corpus
        With its own digest, and only the topics that are left. The corpus itself where it has no
        more stories than asked for. All other texts are kept.

    Raises
    ------
    EvmlxError
        If there would not be one story for each emotion.
    """
    if stories >= len(corpus.stories):
        return corpus
    each = stories // len(corpus.emotions)
    if each < 1:
        raise EvmlxError(
            f"--limit {stories}: too few for one story of each of {len(corpus.emotions)} emotions: "
            f"give {len(corpus.emotions)} or more"
        )
    order = [topic.id for topic in corpus.topics]
    cells: dict[str, set[Cell]] = {emotion: set() for emotion in corpus.emotions}
    for story in corpus.stories:
        cells[story.emotion].add((story.topic_id, story.story_index))
    chosen = {emotion: spread(own, order, each) for emotion, own in cells.items()}
    kept = tuple(s for s in corpus.stories if (s.topic_id, s.story_index) in chosen[s.emotion])
    touched = {story.topic_id for story in kept}
    smaller = replace(
        corpus, stories=kept, topics=tuple(t for t in corpus.topics if t.id in touched)
    )
    return replace(smaller, digest=content_digest(smaller))


def spread(cells: Iterable[Cell], topics: Sequence[str], count: int) -> set[Cell]:
    """Choose `count` cells, topic by topic in rounds.

    A round takes the next index of every topic that has one left. From the last round, of which
    not all are wanted, topics at even distances are taken, so that neighbours in the list (topics
    of one domain) are thinned out evenly.
    """
    left = {topic: sorted(i for t, i in cells if t == topic) for topic in topics}
    chosen: set[Cell] = set()
    while len(chosen) < count and any(left.values()):
        turn = [(topic, indices.pop(0)) for topic, indices in left.items() if indices]
        wanted = min(count - len(chosen), len(turn))
        chosen.update(turn[k * len(turn) // wanted] for k in range(wanted))
    return chosen
