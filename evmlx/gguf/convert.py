"""GGUF file -> an MLX checkpoint folder with its tokenizer, which both engines read.

What is stored in affine groups of 32 stays quantized, bit for bit; the rest becomes dense. Done
once a file, into the cache. Needs no engine.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.gguf.blocks import GROUP, HALF_SCALES
from evmlx.gguf.config import config_of
from evmlx.gguf.families import Family, family_of, missing_tensors, tensor_name
from evmlx.gguf.file import GgufTensor, read_gguf
from evmlx.gguf.weights import PlannedTensor, dequantised, outgoing
from evmlx.models.cache import build_once, cache_folder
from evmlx.models.weight_files import write_shards

CONVERTER = 2  # raise when the same file would now convert differently
_FLOAT32_LIMIT = 8 << 30


@dataclass(frozen=True)
class Converted:
    """A converted folder and what its GGUF file said about itself."""

    folder: Path
    file: str
    title: str | None
    quantization: str | None
    license: str | None


def _target(sha256: str) -> Path:
    return cache_folder() / "converted" / f"{sha256[:24]}-v{CONVERTER}"


def find_converted(sha256: str) -> Converted | None:
    """Return the conversion of the GGUF file with this digest, None where there is none yet."""
    folder = _target(sha256)
    return read_converted(folder) if folder.is_dir() else None


def read_converted(folder: Path) -> Converted:
    """Read what a folder that evmlx wrote says about where it is from."""
    about = json.loads((folder / "evmlx.json").read_text(encoding="utf-8"))
    # A folder written by `evmlx.models.requantize` has its model's name where others have a file's.
    file = about.get("gguf") or about["name"]
    return Converted(folder, file, about["title"], about["quantization"], about["license"])


def convert(path: Path, sha256: str, say: Callable[[str], None]) -> Converted:
    """Convert a GGUF file once; later calls find the folder in the cache.

    Parameters
    ----------
    path : Path
        The GGUF file.
    sha256 : str
        Its digest, which with the converter's version names the folder.
    say : callable
        Told about the conversion, and about numbers stored as float16.

    Returns
    -------
    Converted

    Raises
    ------
    EvmlxError
        If the file is damaged or of a kind that is not supported.
    """
    folder = _target(sha256)

    def build(temporary: Path) -> None:
        say(f"converting {path.name} to an MLX checkpoint, once, into {folder}")
        _convert(path, sha256, temporary, say)

    build_once(folder, build, say)
    return read_converted(folder)


def _convert(path: Path, sha256: str, folder: Path, say: Callable[[str], None]) -> None:
    from evmlx.gguf.tokenizer import write_tokenizer

    try:
        metadata, tensors = read_gguf(path)
        if metadata.get("split.count", 0) > 1:
            raise EvmlxError(
                f"one of {metadata['split.count']} parts of a split GGUF file; join them first "
                "with `llama-gguf-split --merge`"
            )
        family = family_of(metadata)
        config, plan = _plan(metadata, tensors, family)
        dtype = _dtype(plan, say)
        config["dtype"] = config["torch_dtype"] = dtype.name
        declared = quantization_entry({tensor.name: tensor.bits for tensor in plan})
        if declared is not None:
            config["quantization"] = config["quantization_config"] = declared
        _write_json(folder / "config.json", config)
        write_tokenizer(metadata, folder)
        write_shards(folder, [outgoing(tensor, dtype) for tensor in plan])
    except EvmlxError as error:
        raise EvmlxError(f"{path}: {error}") from error.__cause__
    except OSError:
        raise
    except Exception as error:  # metadata that contradict each other fail anywhere
        raise EvmlxError(
            f"{path}: the GGUF file is damaged (its metadata do not fit together: {error!r}): "
            "download it again"
        ) from error
    about = {
        "title": metadata.get("general.name"),
        "quantization": _quantization(metadata, plan),
        "license": metadata.get("general.license"),
        "gguf": path.name,
        "gguf_sha256": sha256,
        "converter": CONVERTER,
    }
    _write_json(folder / "evmlx.json", about)


def _plan(
    metadata: dict[str, Any], tensors: list[GgufTensor], family: Family
) -> tuple[dict[str, Any], list[PlannedTensor]]:
    """Return the config, and what is to be written, in the file's order."""
    by_name = {tensor.name: tensor for tensor in tensors}
    names = {tensor.name: tensor_name(family, tensor.name) for tensor in tensors}
    if "token_embd.weight" not in by_name:
        raise EvmlxError("tensor 'token_embd.weight' is missing: the file is damaged")
    blocks = metadata.get(f"{metadata['general.architecture']}.block_count", 0)
    if blocks > len(tensors):
        raise EvmlxError(f"{blocks} blocks but {len(tensors)} tensors: the file is damaged")
    freqs = by_name.get("rope_freqs.weight")
    config = config_of(
        metadata,
        vocabulary=by_name["token_embd.weight"].shape[0],
        tied="output.weight" not in by_name,
        rope_factors=None if freqs is None else dequantised(freqs.data, freqs),
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
    plan = [
        PlannedTensor(
            name=name,
            source=tensor,
            shape=tensor.shape,
            heads=heads.get(tensor.name.split(".")[-2], 0) if family.rotated_rows else 0,
            shift=family.norm_shift if name.endswith("norm.weight") else 0.0,
        )
        for tensor in tensors
        if (name := names[tensor.name]) is not None
    ]
    return config, plan


def quantization_entry(bits: dict[str, int | None], group: int = GROUP) -> dict[str, Any] | None:
    """What mlx-lm writes into config.json about affine groups.

    Parameters
    ----------
    bits : dict
        Name of each tensor, and bits of its weights; None for a dense one.
    group : int
        Weights that share a scale.

    Returns
    -------
    dict or None
        Group size and bits of most matrices, and the modules that have others. Dense modules are
        not named: mlx-lm sees that they have no scales. None where nothing is quantized.
    """
    quantized = {name.removesuffix(".weight"): b for name, b in bits.items() if b is not None}
    if not quantized:
        return None
    most = Counter(quantized.values()).most_common(1)[0][0]
    others = {
        module: {"group_size": group, "bits": b} for module, b in quantized.items() if b != most
    }
    return {"group_size": group, "bits": most, "mode": "affine", **others}


def _dtype(plan: list[PlannedTensor], say: Callable[[str], None]) -> np.dtype[Any]:
    """Type of scales, biases and dense weights: float16 where float32 would take too much."""
    single, half = np.dtype(np.float32), np.dtype(np.float16)
    sizes = [sum(e.size for t in plan for e in t.entries(dtype)) for dtype in (single, half)]
    if sizes[0] <= _FLOAT32_LIMIT:
        return single
    kinds = {t.source.type.name for t in plan if t.bits is not None} - set(HALF_SCALES)
    rounded = ["dense weights", *(f"scales of {kind}" for kind in sorted(kinds))]
    say(
        f"dense weights and scales in float32 would take {sizes[0] / 1e9:.0f} GB: storing float16 "
        f"({sizes[1] / 1e9:.0f} GB), which rounds {' and '.join(rounded)}"
    )
    return half


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _quantization(metadata: dict[str, Any], plan: list[PlannedTensor]) -> str | None:
    """Return the file's own name for its mixture of types, else the type of most matrix weights."""
    from gguf import LlamaFileType

    declared = metadata.get("general.file_type", LlamaFileType.GUESSED)
    try:
        label = LlamaFileType(declared).name
    except ValueError:  # newer than the gguf package
        label = "GUESSED"
    if label == "GUESSED":
        count: dict[str, int] = {}
        for tensor in plan:
            if len(tensor.shape) > 1 and "embed" not in tensor.name:
                kind = tensor.source.type.name
                count[kind] = count.get(kind, 0) + tensor.size
        label = max(count, key=lambda kind: count[kind])
    label = label.removeprefix("MOSTLY_").removeprefix("ALL_").lower()
    return None if label in ("f32", "f16", "bf16", "f64") else label
