"""The model's own word vectors: what its input embeddings alone say of the stories.

Reads the rows that are needed from the weight files, quantized or not. Needs no engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evmlx.backends.mlx_weights import StoredTensor, dequantize, stored_tensors
from evmlx.errors import EvmlxError
from evmlx.stimuli import Stimulus
from evmlx.store import write_npz

EMBEDDING = re.compile(
    r"(^|\.)(embed_tokens|tok_embeddings|wte|word_embeddings|embed_in|embedding|embeddings)\.weight$"
)


@dataclass(frozen=True)
class TokenEmbeddings:
    """Token embeddings of the stories, pooled over the same positions as the residuals.

    Attributes
    ----------
    emotions, topics : tuple of str
        Names of the rows and columns.
    cells : ndarray of float32, shape (emotions, topics, hidden)
        Sum over the stories of each cell; 0 where it has none.
    means : ndarray of float32, shape (emotions, hidden)
        Mean over the stories of each emotion.
    """

    emotions: tuple[str, ...]
    topics: tuple[str, ...]
    cells: np.ndarray
    means: np.ndarray


def token_embeddings(
    folder: Path,
    stories: Sequence[Stimulus],
    labels: Sequence[str],
    topic_ids: Sequence[str],
    emotions: Sequence[str],
    hidden: int,
) -> TokenEmbeddings:
    """Pool the input embeddings of stories.

    Parameters
    ----------
    folder : Path
        Checkpoint folder.
    stories : sequence of Stimulus, length N
        As token ids.
    labels, topic_ids : sequence of str, length N
        Emotion and topic of each story.
    emotions : sequence of str
        Order of the rows.
    hidden : int
        Width of the residual stream.

    Raises
    ------
    EvmlxError
        If the checkpoint has no embedding matrix of that width under a name that is known.
    """
    needed = np.unique(np.concatenate([s.ids for s in stories]))
    vectors = _rows(folder, needed, hidden)
    topics = tuple(dict.fromkeys(topic_ids))
    cells = np.zeros((len(emotions), len(topics), hidden))
    for story, emotion, topic in zip(stories, labels, topic_ids, strict=True):
        at = np.searchsorted(needed, story.ids[story.start : story.stop])
        cells[emotions.index(emotion), topics.index(topic)] += vectors[at].mean(axis=0)
    told = np.array([labels.count(emotion) for emotion in emotions])
    means = cells.sum(axis=1) / np.maximum(told, 1)[:, None]
    return TokenEmbeddings(
        tuple(emotions), topics, cells.astype(np.float32), means.astype(np.float32)
    )


def save(path: Path, found: TokenEmbeddings) -> None:
    """Write ``token_embeddings.npz``."""
    arrays = {
        "emotions": np.array(found.emotions),
        "topics": np.array(found.topics),
        "cells": found.cells,
        "means": found.means,
    }
    write_npz(path, arrays)


def _rows(folder: Path, ids: np.ndarray, hidden: int) -> np.ndarray:
    """(ids, hidden) float32: rows of the embedding matrix."""
    tensors = stored_tensors(folder)
    names = [name for name in tensors if EMBEDDING.search(name)]
    if len(names) != 1:
        raise EvmlxError(f"{folder} has {len(names)} matrices that may be its token embeddings")
    name, weight = names[0], tensors[names[0]]
    module = name.removesuffix(".weight")
    scales, biases = tensors.get(f"{module}.scales"), tensors.get(f"{module}.biases")
    if scales is None and weight.shape[-1] == hidden:
        return _read(weight, ids)
    if scales is None or biases is None or scales.dtype == "U8" or _declared_otherwise(folder):
        raise EvmlxError(f"{folder}: {name} has shape {weight.shape}, not rows of {hidden} numbers")
    bits = weight.shape[-1] * 32 // hidden
    return dequantize(weight.read()[ids], _read(scales, ids), _read(biases, ids), bits)


def _read(tensor: StoredTensor, ids: np.ndarray) -> np.ndarray:
    rows: np.ndarray = tensor.read()[ids].astype(np.float32)
    return rows


def _declared_otherwise(folder: Path) -> bool:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return "quantization" not in config
