"""`evmlx run` as a function: from a model's name to a finished run folder."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evmlx import __version__
from evmlx.corpus import with_norms
from evmlx.errors import EvmlxError
from evmlx.estimate import Estimate, estimate, parameters
from evmlx.extract import extract, load_activations
from evmlx.norms_record import norms_entry
from evmlx.parity import fingerprint
from evmlx.pipeline import beside_published, claim, intact, note, run_stages
from evmlx.progress import clock, say
from evmlx.stages import STAGE_NAMES, Run
from evmlx.stimuli import primary_layer, stimuli_digest
from evmlx.store import file_sha256, locked
from evmlx.subject import Subject, settle

if TYPE_CHECKING:
    from evmlx.backends.engines import Engine
    from evmlx.models.checkpoints import Checkpoint

CORE_PACKAGES = ("numpy", "scipy", "scikit-learn", "tokenizers", "transformers")


@dataclass(frozen=True)
class Settings:
    """What a run is asked for; every field has the meaning of the option of that name.

    Attributes
    ----------
    model : str, Checkpoint or None
        Hub id, folder, GGUF file or embedded name, or a checkpoint that is found already; None
        for the embedded default.
    revision : str or None
        Hub revision.
    corpus : Path or None
        Folder of a corpus; None for the shipped one.
    norms : Path or None
        Table of human norms to take instead of the corpus' own.
    backend, device, dtype : str
        Engine, device and computing type, or ``auto``.
    quantize : str or None
        Quantize the weights on load.
    layers : str or None
        See `evmlx.stimuli.sampled_layers`.
    batch_tokens : int or None
        Padded tokens in a batch; None for what suits the device.
    limit : int or None
        Stories to take, balanced over emotions; None for all.
    name : str or None
        Name of the run folder.
    out : Path
        Where run folders lie.
    seed : int
        Of every random generator.
    """

    model: str | Checkpoint | None = None
    revision: str | None = None
    corpus: Path | None = None
    norms: Path | None = None
    backend: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    quantize: str | None = None
    layers: str | None = None
    batch_tokens: int | None = None
    limit: int | None = None
    name: str | None = None
    out: Path = Path("results")
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """Everything settled before the first text is run.

    Attributes
    ----------
    folder : Path
        Run folder.
    engine : Engine
        Where it runs.
    subject : Subject
        What is measured, and with what.
    batch_tokens : int
        Padded tokens in a batch.
    """

    folder: Path
    engine: Engine
    subject: Subject
    batch_tokens: int


def plan(settings: Settings) -> Plan:
    """Find the model, the corpus and the engine, and tokenize.

    Raises
    ------
    EvmlxError
        If something is missing or wrong; nothing has been written then.
    """
    from evmlx.backends.engines import choose_engine, settled

    engine = choose_engine(settings.backend, settings.device, settings.dtype, settings.quantize)
    if settings.batch_tokens is not None and settings.batch_tokens < 1:
        raise EvmlxError(f"--batch-tokens {settings.batch_tokens}: give at least 1")
    subject = settle(
        settings.model, settings.revision, settings.corpus, settings.limit, settings.layers
    )
    subject = replace(subject, corpus=with_norms(subject.corpus, settings.norms))
    run_name = subject.checkpoint.run_name
    if settings.quantize:
        run_name += f"-{settings.quantize}"
    engine = settled(engine, subject.checkpoint.folder)
    return Plan(
        folder=settings.out / (settings.name or run_name),
        engine=engine,
        subject=subject,
        batch_tokens=settings.batch_tokens or engine.batch_tokens,
    )


def dry_run(settings: Settings) -> Estimate:
    """Say what a run would take, without loading the weights or writing a run folder."""
    planned = plan(settings)
    return estimate(
        planned.subject.checkpoint.folder,
        planned.subject.stimuli,
        planned.subject.layers[-1],
        planned.batch_tokens,
        planned.engine.dtype,
        planned.engine.rate(),
        packed=planned.engine.name == "mlx" and planned.engine.device != "cpu",
    )


def measure(
    settings: Settings,
    *,
    stages: Sequence[str] = STAGE_NAMES,
    skip_extraction: bool = False,
    command: str = "",
) -> Run:
    """Run a model through the corpus and analyse what it gives.

    Parameters
    ----------
    settings : Settings
        What to run.
    stages : sequence of str
        Analysis stages to run after extraction.
    skip_extraction : bool
        Analyse the activations that are there.
    command : str
        Recorded in run.json, so that a reader can repeat it.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    EvmlxError
        One line on what is wrong; whatever was computed is kept, and the same call goes on.
    """
    planned = plan(settings)
    record = describe(planned, settings, command)
    if settings.name is None:
        planned = replace(planned, folder=beside_published(planned.folder, record))
    with locked(planned.folder):
        record = claim(planned.folder, record)
        run = Run(planned.folder, planned.subject.corpus, record)
        say(
            f"{planned.subject.checkpoint.name} on {planned.engine.name} ({planned.engine.device}, "
            f"{planned.engine.dtype}): {planned.folder}"
        )
        for lack in planned.subject.corpus.lacks:
            say(f"note: {lack}")
        if not skip_extraction:
            _extraction(run, planned)
        run_stages(run, stages)
    return run


def _extraction(run: Run, planned: Plan) -> None:
    path = planned.folder / "activations.npz"
    done = run.record["stages"].get("extract")
    if done and intact(planned.folder, done["writes"]):
        say("extract: up to date")
        return
    path.unlink(missing_ok=True)
    start = time.monotonic()
    subject = planned.subject
    engine = extract(
        planned.folder,
        subject.stimuli,
        lambda: planned.engine.load(subject.checkpoint.folder),
        subject.layers,
        planned.batch_tokens,
    )
    written = [path, *_token_embeddings(planned)]
    probes = load_activations(path, fingerprint.KIND)
    if probes is not None:
        run.record["fingerprint"] = fingerprint.fingerprint(probes)
    seconds = time.monotonic() - start
    if engine is not None:
        run.record["timings"]["peak_device_memory_bytes"] = engine.peak_memory()
    say(f"extract: {clock(seconds)}")
    note(run, "extract", seconds, {"writes": {file.name: file_sha256(file) for file in written}})


def _token_embeddings(planned: Plan) -> list[Path]:
    """Write the stories' pooled token embeddings; without them a control is left out."""
    from evmlx.models.token_embeddings import save, token_embeddings

    subject, path = planned.subject, planned.folder / "token_embeddings.npz"
    told = {story.id: story for story in subject.corpus.stories}
    stories = [stimulus for stimulus in subject.stimuli if stimulus.kind == "stories"]
    try:
        found = token_embeddings(
            subject.checkpoint.folder,
            stories,
            [told[stimulus.id].emotion for stimulus in stories],
            [told[stimulus.id].topic_id for stimulus in stories],
            subject.corpus.emotions,
            subject.shape.hidden_size,
        )
    except EvmlxError as error:
        say(f"note: the control by token embeddings is left out ({error})")
        return []
    save(path, found)
    return [path]


