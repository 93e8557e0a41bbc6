"""Runs stimuli through a backend into checksummed shards, and shards into activations.npz.

One shard is one batch, written whole or not at all, so that a killed extraction goes on where
it was. Knows nothing about emotions.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.backends import Backend, OutOfMemory
from evmlx.errors import EvmlxError
from evmlx.progress import Progress, say
from evmlx.stimuli import KINDS, Stimulus, plan_batches, token_batch
from evmlx.store import Activations, replacing, write_npz_members

ROWS_AT_A_TIME = 256


@dataclass(frozen=True)
class Row:
    """Where a stimulus lies: a shard, the bytes before its first value, its number of values."""

    shard: Path
    offset: int
    values: int


def extract(
    folder: Path,
    stimuli: Sequence[Stimulus],
    backend: Callable[[], Backend],
    layers: Sequence[int],
    batch_tokens: int,
) -> Backend | None:
    """Pool the residuals of every stimulus that `folder` does not hold yet.

    Parameters
    ----------
    folder : Path
        Run folder; shards go to ``activations/`` and end in ``activations.npz``.
    stimuli : sequence of Stimulus
        Everything to measure; a stimulus is known by its place in this sequence.
    backend : callable
        Loads the engine; called only when something is left to do.
    layers : sequence of int
        Layers to sample, ascending.
    batch_tokens : int
        Padded tokens in a batch.

    Returns
    -------
    Backend or None
        The engine, where it was needed.

    Raises
    ------
    EvmlxError
        On a non-finite residual (names text, layer and dtype), a text that does not fit into
        memory alone, or a full disk.
    """
    shards = folder / "activations"
    shards.mkdir(parents=True, exist_ok=True)
    rows = read_shards(shards, len(stimuli), layers)
    engine = None
    if len(rows) < len(stimuli):
        engine = backend()
        if rows:
            say(f"going on: {len(rows)} of {len(stimuli)} texts are there already")
        _run_batches(shards, stimuli, set(rows), engine, layers, batch_tokens)
        rows = read_shards(shards, len(stimuli), layers)
    assemble(folder / "activations.npz", stimuli, rows, layers)
    shutil.rmtree(shards)
    return engine


def _run_batches(
    shards: Path,
    stimuli: Sequence[Stimulus],
    done: set[int],
    engine: Backend,
    layers: Sequence[int],
    budget: int,
) -> None:
    # Batches are planned over all stimuli, done or not, so that a resumed run computes
    # each text in the same company as an undisturbed one.
    batches = plan_batches([len(s.ids) for s in stimuli], budget)
    left = [index for index in range(len(stimuli)) if index not in done]
    with Progress(len(left), sum(len(stimuli[i].ids) for i in left)) as progress:
        for batch in batches:
            wanted = [index for index in batch if index not in done]
            pieces = plan_batches([len(stimuli[i].ids) for i in wanted], budget)
            while pieces:
                rows = [wanted[i] for i in pieces[0]]
                texts = [stimuli[i] for i in rows]
                try:
                    pooled = _pool(texts, engine, layers)
                except OutOfMemory as error:
                    budget = _halved(texts, error)
                    lengths = [len(s.ids) for s in texts]
                    halves = plan_batches(lengths, budget)
                    pieces[:1] = [[pieces[0][i] for i in half] for half in halves]
                    continue
                write_shard(shards, rows, pooled)
                del pieces[0]
                progress.advance(len(rows), sum(len(s.ids) for s in texts))


def _halved(texts: Sequence[Stimulus], error: OutOfMemory) -> int:
    longest = max(len(s.ids) for s in texts)
    if len(texts) == 1:
        raise EvmlxError(
            f"text {texts[0].id} ({longest} tokens) does not fit into memory even alone "
            f"({error}): use a smaller --dtype or --quantize, or a device with more memory"
        ) from error
    budget = longest * ((len(texts) + 1) // 2)
    say(f"out of memory with {len(texts)} texts of {longest} tokens: going on with half")
    return budget


def _pool(texts: Sequence[Stimulus], engine: Backend, layers: Sequence[int]) -> np.ndarray:
    """(text, layer, hidden) float32, finite."""
    pooled = engine.pooled_residuals(token_batch(texts), layers)
    for row in map(int, np.flatnonzero(~np.isfinite(pooled).all(axis=(1, 2)))):
        if len(texts) > 1:
            # Alone, no padding can be to blame: what is left is the text's own.
            pooled[row] = engine.pooled_residuals(token_batch([texts[row]]), layers)[0]
        finite = np.isfinite(pooled[row]).all(axis=1)
        if not finite.all():
            layer = layers[int(np.argmin(finite))]
            raise EvmlxError(
                f"the residuals of text {texts[row].id} are not finite at layer {layer} in "
                f"{engine.info.dtype}: use a --dtype with a wider range (bfloat16 or float32)"
            )
    return pooled


def write_shard(shards: Path, rows: Sequence[int], pooled: np.ndarray) -> None:
    """Write one batch: a JSON line with its rows and checksum, then float32 values.

    Parameters
    ----------
    shards : Path
        Folder of the shards.
    rows : sequence of int
        Which stimuli these are.
    pooled : ndarray of float32, shape (rows, layers, hidden)
        Their pooled residuals.
    """
    payload = np.ascontiguousarray(pooled, dtype="<f4").tobytes()
    header = {
        "rows": list(rows),
        "shape": list(pooled.shape),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    with replacing(shards / f"{rows[0]:08d}.shard") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(payload)


def read_shards(shards: Path, count: int, layers: Sequence[int]) -> dict[int, Row]:
    """Find what the shards hold; a damaged shard is deleted, with a line that says so.

    Returns
    -------
    dict of int to Row
        By place of the stimulus.
    """
    found: dict[int, Row] = {}
    for path in sorted(shards.glob("*.shard")):
        with path.open("rb") as file:
            first = file.readline()
            payload = file.read()
        header = _header(first, payload)
        if header is None or max(header["rows"]) >= count or header["shape"][1] != len(layers):
            say(f"{path.name} is damaged: its texts are computed again")
            path.unlink()
            continue
        values = header["shape"][1] * header["shape"][2]
        for place, row in enumerate(header["rows"]):
            found[row] = Row(path, len(first) + 4 * values * place, values)
    return found


def _header(line: bytes, payload: bytes) -> dict[str, Any] | None:
    try:
        header: dict[str, Any] = json.loads(line)
        intact = header["sha256"] == hashlib.sha256(payload).hexdigest()
    except (ValueError, KeyError, TypeError):
        return None
    return header if intact else None


def assemble(
    path: Path, stimuli: Sequence[Stimulus], rows: dict[int, Row], layers: Sequence[int]
) -> None:
    """Write activations.npz from the shards, a few hundred rows in memory at a time.

    Keys: ``layers``; per kind of stimuli ``<kind>__ids``, ``<kind>__tokens`` and, per layer,
    ``<kind>__layer_<l>`` of shape (texts, hidden), float32.
    """

    def members() -> Iterator[tuple[str, np.dtype[Any], tuple[int, ...], Iterator[np.ndarray]]]:
        """Name, type, shape and pieces of each array, in turn."""
        yield _member("layers", np.array(layers, dtype=np.int32))
        for kind in KINDS:
            places = [i for i, s in enumerate(stimuli) if s.kind == kind]
            if not places:
                continue
            ids = np.array([stimuli[i].id for i in places])
            tokens = np.array([len(stimuli[i].ids) for i in places], dtype=np.int32)
            yield _member(f"{kind}__ids", ids)
            yield _member(f"{kind}__tokens", tokens)
            hidden = rows[places[0]].values // len(layers)
            for k, layer in enumerate(layers):
                shape = (len(places), hidden)
                pieces = _pieces([rows[i] for i in places], 4 * hidden * k, hidden)
                yield f"{kind}__layer_{layer}", np.dtype("<f4"), shape, pieces

    with replacing(path) as file:
        write_npz_members(file, members())


def _member(
    name: str, array: np.ndarray
) -> tuple[str, np.dtype[Any], tuple[int, ...], Iterator[np.ndarray]]:
    return name, array.dtype, array.shape, iter([array])


def _pieces(rows: Sequence[Row], skip: int, hidden: int) -> Iterator[np.ndarray]:
    for begin in range(0, len(rows), ROWS_AT_A_TIME):
        block = rows[begin : begin + ROWS_AT_A_TIME]
        piece = np.empty((len(block), hidden), dtype="<f4")
        for line, row in enumerate(block):
            with row.shard.open("rb") as file:
                file.seek(row.offset + skip)
                piece[line] = np.frombuffer(file.read(4 * hidden), dtype="<f4")
        yield piece


def load_activations(path: Path, kind: str) -> Activations | None:
    """Read one kind of stimuli from activations.npz.

    Parameters
    ----------
    path : Path
        ``activations.npz`` of a run folder.
    kind : str
        One of `evmlx.stimuli.KINDS`.

    Returns
    -------
    Activations or None
        None where the run has no such stimuli.

    Raises
    ------
    EvmlxError
        If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            layers = tuple(int(layer) for layer in archive["layers"])
            if f"{kind}__ids" not in archive.files:
                return None
            ids = tuple(str(i) for i in archive[f"{kind}__ids"])
            tokens = archive[f"{kind}__tokens"]
            first = archive[f"{kind}__layer_{layers[0]}"]
            pooled = np.empty((len(ids), len(layers), first.shape[1]), dtype=np.float32)
            pooled[:, 0] = first
            del first
            for k, layer in enumerate(layers[1:], 1):
                pooled[:, k] = archive[f"{kind}__layer_{layer}"]
    except FileNotFoundError:
        raise EvmlxError(
            f"{path} is missing: run `evmlx extract` first, or without --skip-extraction"
        ) from None
    except (ValueError, KeyError, OSError) as error:
        raise EvmlxError(f"{path} is damaged ({error}): delete it and run again") from error
    return Activations(ids, tokens, layers, pooled)
