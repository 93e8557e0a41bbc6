"""Each analysis stage as a function from a run folder to the files it writes.

Reading and writing happens here; the analysis functions themselves take arrays. Knows nothing
of which stages are up to date (`evmlx.pipeline`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evmlx.errors import EvmlxError
from evmlx.extract import load_activations
from evmlx.store import Activations, write_json

if TYPE_CHECKING:
    from evmlx.corpus import Corpus
    from evmlx.report.story_scores import Told


@dataclass(frozen=True)
class Run:
    """A run folder being worked on.

    Attributes
    ----------
    folder : Path
        The run folder.
    corpus : Corpus
        What it measures.
    record : dict
        Contents of run.json; grows as stages finish.
    texts : bool
        Whether a report may show texts of the corpus.
    """

    folder: Path
    corpus: Corpus
    record: dict[str, Any]
    texts: bool = True

    @property
    def seed(self) -> int:
        """Seed of every random generator."""
        return int(self.record["seed"])

    @property
    def primary_layer(self) -> int:
        """Layer of the headline figures."""
        return int(self.record["primary_layer"])

    def activations(self, kind: str) -> Activations | None:
        """Pooled residuals of one kind of stimuli; None where the run has none."""
        return load_activations(self.folder / "activations.npz", kind)

    def stories(self) -> tuple[Activations, list[str], list[str], list[str]]:
        """Return the stories' activations, emotions, topic ids and texts, in one order."""
        stories = self.activations("stories")
        by_id = {story.id: story for story in self.corpus.stories}
        if stories is None or any(i not in by_id for i in stories.ids):
            raise EvmlxError(
                f"{self.folder / 'activations.npz'} holds other stories than the corpus: "
                "run `evmlx extract` again"
            )
        told = [by_id[i] for i in stories.ids]
        return (
            stories,
            [s.emotion for s in told],
            [s.topic_id for s in told],
            [s.text for s in told],
        )

    def write(self, name: str, result: Any) -> Path:
        """Write a result file, with what it belongs to at its head."""
        from evmlx.results import to_json

        head = {
            "schema": 1,
            "model": self.record["model"]["name"],
            "corpus_digest": self.corpus.digest,
        }
        write_json(self.folder / name, {**head, **to_json(result)})
        return self.folder / name


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    Attributes
    ----------
    name : str
        Name of the stage and of its command.
    reads : tuple of str
        Files of the run folder that its results depend on.
    run : callable
        Does the work and returns what it wrote.
    rated : bool
        Whether its results depend on the human norms.
    """

    name: str
    reads: tuple[str, ...]
    run: Callable[[Run], list[Path]]
    rated: bool = False


def _vectors(run: Run) -> list[Path]:
    from evmlx.vectors import emotion_vectors, save_vectors

    stories, labels, _, _ = run.stories()
    vectors = emotion_vectors(stories, labels, run.corpus.emotions, run.activations("dialogues"))
    save_vectors(run.folder, vectors)
    return [run.folder / name for name in VECTOR_FILES]


def _geometry(run: Run) -> list[Path]:
    from evmlx.geometry import geometry
    from evmlx.store import read_npz
    from evmlx.vectors import load_vectors

    stories, labels, topics, texts = run.stories()
    embeddings = run.folder / "token_embeddings.npz"
    result = geometry(
        load_vectors(run.folder),
        stories,
        labels,
        topics,
        run.corpus,
        primary_layer=run.primary_layer,
        seed=run.seed,
        texts=texts,
        embeddings=read_npz(embeddings) if embeddings.exists() else None,
    )
    return [run.write("validation_results.json", result)]


def _circumplex(run: Run) -> list[Path]:
    from evmlx.circumplex import circumplex
    from evmlx.vectors import load_vectors

    vectors = load_vectors(run.folder)
    if not (run.folder / "activations.npz").exists():  # a published run: without intervals, then
        return [run.write("arousal_results.json", circumplex(vectors, run.corpus, run.seed))]
    stories, labels, topics, texts = run.stories()
    result = circumplex(
        vectors,
        run.corpus,
        run.seed,
        stories=stories,
        labels=labels,
        topic_ids=topics,
        texts=texts,
    )
    return [run.write("arousal_results.json", result)]


def _probe(run: Run) -> list[Path]:
    from evmlx.probe import probe
    from evmlx.vectors import load_vectors

    stories, labels, topics, texts = run.stories()
    vectors = load_vectors(run.folder)
    scene_of = {story.id: story.scene for story in run.corpus.stories}
    domain_of = {topic.id: topic.domain for topic in run.corpus.topics}
    result = probe(
        stories,
        labels,
        topics,
        texts,
        run.corpus,
        seed=run.seed,
        scenes=[scene_of[i] for i in stories.ids],
        domains=[domain_of.get(topic) for topic in topics],
        neutral_basis=dict(zip(vectors.layers, vectors.neutral_basis, strict=True)),
        primary_layer=run.primary_layer,
    )
    return [run.write("probe_results.json", result)]


def _implicit(run: Run) -> list[Path]:
    from evmlx.implicit import implicit
    from evmlx.vectors import load_vectors

    result = implicit(
        run.activations("scenarios"),
        run.activations("scenarios_last"),
        load_vectors(run.folder),
        run.corpus,
        primary_layer=run.primary_layer,
        seed=run.seed,
    )
    return [run.write("implicit_emotion_results.json", result)]


def _intensity(run: Run) -> list[Path]:
    from evmlx.intensity import intensity
    from evmlx.vectors import load_vectors

    result = intensity(
        run.activations("intensity"),
        run.activations("intensity_control"),
        load_vectors(run.folder),
        run.corpus,
        primary_layer=run.primary_layer,
        seed=run.seed,
    )
    return [run.write("intensity_results.json", result)]


def _report(run: Run) -> list[Path]:
    from evmlx.report.write import write_report

    if not run.texts:  # nothing of the report but these shows a text
        corpus = replace(run.corpus, scenarios=(), intensity=())
        return write_report(run.folder, corpus, "texts were to be left out of this report")
    return write_report(run.folder, run.corpus, _told(run))


def _told(run: Run) -> list[Told] | str:
    """Texts and their scores for the story browser, or why there are none."""
    from evmlx.report.story_scores import told_texts
    from evmlx.vectors import load_vectors

    needed = ("activations.npz", *VECTOR_FILES)
    missing = [name for name in needed if not (run.folder / name).exists()]
    stories = None if missing else run.activations("stories")
    if stories is None:
        lacks = f"has no {missing[0]}" if missing else "has no stories"
        return f"the run folder {lacks}, so that no text could be scored"
    return told_texts(
        stories,
        run.activations("scenarios"),
        run.activations("scenarios_last"),
        load_vectors(run.folder),
        run.corpus,
    )


VECTOR_FILES = ("raw_vectors.npz", "denoised_vectors.npz", "neutral_components.npz")
RESULT_FILES = (
    "validation_results.json",
    "arousal_results.json",
    "probe_results.json",
    "implicit_emotion_results.json",
    "intensity_results.json",
)
STAGES = (
    Stage("vectors", ("activations.npz",), _vectors),
    Stage("geometry", ("activations.npz", "token_embeddings.npz", *VECTOR_FILES), _geometry, True),
    Stage("circumplex", ("activations.npz", *VECTOR_FILES), _circumplex, True),
    Stage("probe", ("activations.npz", *VECTOR_FILES), _probe),
    Stage("implicit", ("activations.npz", *VECTOR_FILES), _implicit),
    Stage("intensity", ("activations.npz", *VECTOR_FILES), _intensity),
    Stage("report", ("activations.npz", *VECTOR_FILES, *RESULT_FILES), _report, True),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)
