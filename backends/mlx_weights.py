"""Reads MLX-quantized checkpoints into plain float32 arrays, with numpy alone.

Knows nothing about engines. A row of a quantized matrix is one little-endian bitstream: element
j has the bits j*b to j*b + b-1, low bits first, across byte and word boundaries; each group of
elements has a scale and a bias, and w = q * scale + bias (MLX, `mx.quantize`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.models.model_folder import safetensors_header

# Families whose tensors mlx-lm keeps under transformers' names with transformers' values.
FAMILIES = (
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3_text",
    "phi3",
    "olmo2",
    "smollm3",
    "granite",
)
BITS = (1, 2, 3, 4, 5, 6, 8)
GROUPS = (32, 64, 128)
ROWS_AT_A_TIME = 4096
FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "U32": "<u4", "U8": "u1"}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies: a file, the bytes before its first value, its type and shape."""

    file: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        """Map the tensor as it is stored; bfloat16 comes as float32."""
        raw = np.memmap(self.file, TYPES[self.dtype], "r", self.offset, self.shape or (1,))
        if self.dtype == "BF16":
            return (raw.astype("<u4") << 16).view("<f4").reshape(self.shape)
        return raw.reshape(self.shape)

    def single(self) -> np.ndarray:
        """Read the tensor into a float32 array of its own."""
        return self.read().astype(np.float32)


def checkpoint_dtype(folder: Path) -> str:
    """Find the type that most floating-point values of the weight files have.

    In a quantized checkpoint these are the scales, in whose type MLX computes.
    """
    count: Counter[str] = Counter()
    for path in sorted(folder.glob("model*.safetensors")):
        header = json.loads(safetensors_header(path)[8:])
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] in FLOATS:
                count[entry["dtype"]] += prod(entry["shape"])
    return FLOATS[count.most_common(1)[0][0]] if count else "bfloat16"


def is_mlx_quantized(config: dict[str, Any]) -> bool:
    """Whether a config.json declares MLX's quantization and no other."""
    declared = config.get("quantization")
    other = config.get("quantization_config")
    return isinstance(declared, dict) and not (isinstance(other, dict) and "quant_method" in other)


