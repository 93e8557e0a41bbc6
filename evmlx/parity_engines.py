"""Runs both engines on the same token ids, and says which known cause a difference matches."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evmlx.backends import Backend
from evmlx.errors import EvmlxError
from evmlx.estimate import read_shape
from evmlx.parity import FULL, HALF, Bounds, Parity, compare, relative_errors
from evmlx.progress import clock, say
from evmlx.stimuli import Stimulus, plan_batches, sampled_layers, token_batch, tokenize
from evmlx.store import Activations

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
    from evmlx.backends.engines import choose_engine
    from evmlx.checkpoints import load_tokenizer, resolve
    from evmlx.corpus import load_corpus, subset

    if asked.dtype == "auto":
        raise EvmlxError("--dtype auto: both engines need the same type; give float32 or another")
    engines = [
        choose_engine("mlx", "auto", asked.dtype, None),
        choose_engine("torch", asked.device, asked.dtype, None),
    ]
    corpus = subset(load_corpus(asked.corpus), asked.stories)
    checkpoint = resolve(asked.model, revision=asked.revision, say=say)
    shape = read_shape(checkpoint.folder)
    layers = sampled_layers(asked.layers, shape.layers)
    stimuli = tokenize(corpus, load_tokenizer(checkpoint), shape.context)
    stories = [s for s in stimuli if s.kind == "stories"]
    bounds = FULL if asked.dtype == "float32" else HALF
    config = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8"))
    measured = [_measure(engine, checkpoint.folder, [stories], layers)[0] for engine in engines]
    parity = compare(measured[:1], measured[1:], ("mlx", "torch"), bounds)
    if parity.passed:
        return parity
    worst = max(parity.layers, key=lambda entry: entry.worst).worst_text
    text = next(s for s in stories if s.id == worst)
    probes = [[replace(text, ids=text.ids[:1], start=0, stop=1)], [text]]
    mlx, torch = (_measure(engine, checkpoint.folder, probes, layers) for engine in engines)
    one_token, alone = (
        relative_errors(a.pooled[0], b.pooled[0]) for a, b in zip(mlx, torch, strict=True)
    )
    return replace(parity, causes=known_causes(one_token, alone, bounds, config))


def _measure(
    engine: Engine, folder: Path, groups: Sequence[Sequence[Stimulus]], layers: Sequence[int]
) -> list[Activations]:
    """Pool groups of texts with one engine, which is gone from memory afterwards."""
    start = time.monotonic()
    backend = engine.load(folder)
    measured = [_pool(backend, texts, layers) for texts in groups]
    say(f"{engine.name} ({backend.info.device}): {clock(time.monotonic() - start)}")
    return measured


def _pool(backend: Backend, texts: Sequence[Stimulus], layers: Sequence[int]) -> Activations:
    lengths = [len(text.ids) for text in texts]
    pooled = np.empty((len(texts), len(layers), backend.info.hidden_size), np.float32)
    for rows in plan_batches(lengths, BATCH_TOKENS):
        batch = token_batch([texts[row] for row in rows])
        pooled[rows] = backend.pooled_residuals(batch, layers)
    return Activations(
        tuple(text.id for text in texts), np.array(lengths, np.int32), tuple(layers), pooled
    )


def known_causes(
    one_token: np.ndarray, alone: np.ndarray, bounds: Bounds, config: dict[str, Any]
) -> tuple[str, ...]:
    """Name the causes that fit what two probes of a failed comparison gave.

    Parameters
    ----------
    one_token : ndarray, shape (layers,)
        Relative errors of a text of one token: nothing to attend to, and no rotation that
        matters.
    alone : ndarray, shape (layers,)
        Relative errors of the worst text in a batch of its own, without padding.
    bounds : Bounds
        That the comparison failed.
    config : dict
        The checkpoint's config.json.
    """
    causes = []
    if (alone <= bounds.median).all():
        causes.append("padding: the worst text agrees where it is alone in its batch")
    elif (one_token <= bounds.median).all():
        where = "rope_parameters" if "rope_parameters" in config else "rope_theta"
        causes.append(
            f"rotary base ({where} in config.json), or an attention window: a text of one token "
            "agrees, longer ones do not"
        )
    text = config.get("text_config") or config
    if str(text.get("model_type", "")).startswith("gemma") and one_token[0] > bounds.median:
        factor = float(text["hidden_size"]) ** 0.5
        off = abs(_bfloat16(factor) / factor - 1)
        causes.append(
            f"embedding scale: sqrt({text['hidden_size']}) rounded to bfloat16 is {off:.1e} off, "
            f"a text of one token {one_token[0]:.1e} at the first layer compared"
        )
    return tuple(causes)


def _bfloat16(value: float) -> float:
    bits = int(np.float32(value).view(np.uint32))
    bits += 0x7FFF + (bits >> 16 & 1)  # to nearest, ties to even
    return float(np.uint32(bits & 0xFFFF0000).view(np.float32))
