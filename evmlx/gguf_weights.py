"""Tensors of a GGUF file -> safetensors shards, streaming.

Dequantises exactly (scale times integer plus offset, in float32) a few rows at a time, so that no
more than a few hundred megabytes are in memory.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.gguf_file import GgufTensor

_SHARD = 2_000_000_000  # bytes
_PIECE = 16_000_000  # weights dequantised at a time


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor on its way.

    Attributes
    ----------
    name : str
        Its name in the safetensors file.
    source : GgufTensor
        The GGUF tensor.
    shape : tuple of int
        Outermost dimension first.
    heads : int
        Where above 0, rows are interleaved for this many heads, which is undone.
    shift : float
        What the conversion to GGUF added to the weights.
    """

    name: str
    source: GgufTensor
    shape: tuple[int, ...]
    heads: int
    shift: float

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


def dequantised(data: np.ndarray, tensor: GgufTensor) -> np.ndarray:
    """Dequantise rows of a GGUF tensor to float32.

    Parameters
    ----------
    data : ndarray, contiguous
        The rows as they are stored.
    tensor : GgufTensor
        The tensor that they belong to.

    Raises
    ------
    EvmlxError
        If gguf-py cannot read the tensor's type.
    """
    from gguf.quants import dequantize

    try:
        return np.asarray(dequantize(data, tensor.type), dtype=np.float32)
    except NotImplementedError as error:
        raise EvmlxError(
            f"tensor {tensor.name!r} is stored as {tensor.type.name}, which is not "
            "supported; use another quantization or the model's safetensors folder"
        ) from error


def _pieces(tensor: PlannedTensor, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """Yield the tensor's bytes, a few rows at a time."""
    data = tensor.source.data
    if data.ndim == 1:  # a row for each value, or one row where values share a scale
        data = data.reshape(tensor.size if tensor.source.block == 1 else 1, -1)
    if tensor.heads:
        data = data[_row_order(tensor.shape[0], tensor.heads)]
    rows = max(1, _PIECE // math.prod(tensor.shape[1:]))
    for start in range(0, len(data), rows):
        values = dequantised(np.ascontiguousarray(data[start : start + rows]), tensor.source)
        with np.errstate(over="ignore", invalid="ignore"):  # judged by the outcome, below
            if tensor.shift:
                values = values - np.float32(tensor.shift)
            stored = values.astype(dtype)
        if not np.isfinite(values).all():
            raise EvmlxError(
                f"tensor {tensor.source.name!r} has a non-finite weight: the file is damaged; "
                "download it again"
            )
        if not np.isfinite(stored).all():
            raise EvmlxError(f"tensor {tensor.source.name!r} does not fit into {dtype.name}")
        yield stored.tobytes()


def _row_order(rows: int, heads: int) -> np.ndarray:
    """Rows of a query or key matrix in transformers' order.

    llama.cpp's conversion takes (head, half, i) to (head, i, half); this takes it back.
    """
    order = np.arange(rows).reshape(heads, rows // heads // 2, 2)
    return order.swapaxes(1, 2).reshape(-1)


def write_weights(plan: list[PlannedTensor], dtype: np.dtype[Any], folder: Path) -> None:
    """Write shards of about two gigabytes and, where there are several, their index.

    Raises
    ------
    EvmlxError
        If a weight is not finite, or does not fit into `dtype`.
    """
    shards: list[list[PlannedTensor]] = [[]]
    size = 0
    for tensor in plan:
        if shards[-1] and size + tensor.size * dtype.itemsize > _SHARD:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.size * dtype.itemsize
    count = len(shards)
    names = [
        "model.safetensors" if count == 1 else f"model-{i:05d}-of-{count:05d}.safetensors"
        for i in range(1, count + 1)
    ]
    for name, shard in zip(names, shards, strict=True):
        _write_shard(folder / name, shard, dtype)
    if count > 1:
        index = {
            "metadata": {"total_size": sum(tensor.size for tensor in plan) * dtype.itemsize},
            "weight_map": {
                tensor.name: name
                for name, shard in zip(names, shards, strict=True)
                for tensor in shard
            },
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def _write_shard(path: Path, shard: list[PlannedTensor], dtype: np.dtype[Any]) -> None:
    """Write one safetensors file, streaming: length of the header, header, data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in shard:
        end = offset + tensor.size * dtype.itemsize
        header[tensor.name] = {
            "dtype": f"F{8 * dtype.itemsize}",
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for tensor in shard:
            for piece in _pieces(tensor, dtype):
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())
