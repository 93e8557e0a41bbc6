"""The gate's checks of wording: refused words, lengths, repeated runs, perspective."""

from __future__ import annotations

import re
from collections import Counter

from evmlx.corpus.gate_outcome import Check, judged
from evmlx.corpus.reading import json_document, line_of, quoted
from evmlx.corpus.types import Corpus, Scenario, Story
from evmlx.errors import EvmlxError
from evmlx.style import WORD

LENGTH_TOLERANCE = 0.1  # of the corpus' mean number of words
SHORTEST, LONGEST = 0.5, 2.0  # story, as a multiple of the corpus' mean number of words
PERSPECTIVE_TOLERANCE = 0.1  # share of a perspective, emotion against corpus
RUN_WORDS = 8


def refused_words(corpus: Corpus) -> Check:
    """Look for the stems of refused_stems.json in stories and scenarios."""
    path = corpus.root / "refused_stems.json"
    if not path.is_file():
        return Check("refused words", None, "no refused_stems.json: no word is refused")
    document, text = json_document(path)
    stems = document.words("stems")
    for stem in stems:
        try:
            re.compile(stem)
        except re.error as error:
            raise EvmlxError(
                f"{path}:{line_of(text, stem)}: field stems: {quoted(stem)} is no regular "
                f"expression ({error}): correct it"
            ) from None
    refused = re.compile(rf"\b(?:{'|'.join(f'(?:{stem})' for stem in stems)})\b", re.IGNORECASE)
    texts: list[Story | Scenario] = [*corpus.stories, *corpus.scenarios]
    findings = [
        f'{item.id} has "{found.group()}"'
        for item in texts
        for found in refused.finditer(item.text)
    ]
    summary = f"{len(findings)} uses of {len(stems)} refused stems in {len(texts)} texts"
    return judged("refused words", summary, findings, {"refused_words": len(findings)})


def lengths(corpus: Corpus) -> Check:
    """Compare each emotion's mean number of words with the corpus', and each story's."""
    words: dict[str, list[int]] = {emotion: [] for emotion in corpus.emotions}
    for story in corpus.stories:
        words[story.emotion].append(len(WORD.findall(story.text)))
    every = [n for counts in words.values() for n in counts]
    overall = sum(every) / len(every)
    means = {emotion: sum(counts) / len(counts) for emotion, counts in words.items()}
    findings = [
        f'stories of "{emotion}" have {mean:.1f} words on average, all stories {overall:.1f}: '
        f"bring them within {LENGTH_TOLERANCE:.0%}"
        for emotion, mean in means.items()
        if abs(mean - overall) > LENGTH_TOLERANCE * overall
    ]
    findings += [
        f"{story.id} has {n} words, all stories {overall:.1f} on average: "
        f"bring it within {SHORTEST:g} to {LONGEST:g} times that"
        for story in corpus.stories
        if not SHORTEST * overall <= (n := len(WORD.findall(story.text))) <= LONGEST * overall
    ]
    low, high = min(means.values()), max(means.values())
    summary = (
        f"{low:.1f} to {high:.1f} words on average, by emotion; single stories {min(every)} to "
        f"{max(every)}"
    )
    figures = {
        "mean_words": overall,
        "lowest_mean_words": low,
        "highest_mean_words": high,
        "fewest_words": min(every),
        "most_words": max(every),
    }
    return judged("word ranges", summary, findings, figures)


def repeated_runs(corpus: Corpus) -> Check:
    """Find pairs of texts that share a run of eight words, case and punctuation aside.

    Among stories, and between stories and the scenarios that their vectors are tried on.
    """
    first: dict[str, str] = {}
    shared: dict[tuple[str, str], str] = {}
    texts: list[Story | Scenario] = [*corpus.stories, *corpus.scenarios]
    for item in texts:
        words = WORD.findall(item.text.lower())
        for k in range(len(words) - RUN_WORDS + 1):
            run = " ".join(words[k : k + RUN_WORDS])
            owner = first.setdefault(run, item.id)
            if owner != item.id:
                shared.setdefault((owner, item.id), run)
    findings = [f'{one} and {other} share "{run}"' for (one, other), run in shared.items()]
    summary = f"{len(shared)} pairs of {len(texts)} texts share a run of {RUN_WORDS} words"
    return judged("repeated runs", summary, findings, {"repeated_runs": len(shared)})


def perspective(corpus: Corpus) -> Check:
    """Compare each emotion's shares of perspectives with the corpus', and tellings of a scene."""
    if not all(story.perspective for story in corpus.stories):
        return Check("perspective", None, "not given for every story: balance is not checked")
    per_emotion = {emotion: Counter[str]() for emotion in corpus.emotions}
    per_scene: dict[str, set[str]] = {}
    for story in corpus.stories:
        per_emotion[story.emotion][story.perspective or ""] += 1
        if story.scene is not None:
            per_scene.setdefault(story.scene, set()).add(story.perspective or "")
    overall = sum(per_emotion.values(), Counter[str]())
    findings, largest = [], 0.0
    for emotion, counts in per_emotion.items():
        for name, total in overall.items():
            own, all_ = counts[name] / counts.total(), total / overall.total()
            largest = max(largest, abs(own - all_))
            if abs(own - all_) > PERSPECTIVE_TOLERANCE:
                findings.append(
                    f'"{emotion}" is {own:.0%} {name} person, the corpus {all_:.0%}: '
                    f"bring them within {PERSPECTIVE_TOLERANCE:.0%}"
                )
    findings += [
        f"scene {scene} is told as {' and '.join(sorted(names))}: use one perspective"
        for scene, names in per_scene.items()
        if len(names) > 1
    ]
    shares = ", ".join(f"{n / overall.total():.0%} {name}" for name, n in sorted(overall.items()))
    summary = f"{shares} person; an emotion's share is off by at most {largest:.1%}"
    return judged("perspective", summary, findings, {"largest_perspective_gap": largest})
