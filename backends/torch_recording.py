"""One forward pass of a torch decoder that pools residuals in hooks and stops when it has them.

Knows nothing about checkpoints or how texts are batched. Passes may run in several threads at
once: each thread records its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from evmlx.backends import TokenBatch
from evmlx.errors import EvmlxError


class _LastBlockDone(Exception):
    """Ends a forward pass once everything wanted is recorded."""


class _Pass(threading.local):
    """What the pass of this thread is pooling."""

    weights: torch.Tensor  # (B, 1, T)
    pooled: dict[int, torch.Tensor]


class PooledPass:
    """Forward passes of a decoder that give pooled residuals.

    Parameters
    ----------
    decoder : Module
        Called with ``input_ids``; never the vocabulary projection.
    blocks : ModuleList
        Its decoder blocks.
    architecture : str
        For messages.
    hidden_size : int
        Width of the residual stream.
    """

    def __init__(
        self,
        decoder: torch.nn.Module,
        blocks: torch.nn.ModuleList,
        architecture: str,
        hidden_size: int,
    ) -> None:
        self.decoder, self.blocks = decoder, blocks
        self.architecture, self.hidden_size = architecture, hidden_size
        self._pass = _Pass()

    @contextmanager
    def recording(self, layers: Sequence[int]) -> Iterator[None]:
        """Hook the wanted blocks, for passes in any thread; the hooks go in any case."""

        def hook(layer: int) -> Callable[..., None]:
            return lambda _module, _inputs, output: self._record(layer, output, layers[-1])

        handles = [self.blocks[layer].register_forward_hook(hook(layer)) for layer in layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __call__(self, batch: TokenBatch, layers: Sequence[int], device: str) -> np.ndarray:
        """Pool the residuals of one batch; `recording` must be on for the same layers.

        No attention mask is passed: a causal decoder cannot see the padding on the right, and
        without a mask torch takes its faster attention kernels.

        Returns
        -------
        ndarray of float32, shape (batch, layers, hidden)
        """
        ids = torch.from_numpy(batch.ids).to(device)
        here = self._pass
        here.weights = torch.from_numpy(batch.weights).to(device)[:, None, :]
        here.pooled = {}
        with torch.inference_mode():
            try:
                self.decoder(input_ids=ids, use_cache=False)
            except _LastBlockDone:
                pass
            missing = [layer for layer in layers if layer not in here.pooled]
            if missing:
                raise EvmlxError(self._unexpected(missing[0], "was not called"))
            stacked = torch.stack([here.pooled[layer] for layer in layers], dim=1)
            pooled: np.ndarray = stacked.cpu().numpy()  # (B, layers, D)
        here.pooled = {}
        return pooled

    def _record(self, layer: int, output: Any, last: int) -> None:
        here = self._pass
        h = output[0] if isinstance(output, tuple) else output  # (B, T, D)
        batch, _, positions = here.weights.shape
        if layer in here.pooled:
            raise EvmlxError(self._unexpected(layer, "was called twice"))
        if h.shape != (batch, positions, self.hidden_size):
            raise EvmlxError(self._unexpected(layer, f"gave shape {tuple(h.shape)}"))
        # Pooled at once: the model may change h in place afterwards.
        here.pooled[layer] = torch.bmm(here.weights, h.float())[:, 0]
        if layer == last:
            raise _LastBlockDone

    def _unexpected(self, layer: int, what: str) -> str:
        return (
            f"{self.architecture}: block {layer} {what}, where one output of shape "
            f"(batch, positions, {self.hidden_size}) was expected: its layers are not plain "
            "residual blocks, evmlx does not measure it"
        )
