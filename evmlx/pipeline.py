"""The order of the stages, what each reads and writes, and which are up to date.

Knows nothing of how a stage computes (`evmlx.stages`) nor of how texts become activations
(`evmlx.extract`).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from evmlx.errors import EvmlxError
from evmlx.norms_record import rated
from evmlx.progress import clock, say
from evmlx.stages import STAGES, Run, Stage
from evmlx.store import file_sha256, locked, read_json, remove_unfinished, write_json

# Fields of run.json that must agree before anything is added to a run folder.
IDENTITY = (
    "model.revision",
    "corpus.digest",
    "layers",
    "dtype",
    "backend",
    "quantize",
    "stimuli",
)


def field(record: dict[str, Any], name: str) -> Any:
    """Value of a dotted field of run.json, or None."""
    value: Any = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def differing(earlier: dict[str, Any], record: dict[str, Any]) -> str | None:
    """Return the first field of `IDENTITY` in which two runs differ, or None."""
    return next((n for n in IDENTITY if field(earlier, n) != field(record, n)), None)


def beside_published(folder: Path, record: dict[str, Any]) -> Path:
    """Return where a run goes that was given no name of its own.

    A checkout holds the reports of published runs without their activations. Such a folder is
    left as it is by a run that differs, which goes beside it.

    Parameters
    ----------
    folder : Path
        The folder of the model's own name.
    record : dict
        What is to be run.
    """
    published = (folder / "run.json").exists() and not list(folder.glob("activations*"))
    if not published or differing(read_json(folder / "run.json"), record) is None:
        return folder
    beside = folder.with_name(f"{folder.name}-{record['backend']}-{record['dtype']}")
    say(f"{folder} is a published run that differs: this one goes to {beside}")
    return beside


def claim(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Make `folder` the home of the run that `record` describes, or find that it is already.

    Parameters
    ----------
    folder : Path
        Run folder, locked by the caller.
    record : dict
        What is to be run; written as run.json before anything else.

    Returns
    -------
    dict
        The record with what an earlier process has already done.

    Raises
    ------
    EvmlxError
        If the folder holds another run; the message names the field that differs.
    """
    path = folder / "run.json"
    remove_unfinished(folder)
    if path.exists():
        earlier = read_json(path)
        name = differing(earlier, record)
        if name is not None:
            raise EvmlxError(
                f"{folder} holds a run whose {name} is {field(earlier, name)}, not "
                f"{field(record, name)}: choose another --name, or delete the folder"
            )
        kept = ("stages", "timings", "fingerprint")
        record.update({name: earlier[name] for name in kept if name in earlier})
    write_json(path, record)
    return record


def run_stages(
    run: Run, names: Sequence[str], *, force: bool = False, announce: Callable[[str], None] = say
) -> None:
    """Run stages in their order; one that is up to date is passed over unless forced.

    Parameters
    ----------
    run : Run
        Folder, corpus and record. Its folder is locked by the caller.
    names : sequence of str
        Stages to run.
    force : bool
        Run them even where nothing changed.
    announce : callable
        Takes one line a stage.
    """
    for stage in STAGES:
        if stage.name not in names:
            continue
        key = _key(run, stage)
        done = run.record.setdefault("stages", {}).get(stage.name)
        if not force and done and done["key"] == key and intact(run.folder, done["writes"]):
            announce(f"{stage.name}: up to date")
            continue
        start = time.monotonic()
        written = stage.run(run)
        seconds = time.monotonic() - start
        announce(f"{stage.name}: {clock(seconds)}")
        note(
            run,
            stage.name,
            seconds,
            {
                "key": key,
                "writes": {
                    str(path.relative_to(run.folder)): file_sha256(path) for path in written
                },
            },
        )


