"""Runs both engines on the same token ids, and probes the text that is furthest apart."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evmlx.backends import Backend
from evmlx.errors import EvmlxError
from evmlx.parity.causes import LENGTHS, Probes, known_causes
from evmlx.parity.compare import FULL, HALF, Parity, compare, relative_errors
from evmlx.progress import clock, say
from evmlx.stimuli import Stimulus, plan_batches, token_batch
from evmlx.store import Activations
from evmlx.subject import settle

if TYPE_CHECKING:
    from evmlx.backends.engines import Engine

BATCH_TOKENS = 2048  # some texts a batch, so that padding takes part


@dataclass(frozen=True)
class Asked:
    """What `evmlx parity --model` is asked for; fields as the options of those names."""

    model: str | None = None
    revision: str | None = None
    corpus: Path | None = None
    stories: int = 24
    layers: str | None = None
    dtype: str = "float32"
    device: str = "auto"


def compare_engines(asked: Asked) -> Parity:
    """Measure stories with both engines, one after the other, and compare.

    Raises
    ------
    EvmlxError
        If an engine is missing or cannot load the model.
    """
    from evmlx.backends.engines import choose_engine, settled

    if asked.dtype == "auto":
        raise EvmlxError("--dtype auto: both engines need the same type; give float32 or another")
    engines = [
        choose_engine("mlx", "auto", asked.dtype, None),
        choose_engine("torch", asked.device, asked.dtype, None),
    ]
    subject = settle(asked.model, asked.revision, asked.corpus, asked.stories, asked.layers)
    folder, layers = subject.checkpoint.folder, subject.layers
    engines = [settled(engine, folder) for engine in engines]
    stories = [s for s in subject.stimuli if s.kind == "stories"]
    bounds = FULL if asked.dtype == "float32" else HALF
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    measured = [_measure(engine, folder, [stories], layers)[0] for engine in engines]
    parity = compare(measured[:1], measured[1:], ("mlx", "torch"), bounds)
    if parity.passed:
        return parity
    worst = max(parity.layers, key=lambda entry: entry.worst).worst_text
    row = [story.id for story in stories].index(worst)
    together = relative_errors(measured[0].pooled[row], measured[1].pooled[row])
    probes = _probe(engines, folder, stories[row], layers, together)
    return replace(parity, causes=known_causes(probes, bounds, config))


def _probe(
    engines: Sequence[Engine],
    folder: Path,
    text: Stimulus,
    layers: Sequence[int],
    together: np.ndarray,
) -> Probes:
    """Measure a text alone, and its beginnings, with both engines."""
    lengths = [1, *(n for n in LENGTHS if n < len(text.ids))]
    # Each as a batch of its own: none is padded. Pooled at the end, where a window would show.
    cuts = [replace(text, ids=text.ids[:n], start=n // 2, stop=n) for n in lengths]
    groups = [[text], *([cut] for cut in cuts)]
    one, other = (_measure(engine, folder, groups, layers) for engine in engines)
    alone, *cut = (
        relative_errors(a.pooled[0], b.pooled[0]) for a, b in zip(one, other, strict=True)
    )
    by_length = dict(zip(lengths, cut, strict=True))
    return Probes(tuple(layers), together, alone, by_length.pop(1), by_length)


def _measure(
    engine: Engine, folder: Path, groups: Sequence[Sequence[Stimulus]], layers: Sequence[int]
) -> list[Activations]:
    """Pool groups of texts with one engine, which is gone from memory afterwards."""
    start = time.monotonic()
    backend = engine.load(folder)
    tokens = min(BATCH_TOKENS, engine.batch_tokens)
    measured = [_pool(backend, texts, layers, tokens) for texts in groups]
    say(f"{engine.name} ({backend.info.device}): {clock(time.monotonic() - start)}")
    return measured


def _pool(
    backend: Backend, texts: Sequence[Stimulus], layers: Sequence[int], tokens: int
) -> Activations:
    lengths = [len(text.ids) for text in texts]
    pooled = np.empty((len(texts), len(layers), backend.info.hidden_size), np.float32)
    for rows in plan_batches(lengths, tokens):
        batch = token_batch([texts[row] for row in rows])
        pooled[rows] = backend.pooled_residuals(batch, layers)
    return Activations(
        tuple(text.id for text in texts), np.array(lengths, np.int32), tuple(layers), pooled
    )
