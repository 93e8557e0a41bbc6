"""What the measurement asks of an engine, and how an engine is chosen.

Knows nothing about models or emotions: a backend turns token ids into pooled residuals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class TokenBatch:
    """Texts as token ids, padded on the right, with the weights that pool their positions.

    Attributes
    ----------
    ids : ndarray of int64, shape (batch, positions)
        Token ids. Padding is any valid id: causal models cannot see it from real positions.
    lengths : ndarray of int64, shape (batch,)
        Number of real tokens of each text.
    weights : ndarray of float32, shape (batch, positions)
        Weight of each position in the pooled residual; 0 on padding. Mean pooling gives each
        pooled position 1 / count.
    names : tuple of str, length batch
        Ids of the texts, for messages.
    """

    ids: np.ndarray
    lengths: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class ModelInfo:
    """What was loaded, as `run.json` records it.

    Attributes
    ----------
    architecture : str
        The checkpoint's own name for its class, e.g. ``LlamaForCausalLM``.
    layers : int
        Number of decoder blocks.
    hidden_size : int
        Width of the residual stream.
    dtype : str
        Type that the blocks compute in.
    quantization : str or None
        Weight format where it is not the dtype itself.
    device : str
        Where the blocks ran, e.g. ``cpu`` or ``cuda:0 (NVIDIA H100)``.
    """

    architecture: str
    layers: int
    hidden_size: int
    dtype: str
    quantization: str | None
    device: str


class Backend(Protocol):
    """An engine with a checkpoint loaded."""

    info: ModelInfo

    def pooled_residuals(self, batch: TokenBatch, layers: Sequence[int]) -> np.ndarray:
        """Residuals after each wanted block, summed over positions with ``batch.weights``.

        Parameters
        ----------
        batch : TokenBatch
            Texts padded on the right.
        layers : sequence of int
            Blocks, counted from 0, ascending.

        Returns
        -------
        ndarray of float32, shape (batch, layers, hidden)

        Raises
        ------
        OutOfMemory
            If the batch does not fit; the caller may try again with a smaller one.
        """
        ...

    def peak_memory(self) -> int | None:
        """Peak bytes of device memory so far, or None where the engine cannot tell."""
        ...


class OutOfMemory(Exception):
    """A batch did not fit into the engine's memory; a smaller one may."""
