"""Tensors of a GGUF file -> tensors of an MLX checkpoint, a few rows at a time.

Affine groups of 32 keep their integers; everything else is dequantised exactly, in float32. No more
than a few hundred megabytes are in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evmlx.backends.mlx_quantize import pack
from evmlx.errors import EvmlxError
from evmlx.gguf.blocks import BITS, GROUP, affine_groups
from evmlx.gguf.file import GgufTensor
from evmlx.models.weight_files import Entry, Outgoing

_PIECE = 16_000_000  # weights read at a time


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

    @property
    def bits(self) -> int | None:
        """Bits of a weight where the tensor stays quantized, None where it becomes dense."""
        # MLX quantizes the matrices of linear layers and embeddings only.
        matrix = len(self.shape) == 2 and self.name.endswith(".weight") and not self.shift
        return BITS.get(self.source.type.name) if matrix else None

    def entries(self, dtype: np.dtype[Any]) -> tuple[Entry, ...]:
        """What is written of it, with scales, biases and dense weights in this type."""
        code = f"F{8 * dtype.itemsize}"
        if self.bits is None:
            return (Entry(self.name, code, self.shape),)
        rows, inputs = self.shape
        module = self.name.removesuffix(".weight")
        return (
            Entry(self.name, "U32", (rows, inputs * self.bits // 32)),
            Entry(f"{module}.scales", code, (rows, inputs // GROUP)),
            Entry(f"{module}.biases", code, (rows, inputs // GROUP)),
        )


def outgoing(tensor: PlannedTensor, dtype: np.dtype[Any]) -> Outgoing:
    """Prepare a tensor for writing.

    Parameters
    ----------
    tensor : PlannedTensor
        Which.
    dtype : numpy dtype
        float32 or float16, for scales, biases and dense weights.

    Returns
    -------
    Outgoing
        Reading its pieces raises `EvmlxError` where a weight is not finite, or does not fit into
        `dtype`.
    """
    read = _dense if tensor.bits is None else _packed
    return Outgoing(tensor.entries(dtype), lambda: read(tensor, dtype))


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


def _rows(tensor: PlannedTensor) -> Iterator[np.ndarray]:
    """Yield the tensor's stored rows in their final order, a few at a time."""
    data = tensor.source.data
    if data.ndim == 1:  # a row for each value, or one row where values share a scale
        data = data.reshape(tensor.size if tensor.source.block == 1 else 1, -1)
    if tensor.heads:
        data = data[_row_order(tensor.shape[0], tensor.heads)]
    rows = max(1, _PIECE // math.prod(tensor.shape[1:]))
    for start in range(0, len(data), rows):
        yield np.ascontiguousarray(data[start : start + rows])


def _dense(tensor: PlannedTensor, dtype: np.dtype[Any]) -> Iterator[bytes]:
    for rows in _rows(tensor):
        values = dequantised(rows, tensor.source)
        with np.errstate(over="ignore", invalid="ignore"):  # judged by the outcome
            if tensor.shift:
                values = values - np.float32(tensor.shift)
        yield _stored(values, tensor, dtype)


def _packed(tensor: PlannedTensor, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """Yield integers a few rows at a time, then all scales, then all biases."""
    bits = tensor.bits
    assert bits is not None
    scales, biases = [], []
    for rows in _rows(tensor):
        with np.errstate(over="ignore", invalid="ignore"):  # judged by the outcome
            groups = affine_groups(rows, tensor.source.type.name)
        scales.append(_stored(groups.scales, tensor, dtype))
        biases.append(_stored(groups.biases, tensor, dtype))
        yield pack(groups.integers, bits).tobytes()
    yield from scales
    yield from biases


def _stored(values: np.ndarray, tensor: PlannedTensor, dtype: np.dtype[Any]) -> bytes:
    with np.errstate(over="ignore", invalid="ignore"):  # judged by the outcome
        stored = values.astype(dtype)
    if not np.isfinite(values).all():
        raise EvmlxError(
            f"tensor {tensor.source.name!r} has a non-finite weight: the file is damaged; "
            "download it again"
        )
    if not np.isfinite(stored).all():
        raise EvmlxError(f"tensor {tensor.source.name!r} does not fit into {dtype.name}")
    return stored.tobytes()


def _row_order(rows: int, heads: int) -> np.ndarray:
    """Rows of a query or key matrix in transformers' order.

    llama.cpp's conversion takes (head, half, i) to (head, i, half); this takes it back.
    """
    order = np.arange(rows).reshape(heads, rows // heads // 2, 2)
    return order.swapaxes(1, 2).reshape(-1)
