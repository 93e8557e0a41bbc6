"""The MLX engine: any checkpoint that mlx-lm loads, quantized or not.

Pools inside the blocks' own calls and evaluates the pooled arrays only: laziness then computes
neither later blocks nor the vocabulary projection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# MLX would round the factors of float32 products to 10 bits on GPUs that can (M5, CUDA).
os.environ.setdefault("MLX_ENABLE_TF32", "0")
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

from evmlx.backends import ModelInfo, OutOfMemory, TokenBatch
from evmlx.backends import mlx_config as configs
from evmlx.backends.mlx_device import DTYPES, call_if_there, device_info, device_name
from evmlx.backends.mlx_loading import (
    declared_quantization,
    dequantize_weights,
    exact_embedding_scale,
    first_line,
    load,
    quantize_weights,
)
from evmlx.backends.mlx_rotary import correct_yarn
from evmlx.backends.mlx_weights import checkpoint_dtype
from evmlx.errors import EvmlxError

BUCKET = 64  # positions; MLX keeps freed buffers by size, and every new length would add its own
MEMORY = re.compile(r"allocat|insufficient memory|out ?of ?memory|resource limit", re.IGNORECASE)


class _LastBlockDone(Exception):
    """Ends a forward pass once everything wanted is recorded."""


class MLXBackend:
    """A checkpoint that mlx-lm knows, loaded for measuring.

    Parameters
    ----------
    folder : Path
        Local checkpoint folder: transformers' layout, or as mlx-lm converts it.
    dtype : str
        As `choose_dtype` returns it; ``auto`` is the checkpoint's own.
    quantize : str or None
        ``8bit``, ``6bit``, ``4bit`` or ``3bit``: affine, in groups of 64 where the widths allow.
    device : str
        As `choose_device` returns it.

    Raises
    ------
    EvmlxError
        If mlx-lm cannot load the checkpoint, or its blocks write to no plain residual stream.
    """

    def __init__(
        self,
        folder: Path,
        dtype: str = "auto",
        quantize: str | None = None,
        device: str = "cpu",
    ) -> None:
        mx.set_default_device(mx.gpu if device == "gpu" else mx.cpu)
        config = configs.read_config(folder)
        own = configs.arguments_class(config, folder)
        changes = configs.changes(config, own, folder)
        self.model, config = load(folder, config, changes)
        correct_yarn(self.model, {**configs.text_config(config), **changes})
        if dtype != "auto":
            self.model.set_dtype(DTYPES[dtype])
        quantization = declared_quantization(config)
        if quantize:
            quantization = quantize_weights(self.model, config, folder, quantize)
        if device == "cpu" and dequantize_weights(self.model):
            quantization = f"{quantization}; dequantized on load"
        exact_embedding_scale(self.model)
        # The vocabulary projection is never used: left unevaluated, it takes no memory.
        parameters = tree_flatten(self.model.parameters())
        try:
            with _mlx_errors():
                mx.eval([value for name, value in parameters if "lm_head" not in name])
        except OutOfMemory as error:
            raise EvmlxError(
                f"the weights in {folder} do not fit into memory ({error}): take a smaller or "
                "quantized model, or --quantize 4bit"
            ) from error
        self.longest = configs.longest_text(config, own)
        self.info = ModelInfo(
            architecture=(config.get("architectures") or [config["model_type"]])[0],
            layers=len(self.model.layers),
            hidden_size=configs.width_of(config),
            dtype=checkpoint_dtype(folder) if dtype == "auto" else dtype,
            quantization=quantization,
            device=device_name(device),
        )
        self._bucket = 0
        self._seen: set[tuple[int, ...]] = set()
        call_if_there("reset_peak_memory")

    def pooled_residuals(self, batch: TokenBatch, layers: Sequence[int]) -> np.ndarray:
        """See `evmlx.backends.Backend`."""
        if self.longest is not None and batch.lengths.max() > self.longest[0]:
            name = batch.names[int(batch.lengths.argmax())]
            raise EvmlxError(
                f"text {name} has {batch.lengths.max()} tokens, but mlx-lm {self.longest[1]} of "
                f"{self.info.architecture}, which matters beyond {self.longest[0]}: use "
                "--backend torch, or shorten the text"
            )
        bucket = -(-batch.ids.shape[1] // BUCKET)
        if bucket != self._bucket:
            call_if_there("clear_cache")
            self._bucket = bucket
        with _mlx_errors(), _wired():
            return self._forward(batch, tuple(layers))

    def _forward(self, batch: TokenBatch, layers: tuple[int, ...]) -> np.ndarray:
        ids = mx.array(batch.ids.astype(np.int32))
        weights = mx.array(batch.weights)[:, :, None]  # (B, T, 1)
        pooled: dict[int, mx.array] = {}
        # The first pass goes through all blocks, unevaluated, to see that none is run twice.
        last = layers[-1] if layers in self._seen else None

        def record(layer: int, output: Any) -> None:
            """Pool a block's output."""
            h = output[0] if isinstance(output, tuple) else output
            if h.shape != (*ids.shape, self.info.hidden_size) or layer in pooled:
                raise EvmlxError(self._unexpected(layer, h.shape, layer in pooled))
            # Pooled at once: the model may change h in place afterwards.
            pooled[layer] = (h.astype(mx.float32) * weights).sum(axis=1)  # (B, D)
            if layer == last:
                raise _LastBlockDone

        with recording(self.model.layers, layers, record):
            try:
                self.model(ids)
            except _LastBlockDone:
                pass
        missing = [layer for layer in layers if layer not in pooled]
        if missing:
            raise EvmlxError(self._unexpected(missing[0], None, False))
        stacked = mx.stack([pooled[layer] for layer in layers], axis=1)
        mx.eval(stacked)
        self._seen.add(layers)
        return np.array(stacked)

    def _unexpected(self, layer: int, shape: tuple[int, ...] | None, again: bool) -> str:
        what = "was not called" if shape is None else f"gave shape {tuple(shape)}"
        if again:
            what = "was called twice"
        return (
            f"{self.info.architecture}: block {layer} {what}, where one output of shape "
            f"(batch, positions, {self.info.hidden_size}) was expected: its layers are not "
            "plain residual blocks, evmlx does not measure it"
        )

    def peak_memory(self) -> int | None:
        """Peak bytes that MLX had allocated since the weights were loaded, these included."""
        peak = call_if_there("get_peak_memory")
        return int(peak) if peak else None