@dataclass(frozen=True)
class DenseTensor:
    """A tensor as a dense model has it, not read yet.

    Attributes
    ----------
    name : str
        Its name.
    shape : tuple of int
        Outermost dimension first.
    read : callable
        Returns it, a float32 array of its own.
    """

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def dense_tensors(folder: Path) -> Iterator[DenseTensor]:
    """Every tensor of a checkpoint, dequantized where MLX quantized it, under transformers' names.

    Parameters
    ----------
    folder : Path
        Checkpoint folder.

    Yields
    ------
    DenseTensor
        The values are those that MLX computes with in float32.

    Raises
    ------
    EvmlxError
        If the family's tensors are named or laid out otherwise by mlx-lm, or a matrix is
        quantized otherwise than in affine groups.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise EvmlxError(
            f"{folder}: MLX-quantized weights are read for {', '.join(FAMILIES)}, "
            f"not for {kind}: use --backend mlx, or the checkpoint it was made from"
        )
    tensors = stored_tensors(folder)
    for name, tensor in tensors.items():
        module, _, part = name.rpartition(".")
        if part in ("scales", "biases") and f"{module}.scales" in tensors:
            continue
        if part == "weight" and f"{module}.scales" in tensors:
            yield _quantized(module, tensors, config, folder)
        else:
            yield DenseTensor(name, tensor.shape, tensor.single)


def dense_shapes(
    config: dict[str, Any], tensors: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of tensors, of those that MLX quantized as they are when dense.

    Parameters
    ----------
    config : dict
        The checkpoint's config.json, by whose declaration it goes; of any architecture.
    tensors : mapping
        Names and stored shapes of its tensors.
    """
    declared = config.get("quantization") if is_mlx_quantized(config) else None
    for name, shape in tensors.items():
        module, _, part = name.rpartition(".")
        if declared is None or f"{module}.scales" not in tensors:
            yield name, shape
        elif part == "weight":
            own = declared.get(module)
            bits = (own if isinstance(own, dict) else declared)["bits"]
            yield name, (*shape[:-1], shape[-1] * 32 // bits)
        elif part not in ("scales", "biases"):
            yield name, shape


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """Where each tensor of the folder's weight files lies.

    Raises
    ------
    EvmlxError
        If a file is damaged, or holds values of a type that has no place in such a checkpoint.
    """
    found: dict[str, StoredTensor] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        head = safetensors_header(path)
        for name, entry in json.loads(head[8:]).items():
            if name == "__metadata__":
                continue
            if entry["dtype"] not in TYPES:
                raise EvmlxError(f"{path}: tensor {name} has the type {entry['dtype']}")
            offset = len(head) + entry["data_offsets"][0]
            found[name] = StoredTensor(path, offset, entry["dtype"], tuple(entry["shape"]))
    return found


def _quantized(
    module: str, tensors: dict[str, StoredTensor], config: dict[str, Any], folder: Path
) -> DenseTensor:
    packed, scales = tensors[f"{module}.weight"], tensors[f"{module}.scales"]
    biases = tensors.get(f"{module}.biases")
    width = _input_width(module, config)
    bits, group = packed.shape[-1] * 32 // width, width // scales.shape[-1]
    if biases is None or scales.dtype == "U8":
        raise EvmlxError(
            f"{folder}: {module} is quantized in another mode than affine, which the torch "
            "engine cannot read: use --backend mlx"
        )
    if (
        bits not in BITS
        or group not in GROUPS
        or packed.shape[-1] * 32 != width * bits
        or scales.shape[-1] * group != width
        or biases.shape != scales.shape
    ):
        raise EvmlxError(
            f"{folder}: {module} has packed weights of shape {packed.shape} and scales of shape "
            f"{scales.shape}, which do not fit {width} inputs: fetch the model again"
        )
    offsets = biases

    def read() -> np.ndarray:
        return dequantize(packed.read(), scales.read(), offsets.read(), bits)

    return DenseTensor(f"{module}.weight", (*packed.shape[:-1], width), read)


def _input_width(module: str, config: dict[str, Any]) -> int:
    """Count the inputs of a matrix of the families above, by its name."""
    if module.endswith("down_proj"):
        return int(config["intermediate_size"])
    if module.endswith("o_proj"):
        heads = int(config["num_attention_heads"])
        return heads * int(config.get("head_dim") or config["hidden_size"] // heads)
    return int(config["hidden_size"])


def unpack(packed: np.ndarray, bits: int) -> np.ndarray:
    """Integers from rows of little-endian bitstreams.

    Parameters
    ----------
    packed : ndarray of uint32, shape (..., words)
        Each row holds ``words * 32 / bits`` integers.
    bits : int
        Bits of each.

    Returns
    -------
    ndarray of uint8, shape (..., words * 32 / bits)
    """
    raw = np.ascontiguousarray(packed, dtype="<u4").view(np.uint8)
    if bits == 8:
        return raw
    if 8 % bits == 0:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        parts = (raw[..., None] >> shifts) & np.uint8((1 << bits) - 1)
        return parts.reshape(*raw.shape[:-1], -1)
    stream = np.unpackbits(raw, axis=-1, bitorder="little")
    stream = stream.reshape(*raw.shape[:-1], -1, bits)
    return np.packbits(stream, axis=-1, bitorder="little")[..., 0]


def dequantize(packed: np.ndarray, scales: np.ndarray, biases: np.ndarray, bits: int) -> np.ndarray:
    """Dense matrix of affine groups: q * scale + bias, in float32.

    Parameters
    ----------
    packed : ndarray of uint32, shape (rows, inputs * bits / 32)
        Quantized weights.
    scales, biases : ndarray, shape (rows, inputs / group)
        One of each for every group of inputs.
    bits : int
        Bits of each weight.

    Returns
    -------
    ndarray of float32, shape (rows, inputs)
    """
    rows, groups = scales.shape
    dense = np.empty((rows, packed.shape[1] * 32 // bits), dtype=np.float32)
    # A few thousand rows at a time: the bits, a byte each, would take eight times the space.
    for begin in range(0, rows, ROWS_AT_A_TIME):
        part = slice(begin, begin + ROWS_AT_A_TIME)
        q = (
            unpack(packed[part], bits)
            .astype(np.float32)
            .reshape(-1, groups, dense.shape[1] // groups)
        )
        q *= scales[part, :, None].astype(np.float32)
        q += biases[part, :, None].astype(np.float32)
        dense[part] = q.reshape(-1, dense.shape[1])
    return dense
