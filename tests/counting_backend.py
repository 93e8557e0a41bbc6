"""An engine in numpy whose residuals have a closed form; also a program that extracts with it.

`python counting_backend.py FOLDER SECONDS` pools 300 texts into FOLDER, so many seconds a batch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evmlx.backends import ModelInfo, OutOfMemory, TokenBatch
from evmlx.extract import extract
from evmlx.stimuli import KINDS, Stimulus

HIDDEN = 6
LAYERS = (1, 4)


def residual(ids: np.ndarray, layer: int) -> np.ndarray:
    """(..., hidden): what this engine's residual stream holds after a block."""
    return np.sin(ids[..., None] * np.arange(1, HIDDEN + 1) + layer).astype(np.float32)


def expected(stimulus: Stimulus, layer: int) -> np.ndarray:
    return residual(stimulus.ids[stimulus.start : stimulus.stop], layer).mean(axis=0)


@dataclass
class CountingBackend:
    """Counts what it is asked for; can be made to run out of memory or of range."""

    seconds: float = 0.0
    most_texts: int = 1000
    overflow: str | None = None
    overflow_in_company: bool = False
    batches: list[tuple[str, ...]] = field(default_factory=list)
    info: ModelInfo = ModelInfo("Counting", 6, HIDDEN, "float16", None, "cpu")

    def pooled_residuals(self, batch: TokenBatch, layers: Sequence[int]) -> np.ndarray:
        time.sleep(self.seconds)
        if len(batch.names) > self.most_texts:
            raise OutOfMemory("no room")
        self.batches.append(batch.names)
        pooled = np.stack(
            [np.einsum("bt,bth->bh", batch.weights, residual(batch.ids, k)) for k in layers], 1
        )
        if self.overflow in batch.names:
            if len(batch.names) > 1 or not self.overflow_in_company:
                pooled[batch.names.index(self.overflow), 1] = np.inf
        return pooled

    def peak_memory(self) -> int | None:
        return None


def some_stimuli(count: int = 300) -> tuple[Stimulus, ...]:
    rng = np.random.default_rng(3)
    stimuli = []
    for i in range(count):
        n = int(rng.integers(2, 60))
        ids = rng.integers(0, 1000, n).astype(np.int32)
        stimuli.append(Stimulus(KINDS[i % 3], f"text-{i}", ids, n // 2, n))
    return tuple(stimuli)


if __name__ == "__main__":
    backend = CountingBackend(seconds=float(sys.argv[2]))
    extract(Path(sys.argv[1]), some_stimuli(), lambda: backend, LAYERS, 400)
