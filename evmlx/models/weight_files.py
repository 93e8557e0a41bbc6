"""Writes a checkpoint's safetensors shards, streaming. Knows nothing about what is in them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHARD = 2_000_000_000  # bytes
_ITEM = {"F32": 4, "F16": 2, "U32": 4}


@dataclass(frozen=True)
class Entry:
    """One tensor of a safetensors file.

    Attributes
    ----------
    name : str
        Its name.
    dtype : str
        ``F32``, ``F16`` or ``U32``.
    shape : tuple of int
        Outermost dimension first.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return _ITEM[self.dtype] * math.prod(self.shape)


@dataclass(frozen=True)
class Outgoing:
    """Tensors that are written one after another, since they are computed together.

    Attributes
    ----------
    entries : tuple of Entry
        In the order of their bytes.
    pieces : callable
        Yields all their bytes, a few megabytes at a time.
    """

    entries: tuple[Entry, ...]
    pieces: Callable[[], Iterator[bytes]]

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size for entry in self.entries)


def write_shards(folder: Path, tensors: Sequence[Outgoing]) -> None:
    """Write ``model*.safetensors`` of about two gigabytes and, where there are several, an index.

    Parameters
    ----------
    folder : Path
        Where to.
    tensors : sequence of Outgoing
        What, in this order.
    """
    shards: list[list[Outgoing]] = [[]]
    size = 0
    for tensor in tensors:
        if shards[-1] and size + tensor.size > _SHARD:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.size
    count = len(shards)
    names = [
        "model.safetensors" if count == 1 else f"model-{i:05d}-of-{count:05d}.safetensors"
        for i in range(1, count + 1)
    ]
    for name, shard in zip(names, shards, strict=True):
        _write_shard(folder / name, shard)
    if count > 1:
        index = {
            "metadata": {"total_size": sum(tensor.size for tensor in tensors)},
            "weight_map": {
                entry.name: name
                for name, shard in zip(names, shards, strict=True)
                for tensor in shard
                for entry in tensor.entries
            },
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def _write_shard(path: Path, shard: Sequence[Outgoing]) -> None:
    """Write one safetensors file: length of the header, header, data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for entry in (entry for tensor in shard for entry in tensor.entries):
        end = offset + entry.size
        header[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for tensor in shard:
            for piece in tensor.pieces():
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())
