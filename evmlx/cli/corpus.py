"""`evmlx corpus`: put a corpus through the gate, and read its stories."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from evmlx.corpus import Corpus, Story
    from evmlx.corpus.gate import CorpusCheck

FOLDER = click.argument("folder", required=False, type=click.Path(path_type=Path))


@click.group()
def corpus() -> None:
    """Check a corpus, or read its stories.

    Without FOLDER the commands take the corpus that evmlx ships.

    \b
    Example:
      evmlx corpus check
      evmlx corpus show --emotion joyful --topic school
    """


@corpus.command()
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def check(ctx: click.Context, folder: Path | None, as_json: bool) -> None:
    """Say what a corpus has and lacks, and whether it passes the gate.

    Checks format, counts, manifest, refused words, lengths, repeated runs of words and
    perspective, and reports what the text alone gives away of the emotions. Ends with status 1,
    and what is wrong, where a check fails. Takes half a minute for 3,000 stories.

    \b
    Example:
      evmlx corpus check
      evmlx corpus check my-corpus --json > check.json
    """
    from evmlx.corpus import load_corpus
    from evmlx.corpus.gate import check_corpus

    loaded = load_corpus(folder)
    result = check_corpus(loaded)
    if as_json:
        click.echo(json.dumps(_as_json(loaded, result), indent=1, ensure_ascii=False))
    else:
        _print_check(loaded, result)
    if not result.passed:
        ctx.exit(1)


@corpus.command()
@FOLDER
@click.option("--emotion", required=True, help="Emotion whose stories to print.")
@click.option("--topic", help="Only topics with this id, or with this text in id or premise.")
@click.option("--scene", type=click.IntRange(min=0), help="Only this story index of each topic.")
def show(folder: Path | None, emotion: str, topic: str | None, scene: int | None) -> None:
    """Print stories, wrapped to the width of the terminal.

    \b
    Example:
      evmlx corpus show --emotion joyful --topic school-closing --scene 2
      evmlx corpus show my-corpus --emotion weary
    """
    from evmlx.corpus import load_corpus

    loaded = load_corpus(folder)
    stories = _chosen(loaded, emotion, topic, scene)
    width = max(shutil.get_terminal_size().columns, 20)
    premises = {t.id: t.premise for t in loaded.topics}
    for k, story in enumerate(stories):
        if k:
            click.echo()
        notes = ", ".join(
            note
            for note in (story.perspective and f"{story.perspective} person", story.channel)
            if note
        )
        click.echo(click.style(story.id, bold=True) + (f"  ({notes})" if notes else ""))
        click.echo(textwrap.fill(premises[story.topic_id], width))
        for paragraph in story.text.split("\n"):
            click.echo(textwrap.fill(paragraph, width, initial_indent="  ", subsequent_indent="  "))


def _chosen(loaded: Corpus, emotion: str, topic: str | None, scene: int | None) -> list[Story]:
    """Return the stories asked for; an error names the nearest thing that there is."""
    from evmlx.corpus.reading import unknown
    from evmlx.errors import EvmlxError

    if emotion not in loaded.emotions:
        raise EvmlxError(f"--emotion {emotion}: {unknown(emotion, loaded.emotions)}")
    stories = [story for story in loaded.stories if story.emotion == emotion]
    if topic is not None:
        ids = [t.id for t in loaded.topics]
        part = topic.lower()
        matching = {
            t.id for t in loaded.topics if part in t.id.lower() or part in t.premise.lower()
        }
        if topic in ids:
            matching = {topic}
        if not matching:
            raise EvmlxError(f"--topic {topic}: {unknown(topic, ids)}")
        stories = [story for story in stories if story.topic_id in matching]
    if scene is not None:
        there = sorted({story.story_index for story in stories})
        stories = [story for story in stories if story.story_index == scene]
        if not stories:
            listed = ", ".join(map(str, there)) or "none"
            raise EvmlxError(f"--scene {scene}: no such story of {emotion}; there are {listed}")
    if not stories:
        raise EvmlxError(f"--topic {topic}: {emotion} has no story in it; choose another topic")
    return stories


def _as_json(loaded: Corpus, result: CorpusCheck) -> dict[str, object]:
    from evmlx.results import to_json

    about = {
        "schema": 1,
        "corpus": loaded.name,
        "version": loaded.version,
        "corpus_digest": loaded.digest,
        "lacks": list(loaded.lacks),
    }
    return about | to_json(result)  # type: ignore[no-any-return]


def _print_check(loaded: Corpus, result: CorpusCheck) -> None:
    version = f" {loaded.version}" if loaded.version else ""
    click.echo(click.style(f"{loaded.name}{version}", bold=True) + f"  {loaded.root}")
    click.echo(f"digest {loaded.digest}\n")
    column = max(len(check.name) for check in result.checks)
    for check in result.checks:
        mark = {True: "ok  ", False: "FAIL", None: "-   "}[check.passed]
        colour = {True: "green", False: "red", None: None}[check.passed]
        click.echo(f"{click.style(mark, fg=colour)}  {check.name:<{column}}  {check.summary}")
    if loaded.lacks:
        click.echo("\nlacks")
        for line in loaded.lacks:
            click.echo(f"  {line}")
    if result.findings:
        click.echo("\nfindings")
        for line in result.findings:
            click.echo(f"  {line}")
    click.echo("\nThe corpus passes." if result.passed else "\nThe corpus does not pass.")