@contextmanager
def recording(
    blocks: Sequence[nn.Module], layers: Sequence[int], record: Callable[[int, Any], None]
) -> Iterator[None]:
    """Call ``record(layer, output)`` after each wanted block; undone in any case.

    The block object stays where it is and becomes an instance of a subclass of its class: a
    model whose ``layers`` is a copy is seen too, and ``isinstance`` and attributes work on.
    """
    wanted = [(layer, blocks[layer], type(blocks[layer])) for layer in layers]

    def recorder(layer: int, cls: type) -> Callable[..., Any]:
        """Return a ``__call__`` that passes on what the class's own returns."""

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            output = cls.__call__(self, *args, **kwargs)
            record(layer, output)
            return output

        return call

    try:
        for layer, block, cls in wanted:
            subclass = type(cls.__name__, (cls,), {"__call__": recorder(layer, cls)})
            # nn.Module is a dict of parameters: only object's own setter changes the class.
            object.__setattr__(block, "__class__", subclass)
        yield
    finally:
        for _, block, cls in wanted:
            object.__setattr__(block, "__class__", cls)


@contextmanager
def _mlx_errors() -> Iterator[None]:
    """Turn MLX's failed allocations into `OutOfMemory`, and its other errors into a line."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or MEMORY.search(str(error)):
            call_if_there("clear_cache")
            raise OutOfMemory(first_line(error)) from error
        if type(error) is not RuntimeError:  # Python's own, a mistake of ours
            raise
        raise EvmlxError(f"MLX cannot compute this model here: {first_line(error)}") from error


@contextmanager
def _wired() -> Iterator[None]:
    """Keep weights wired while computing, up to what the device recommends, as mlx-lm does."""
    size = device_info().get("max_recommended_working_set_size")
    if not size or not hasattr(mx, "set_wired_limit"):
        yield
        return
    before = mx.set_wired_limit(size)
    try:
        yield
    finally:
        mx.synchronize()
        mx.set_wired_limit(before)