def describe(planned: Plan, settings: Settings, command: str) -> dict[str, Any]:
    """Return run.json as it stands before extraction.

    Parameters
    ----------
    planned : Plan
        What will be run.
    settings : Settings
        What was asked for.
    command : str
        How it was asked for.
    """
    subject, engine = planned.subject, planned.engine
    checkpoint, corpus = subject.checkpoint, subject.corpus
    versions = {name: version(name) for name in (*CORE_PACKAGES, *engine.packages)}
    return {
        "schema": 1,
        "model": {
            "name": checkpoint.name,
            "reference": checkpoint.reference,
            "source": checkpoint.source,
            "revision": checkpoint.revision,
            "quantization": checkpoint.quantization,
            "rounded": _rounded(checkpoint),
            "license": checkpoint.license,
            "parameters": parameters(checkpoint.folder),
            **{k: v for k, v in asdict(subject.shape).items() if k != "context"},
        },
        "backend": engine.name,
        "device": engine.device,
        "dtype": engine.dtype,
        "quantize": settings.quantize,
        "corpus": {
            "name": corpus.name,
            "version": corpus.version,
            "digest": corpus.digest,
            "path": str(settings.corpus) if settings.corpus else None,
            "limit": settings.limit,
            "stories": len(corpus.stories),
            "dialogues": len(corpus.dialogues),
            "passages": len(corpus.passages),
            "scenarios": len(corpus.scenarios),
            "intensity": len(corpus.intensity),
            "lacks": list(corpus.lacks),
        },
        "norms": norms_entry(corpus, settings.norms),
        "stimuli": stimuli_digest(subject.stimuli),
        "tokens": sum(len(s.ids) for s in subject.stimuli),
        "batch_tokens": planned.batch_tokens,
        "layers": list(subject.layers),
        "primary_layer": primary_layer(subject.layers, subject.shape.layers),
        "chat_template": any(s.kind == "scenarios_last" for s in subject.stimuli),
        "pooling": "mean over positions t >= min(50, n // 2) of n tokens",
        "seed": settings.seed,
        "command": command,
        "versions": {"evmlx": __version__, "python": platform.python_version(), **versions},
        "stages": {},
        "timings": {},
    }


def _rounded(checkpoint: Checkpoint) -> dict[str, int] | None:
    if checkpoint.rounded is None:
        return None
    bits, group = checkpoint.rounded
    return {"bits": bits, "group": group}
