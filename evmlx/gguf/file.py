"""The container format of GGUF files, versions 2 and 3, little-endian.

Reads metadata and maps tensors; every length is checked against the file's size, so that a damaged
file is an error at once. Knows nothing about models.

References
----------
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"} | {
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_NESTING = 4  # arrays within arrays
_DIMENSIONS = 4  # ggml's own limit


@dataclass(frozen=True)
class GgufTensor:
    """One tensor of a GGUF file.

    Attributes
    ----------
    name : str
        GGUF's name.
    shape : tuple of int
        Outermost dimension first.
    type : gguf.GGMLQuantizationType
        How it is stored.
    block : int
        Values that share a scale; 1 where each stands for itself.
    data : ndarray of uint8
        The stored bytes, mapped, not read: shape with the last dimension in bytes.
    """

    name: str
    shape: tuple[int, ...]
    type: Any
    block: int
    data: np.ndarray


class _Cursor:
    """A place in the mapped file, which moves as values are read."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """Read the next bytes; too few are an error that names the place."""
        if size > len(self.data) - self.at:
            raise EvmlxError(
                f"the GGUF file is damaged or incomplete (a value at byte {self.at} ends after the "
                "end of the file): download it again"
            )
        self.at += size
        return self.data[self.at - size : self.at].tobytes()

    def number(self, code: str) -> Any:
        """Read one number of a `struct` code."""
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        """Read a string, which has its length before it."""
        return self.take(self.number("Q")).decode("utf-8", errors="replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        """Read a metadata value of a GGUF type, arrays included."""
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY or depth == _NESTING:
            raise EvmlxError(f"the GGUF file is damaged (value type {kind}): download it again")
        item, count = self.number("I"), self.number("Q")
        if item in _SCALARS:
            code = _SCALARS[item]
            return np.frombuffer(self.take(count * struct.calcsize(code)), f"<{code}").tolist()
        # Each item takes bytes, so a count that was damaged ends at the end of the file.
        return [self.value(item, depth + 1) for _ in range(count)]


def read_gguf(path: Path) -> tuple[dict[str, Any], list[GgufTensor]]:
    """Read the metadata of a GGUF file and map its tensors.

    Returns
    -------
    metadata : dict
        Key-value pairs; arrays are lists.
    tensors : list of GgufTensor
        In the file's order.

    Raises
    ------
    EvmlxError
        If it is no GGUF file, of another version, damaged or incomplete.
    """
    if path.stat().st_size < 24:
        raise EvmlxError("not a GGUF file, or only the beginning of one: download it again")
    cursor = _Cursor(np.memmap(path, np.uint8, mode="r"))
    if cursor.take(4) != b"GGUF":
        raise EvmlxError("not a GGUF file (it does not begin with 'GGUF')")
    version = cursor.number("I")
    if version not in (2, 3):
        kind = "big-endian" if version and version & 0xFFFF == 0 else f"version {version}"
        raise EvmlxError(f"a {kind} GGUF file is not supported (supported: versions 2 and 3)")
    tensor_count, value_count = cursor.number("Q"), cursor.number("Q")
    metadata = {}
    for _ in range(value_count):
        name = cursor.text()
        metadata[name] = cursor.value(cursor.number("I"))
    described = [_description(cursor) for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise EvmlxError(f"the GGUF file is damaged (alignment {alignment}): download it again")
    start = -(-cursor.at // alignment) * alignment
    return metadata, [_mapped(cursor.data, start, *each) for each in described]


def _description(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """Name, shape, type and offset of the next tensor."""
    name = cursor.text()
    dimensions = cursor.number("I")
    if dimensions > _DIMENSIONS:
        raise EvmlxError(
            f"the GGUF file is damaged (tensor {name!r} has {dimensions} dimensions): "
            "download it again"
        )
    shape = tuple(cursor.number("Q") for _ in range(dimensions))[::-1]
    return name, shape, cursor.number("I"), cursor.number("Q")


def _mapped(
    data: np.ndarray, start: int, name: str, shape: tuple[int, ...], kind: int, offset: int
) -> GgufTensor:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        type_ = GGMLQuantizationType(kind)
    except ValueError:
        raise EvmlxError(
            f"tensor {name!r} is stored in a type (number {kind}) that is not known: update the "
            "gguf package, or download the file again"
        ) from None
    block, size = GGML_QUANT_SIZES[type_]
    if not shape or shape[-1] % block:
        raise EvmlxError(
            f"the GGUF file is damaged (tensor {name!r} has shape {shape}): download it again"
        )
    stored = (*shape[:-1], shape[-1] // block * size)
    first, count = start + offset, math.prod(stored)
    if first + count > len(data):
        raise EvmlxError(
            f"the GGUF file is incomplete (tensor {name!r} ends at byte {first + count}, the file "
            f"at {len(data)}): download it again"
        )
    return GgufTensor(name, shape, type_, block, data[first : first + count].reshape(stored))