def note(run: Run, stage: str, seconds: float, done: dict[str, Any]) -> None:
    """Record in run.json that a stage is done, and how long it took."""
    run.record.setdefault("stages", {})[stage] = done
    timings = run.record.setdefault("timings", {})
    timings[stage] = round(seconds, 3)
    timings["peak_memory_bytes"] = peak_memory()
    write_json(run.folder / "run.json", run.record)


def peak_memory() -> int:
    """Peak resident bytes of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _key(run: Run, stage: Stage) -> str:
    """Digest of everything that a stage's files depend on."""
    reads = {
        name: _digest(run.folder / name) for name in stage.reads if (run.folder / name).exists()
    }
    names = (*IDENTITY, "seed", "primary_layer", *(("norms.digest",) if stage.rated else ()))
    settings = {name: field(run.record, name) for name in names}
    text = json.dumps([code_digest(), stage.name, reads, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(path: Path) -> str:
    """SHA-256 of a file, read again only where it was touched: several stages read the same."""
    state = path.stat()
    return _digest_of(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _digest_of(path: Path, touched: int, size: int) -> str:  # noqa: ARG001 - part of the key
    return file_sha256(path)


@cache
def code_digest() -> str:
    """SHA-256 over evmlx's own modules: results of other code are not up to date."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted(p for kind in ("py", "css", "js") for p in here.rglob(f"*.{kind}")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def intact(folder: Path, writes: dict[str, str]) -> bool:
    """Whether the files that a stage wrote are there, with the digests that run.json has."""
    return all(
        (folder / name).exists() and _digest(folder / name) == digest
        for name, digest in writes.items()
    )


def rerun(
    folder: Path, names: Sequence[str], norms: Path | None = None, no_texts: bool = False
) -> Run:
    """Run stages again on a finished extraction, as the stage commands do.

    Parameters
    ----------
    folder : Path
        Run folder.
    names : sequence of str
        Stages to run, whether up to date or not.
    norms : Path, optional
        Table of human norms to take from now on.
    no_texts : bool
        Keep the corpus's texts out of the report.

    Raises
    ------
    EvmlxError
        If the folder is no run folder, its corpus or norms have changed, or a file that a stage
        reads is missing.
    """
    check_run_folder(folder)
    with locked(folder):
        record = read_json(folder / "run.json")
        corpus = recorded_corpus(record)
        if any(stage.rated for stage in STAGES if stage.name in names):
            corpus = rated(corpus, record, norms)
        run = Run(folder, corpus, record, texts=not no_texts)
        run_stages(run, names, force=True)
    return run


def recorded_corpus(record: dict[str, Any]) -> Any:
    """Load the corpus that a run was made on.

    Raises
    ------
    EvmlxError
        If it is gone or has another content now.
    """
    from evmlx.corpus import load_corpus, subset

    entry = record["corpus"]
    corpus = load_corpus(Path(entry["path"]) if entry["path"] else None)
    if entry["limit"]:
        corpus = subset(corpus, entry["limit"])
    if corpus.digest != entry["digest"]:
        raise EvmlxError(
            f"the corpus at {corpus.root} has changed since this run (digest {corpus.digest[:12]}, "
            f"run.json says {entry['digest'][:12]}): run `evmlx run` again"
        )
    return corpus


def check_run_folder(folder: Path) -> None:
    """Make sure that a folder is a run folder.

    Raises
    ------
    EvmlxError
        If it is not; the message names the nearest run, or all that are here.
    """
    if not (folder / "run.json").exists():
        raise EvmlxError(f"{folder} is no run folder (it has no run.json): {_nearby(folder)}")


def _nearby(folder: Path) -> str:
    runs = sorted(str(p.parent) for p in folder.parent.glob("*/run.json")) or sorted(
        str(p.parent) for p in Path("results").glob("*/run.json")
    )
    by_name = {Path(run).name: run for run in runs}
    near = difflib.get_close_matches(folder.name, by_name, n=1)
    if near:
        return f"did you mean {by_name[near[0]]}?"
    return f"runs here are {', '.join(runs)}" if runs else "make one with `evmlx run`"
