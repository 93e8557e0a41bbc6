"""GGUF file -> folder with config.json, safetensors and tokenizer, which both engines read.

Weights are dequantised exactly (scale times integer plus offset, in float32), one piece after the
other: no more than a few hundred megabytes are in memory at a time. Needs no engine.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.cache import build_once, cache_folder
from evmlx.errors import EvmlxError
from evmlx.gguf_families import Family, config_of, family_of, missing_tensors, tensor_name

CONVERTER = 1  # raise when the same file would now convert differently
_FLOAT32_LIMIT = 8 << 30
_SHARD = 2_000_000_000
_PIECE = 16_000_000  # weights dequantised at a time


@dataclass(frozen=True)
class _Tensor:
    """One tensor on its way: name in the folder, GGUF tensor, shape, what to undo."""

    name: str
    source: Any
    shape: tuple[int, ...]
    heads: int  # > 0: rows are interleaved for this many heads
    shift: float

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Converted:
    """A converted folder and what its GGUF file said about itself."""

    folder: Path
    title: str | None
    quantization: str | None
    license: str | None


def converted_folder(sha256: str) -> Path:
    """Where the conversion of a GGUF file is kept, whether or not it is there yet."""
    return cache_folder() / "converted" / f"{sha256[:24]}-v{CONVERTER}"


def convert(path: Path, sha256: str, say: Callable[[str], None]) -> Converted:
    """Convert a GGUF file once; later calls find the folder in the cache.

    Parameters
    ----------
    path : Path
        The GGUF file. Not read where the folder exists.
    sha256 : str
        Its digest, which with the converter's version names the folder.
    say : callable
        Told about the conversion, and about weights stored as float16.

    Returns
    -------
    Converted

    Raises
    ------
    EvmlxError
        If the file is damaged or of a kind that is not supported.
    """
    folder = converted_folder(sha256)

    def build(temporary: Path) -> None:
        say(f"converting {path.name} to float weights, once, into {folder}")
        _convert(path, sha256, temporary, say)

    build_once(folder, build, say)
    about = json.loads((folder / "evmlx.json").read_text(encoding="utf-8"))
    return Converted(folder, about["title"], about["quantization"], about["license"])


def _convert(path: Path, sha256: str, folder: Path, say: Callable[[str], None]) -> None:
    from evmlx.gguf_tokenizer import write_tokenizer

    try:
        metadata, tensors = _read(path)
        family = family_of(metadata)
        config, plan = _plan(metadata, tensors, family)
        dtype = _dtype(plan, say)
        config["dtype"] = config["torch_dtype"] = dtype.name
        _write_json(folder / "config.json", config)
        write_tokenizer(metadata, folder)
        _write_weights(plan, dtype, folder)
    except EvmlxError as error:
        raise EvmlxError(f"{path}: {error}") from error.__cause__
    about = {
        "title": metadata.get("general.name"),
        "quantization": _quantization(metadata, plan),
        "license": metadata.get("general.license"),
        "gguf": path.name,
        "gguf_sha256": sha256,
        "converter": CONVERTER,
    }
    _write_json(folder / "evmlx.json", about)


def _read(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """Metadata and tensors of a GGUF file, the latter mapped, not read."""
    from gguf import GGUFReader

    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise EvmlxError("not a GGUF file (it does not begin with 'GGUF')")
    try:
        reader = GGUFReader(path)
        metadata = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:  # gguf-py checks little: damage shows as almost any exception
        raise EvmlxError(
            f"the GGUF file is damaged or incomplete ({error}); download it again"
        ) from error
    if metadata.get("split.count", 0) > 1:
        raise EvmlxError(
            f"one of {metadata['split.count']} parts of a split GGUF file; join them first with "
            "`llama-gguf-split --merge`"
        )
    return metadata, list(reader.tensors)


def _plan(
    metadata: dict[str, Any], tensors: list[Any], family: Family
) -> tuple[dict[str, Any], list[_Tensor]]:
    """The config, and what is to be written, in the file's order."""
    by_name = {tensor.name: tensor for tensor in tensors}
    names = {tensor.name: tensor_name(family, tensor.name) for tensor in tensors}
    if "token_embd.weight" not in by_name:
        raise EvmlxError("tensor 'token_embd.weight' is missing: the file is damaged")
    freqs = by_name.get("rope_freqs.weight")
    config = config_of(
        metadata,
        vocabulary=int(by_name["token_embd.weight"].shape[1]),
        tied="output.weight" not in by_name,
        rope_factors=None if freqs is None else _dequantised(freqs.data, freqs),
    )
    missing = missing_tensors(family, set(by_name), config["num_hidden_layers"])
    if missing:
        raise EvmlxError(
            f"{len(missing)} tensors are missing, {missing[0]!r} the first: the file is damaged"
        )
    if family.model_type == "llama":
        config["attention_bias"] = "blk.0.attn_q.bias" in by_name
        config["mlp_bias"] = "blk.0.ffn_up.bias" in by_name
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    plan = []
    for tensor in tensors:
        name = names[tensor.name]
        if name is None:
            continue
        part = tensor.name.split(".")[-2]
        plan.append(
            _Tensor(
                name=name,
                source=tensor,
                shape=tuple(int(n) for n in reversed(tensor.shape)),
                heads=heads.get(part, 0) if family.rotated_rows else 0,
                shift=family.norm_shift if name.endswith("norm.weight") else 0.0,
            )
        )
    return config, plan


