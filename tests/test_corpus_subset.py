"""Balanced subsets for --limit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from corpus_files import (
    story,
    write_corpus,
    write_lines,
)

from evmlx.corpus import Corpus, load_corpus, subset
from evmlx.errors import EvmlxError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "own")


@pytest.mark.parametrize("stories", [20, 39, 40, 100, 599, 600, 620, 1500, 2980])
def test_subset_stays_crossed_and_touches_as_many_topics_as_it_can(
    shipped: Corpus, stories: int
) -> None:
    small = subset(shipped, stories)
    each = stories // 20
    cells = {
        e: {(s.topic_id, s.story_index) for s in small.stories if s.emotion == e}
        for e in shipped.emotions
    }
    assert all(own == cells["joyful"] for own in cells.values())
    assert len(small.stories) == each * 20
    per_topic = Counter(topic for topic, _ in cells["joyful"])
    assert len(per_topic) == min(each, 30) == len(small.topics)
    assert max(per_topic.values()) - min([*per_topic.values(), *([0] * (30 - len(per_topic)))]) <= 1
    for topic, n in per_topic.items():
        assert {index for t, index in cells["joyful"] if t == topic} == set(range(n))
    assert small.digest != shipped.digest
    assert small.scenarios == shipped.scenarios
    kept = {s.id for s in small.stories}
    assert small.stories == tuple(s for s in shipped.stories if s.id in kept)


def test_subset_is_spread_over_the_list_of_topics(shipped: Corpus) -> None:
    order = [topic.id for topic in shipped.topics]
    for count in (2, 3, 5, 6, 10, 15):
        touched = sorted(order.index(topic.id) for topic in subset(shipped, 20 * count).topics)
        gaps = [b - a for a, b in zip(touched, [*touched[1:], touched[0] + 30], strict=True)]
        assert max(gaps) - min(gaps) <= 1


def test_subsets_of_different_size_have_different_digests(shipped: Corpus) -> None:
    digests = {subset(shipped, n).digest for n in (20, 40, 60, 3000)}
    assert len(digests) == 4
    assert subset(shipped, 59).digest == subset(shipped, 40).digest


def test_subset_limits(shipped: Corpus) -> None:
    assert subset(shipped, 3000) is shipped
    assert subset(shipped, 10**9) is shipped
    for too_few in (19, 0, -5):
        with pytest.raises(EvmlxError, match=f"{too_few}: too few .* 20 or more"):
            subset(shipped, too_few)


def test_subset_of_an_uncrossed_corpus_spreads_each_emotion_over_its_topics(folder: Path) -> None:
    own = {"joyful": ("a", "b", "c", "d"), "weary": ("c", "e", "f"), "furious": ("f",)}
    for emotion, topics in own.items():
        write_lines(
            folder / "stories" / f"{emotion}.jsonl",
            [story(emotion, topic, index) for topic in topics for index in (3, 5, 8)],
        )
    corpus = load_corpus(folder)
    small = subset(corpus, 9)
    for emotion, topics in own.items():
        chosen = [s for s in small.stories if s.emotion == emotion]
        assert len(chosen) == 3
        assert len({s.topic_id for s in chosen}) == min(3, len(topics))
        if len(topics) >= 3:
            assert {s.story_index for s in chosen} == {3}
    assert {t.id for t in small.topics} == {s.topic_id for s in small.stories}
