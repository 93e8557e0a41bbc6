"""The same model at another precision: a checkpoint's matrices quantized anew, or made dense.

Done once for a model and a precision, into the cache. Needs no engine; both read the result.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.backends.mlx_quantize import quantize
from evmlx.backends.mlx_weights import (
    FAMILIES,
    GROUPS,
    DenseTensor,
    dense_tensors,
    is_mlx_quantized,
)
from evmlx.errors import EvmlxError
from evmlx.gguf.convert import quantization_entry
from evmlx.models.cache import build_once, cache_folder
from evmlx.models.checkpoints import Checkpoint
from evmlx.models.weight_files import Entry, Outgoing, write_shards

REQUANTIZER = 1  # raise when the same model would now be written differently
BITS = (2, 3, 4, 5, 6, 8)
_COPIED = {".json", ".jinja", ".model", ".txt", ".tiktoken", ".md"}
_REPLACED = {"config.json", "evmlx.json", "model.safetensors.index.json", "hf_quant_config.json"}


def requantized(
    checkpoint: Checkpoint, bits: int | None, group: int, say: Callable[[str], None]
) -> Checkpoint:
    """Write a checkpoint at another precision, or find it in the cache.

    Quantizes every matrix that mlx-lm's ``quantize_model`` would, embeddings included, from its
    dense weights in float32: affine, as `mlx.core.quantize` does it, scales and biases in float32.

    Parameters
    ----------
    checkpoint : Checkpoint
        At full precision, MLX-quantized or a converted GGUF file. Weights that are quantized
        already are quantized a second time, from the values that they stand for.
    bits : int or None
        2, 3, 4, 5, 6 or 8; None or 0 for dense float32 weights.
    group : int
        32, 64 or 128 neighbours that share a scale; without a meaning for dense weights.
    say : callable
        Told what takes time, and how many matrices stay dense since the group does not fit.

    Returns
    -------
    Checkpoint
        With a folder in the cache and a revision of its own; its quantization is, say,
        ``4bit-g64``, or ``q4_1-dense`` for dense weights that came from another format.

    Raises
    ------
    EvmlxError
        If bits or group are others, the family is not one whose tensors MLX and transformers name
        alike, the checkpoint is quantized by something other than MLX, or no matrix fits the group.
    """
    bits = bits or None
    if bits is not None and (bits not in BITS or group not in GROUPS):
        raise EvmlxError(
            f"{bits} bits in groups of {group}: choose bits from {', '.join(map(str, BITS))} and "
            f"groups from {', '.join(map(str, GROUPS))}"
        )
    source = checkpoint.quantization
    label = f"{bits}bit-g{group}" if bits else (f"{source}-dense" if source else None)
    key = f"{checkpoint.revision}\0{bits}\0{group if bits else 0}\0{REQUANTIZER}"
    revision = hashlib.sha256(key.encode()).hexdigest()
    folder = cache_folder() / "requantized" / revision[:24]

    def build(temporary: Path) -> None:
        """Write the folder and what it says of itself."""
        how = f"to {bits} bits in groups of {group}" if bits else "as dense float32"
        say(f"writing {checkpoint.name} {how}, once, into {folder}")
        _write(checkpoint.folder, temporary, bits, group, say)
        about = {
            "name": checkpoint.name,
            "title": None,
            "quantization": label,
            "license": checkpoint.license,
            "source_revision": checkpoint.revision,
            "source_quantization": source,
            "requantizer": REQUANTIZER,
        }
        _write_json(temporary / "evmlx.json", about)

    build_once(folder, build, say)
    return Checkpoint(
        name=checkpoint.name,
        folder=folder,
        source=checkpoint.source,
        reference=checkpoint.reference,
        revision=revision,
        quantization=label,
        license=checkpoint.license,
        rounded=(bits, group) if bits else None,
    )


def _write(
    source: Path, folder: Path, bits: int | None, group: int, say: Callable[[str], None]
) -> None:
    config: dict[str, Any] = json.loads((source / "config.json").read_text(encoding="utf-8"))
    if not is_mlx_quantized(config) and "quantization_config" in config:
        kind = config["quantization_config"].get("quant_method", "an unknown format")
        raise EvmlxError(
            f"{source} is quantized ({kind}) and cannot be written at another precision: pass the "
            "checkpoint at full precision"
        )
    if config.get("model_type") not in FAMILIES:
        raise EvmlxError(
            f"{source}: other precisions are written for {', '.join(FAMILIES)}, not for "
            f"{config.get('model_type')}: quantize it with mlx_lm.convert and pass that folder"
        )
    tensors = list(dense_tensors(source))
    if config.get("tie_word_embeddings"):  # some files carry the unused matrix all the same
        tensors = [t for t in tensors if t.name != "lm_head.weight"]
    chosen = {t.name: bits if _fits(t, group) else None for t in tensors}
    if bits is not None:
        _tell_dense(tensors, chosen, group, source, say)
    for field in ("quantization", "quantization_config"):
        config.pop(field, None)
    declared = quantization_entry(chosen, group)
    if declared is not None:
        config["quantization"] = config["quantization_config"] = declared
    config["dtype"] = config["torch_dtype"] = "float32"
    _write_json(folder / "config.json", config)
    for path in sorted(source.iterdir()):
        if path.is_file() and path.suffix in _COPIED and path.name not in _REPLACED:
            shutil.copyfile(path, folder / path.name)
    write_shards(folder, [_outgoing(t, chosen[t.name], group) for t in tensors])


def _is_matrix(tensor: DenseTensor) -> bool:
    """Whether it is what a linear layer or an embedding multiplies by."""
    return len(tensor.shape) == 2 and tensor.name.endswith(".weight")


def _fits(tensor: DenseTensor, group: int) -> bool:
    return _is_matrix(tensor) and tensor.shape[-1] % group == 0


def _tell_dense(
    tensors: list[DenseTensor],
    chosen: dict[str, int | None],
    group: int,
    source: Path,
    say: Callable[[str], None],
) -> None:
    odd = [t for t in tensors if _is_matrix(t) and chosen[t.name] is None]
    if all(b is None for b in chosen.values()):
        raise EvmlxError(
            f"{source}: no matrix has a multiple of {group} inputs: choose smaller groups"
        )
    if odd:
        say(
            f"{len(odd)} of {sum(map(_is_matrix, tensors))} matrices stay dense, {odd[0].name} the "
            f"first: {odd[0].shape[-1]} inputs are no multiple of {group}"
        )


def _outgoing(tensor: DenseTensor, bits: int | None, group: int) -> Outgoing:
    if bits is None:
        whole = Entry(tensor.name, "F32", tensor.shape)
        return Outgoing((whole,), lambda: iter([_finite(tensor).tobytes()]))
    rows, inputs = tensor.shape
    module = tensor.name.removesuffix(".weight")
    entries = (
        Entry(tensor.name, "U32", (rows, inputs * bits // 32)),
        Entry(f"{module}.scales", "F32", (rows, inputs // group)),
        Entry(f"{module}.biases", "F32", (rows, inputs // group)),
    )

    def pieces() -> Iterator[bytes]:
        for part in quantize(_finite(tensor), bits, group):
            yield part.tobytes()

    return Outgoing(entries, pieces)


def _finite(tensor: DenseTensor) -> np.ndarray:
    weights = tensor.read()
    if not np.isfinite(weights).all():
        raise EvmlxError(f"tensor {tensor.name} has a non-finite weight: fetch the model again")
    return weights


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