def _dtype(plan: list[_Tensor], say: Callable[[str], None]) -> np.dtype[Any]:
    dense = 4 * sum(tensor.size for tensor in plan)
    if dense <= _FLOAT32_LIMIT:
        return np.dtype(np.float32)
    say(f"float32 weights would take {dense / 1e9:.0f} GB: storing float16 ({dense / 2e9:.0f} GB)")
    return np.dtype(np.float16)


def _dequantised(data: np.ndarray, tensor: Any) -> np.ndarray:
    from gguf.quants import dequantize

    try:
        return np.asarray(dequantize(data, tensor.tensor_type), dtype=np.float32)
    except NotImplementedError as error:
        raise EvmlxError(
            f"tensor {tensor.name!r} is stored as {tensor.tensor_type.name}, which is not "
            "supported; use another quantization or the model's safetensors folder"
        ) from error


def _pieces(tensor: _Tensor, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """The tensor's bytes, a few rows at a time."""
    data = tensor.source.data
    if tensor.heads:
        data = data[_row_order(tensor.shape[0], tensor.heads)]
    rows = max(1, _PIECE // math.prod(tensor.shape[1:]))
    for start in range(0, len(data), rows):
        values = _dequantised(np.ascontiguousarray(data[start : start + rows]), tensor.source)
        if tensor.shift:
            values = values - np.float32(tensor.shift)
        if not np.isfinite(values).all():
            raise EvmlxError(
                f"tensor {tensor.source.name!r} has a non-finite weight: the file is damaged; "
                "download it again"
            )
        with np.errstate(over="ignore"):
            stored = values.astype(dtype)
        if not np.isfinite(stored).all():
            raise EvmlxError(f"tensor {tensor.source.name!r} does not fit into {dtype.name}")
        yield stored.tobytes()


def _row_order(rows: int, heads: int) -> np.ndarray:
    """Rows of a query or key matrix in transformers' order.

    llama.cpp's conversion takes (head, half, i) to (head, i, half); this takes it back.
    """
    order = np.arange(rows).reshape(heads, rows // heads // 2, 2)
    return order.swapaxes(1, 2).reshape(-1)


def _write_weights(plan: list[_Tensor], dtype: np.dtype[Any], folder: Path) -> None:
    """Write shards of about two gigabytes and, where there are several, their index."""
    shards: list[list[_Tensor]] = [[]]
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
        _write_json(folder / "model.safetensors.index.json", index)


def _write_shard(path: Path, shard: list[_Tensor], dtype: np.dtype[Any]) -> None:
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


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _quantization(metadata: dict[str, Any], plan: list[_Tensor]) -> str | None:
    """The file's own name for its mixture of types, else the type of most matrix weights."""
    from gguf import LlamaFileType

    try:
        label = LlamaFileType(metadata["general.file_type"]).name
    except (KeyError, ValueError):
        count: dict[str, int] = {}
        for tensor in plan:
            if len(tensor.shape) > 1 and "embed" not in tensor.name:
                kind = tensor.source.tensor_type.name
                count[kind] = count.get(kind, 0) + tensor.size
        label = max(count, key=lambda kind: count[kind])
    label = label.removeprefix("MOSTLY_").removeprefix("ALL_").lower()
    return None if label in ("f32", "f16", "bf16", "f64") else label
