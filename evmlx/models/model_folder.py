"""Checks and facts of a local model folder: complete, which revision, which licence.

Knows nothing about where the folder comes from; reads headers and samples, never whole weights.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from evmlx.errors import EvmlxError

_SAMPLES = 64  # places at which a weight file is read for the digest
_SAMPLE_BYTES = 4096
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "tiktoken.model",
    "tekken.json",
)


def read_config(folder: Path) -> dict[str, Any]:
    """Read a model folder's config.json, after checking that the folder is a complete model.

    Raises
    ------
    EvmlxError
        If something is missing, truncated or of another kind; the message says what.
    """
    weights = sorted(folder.glob("model*.safetensors"))
    config_path = folder / "config.json"
    if (folder / "adapter_config.json").exists() and not (weights and config_path.exists()):
        raise EvmlxError(
            f"{folder} is an adapter (adapter_config.json), not a whole model: merge it into its "
            "base model first (mlx_lm.fuse, or peft's merge_and_unload) and pass the result"
        )
    if not config_path.exists():
        raise EvmlxError(f"{folder} has no config.json{_instead(folder)}")
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvmlxError(
            f"{config_path} cannot be read ({error}): fetch the model again"
        ) from error
    if not isinstance(config, dict):
        raise EvmlxError(f"{config_path} is not a JSON object: fetch the model again")
    if not weights:
        raise EvmlxError(f"{folder} has no model*.safetensors{_instead(folder)}")
    _check_index(folder)
    for path in weights:
        safetensors_header(path)
    return config


def _instead(folder: Path) -> str:
    """Say what the folder holds in place of what was looked for, and what to do about it."""
    for pattern, advice in (
        ("*.gguf", "; it has {}: pass that file"),
        (
            "pytorch_model*.bin",
            ", only {}: load it with transformers and save_pretrained() it as safetensors first",
        ),
        ("*.safetensors", "; it has {}: pass the folder of a whole model in transformers' layout"),
    ):
        found = sorted(folder.glob(pattern))
        if found:
            return advice.format(found[0].name)
    return ": pass a folder with config.json, model*.safetensors and tokenizer.json"


def _check_index(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return
    try:
        wanted = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise EvmlxError(f"{index} cannot be read ({error!r}): fetch the model again") from error
    missing = sorted(name for name in wanted if not (folder / name).exists())
    if missing:
        raise EvmlxError(
            f"{folder} lacks {len(missing)} of {len(wanted)} weight files, {missing[0]} the first: "
            "fetch the model again"
        )


def safetensors_header(path: Path) -> bytes:
    """Header of a safetensors file, with its length in front.

    Raises
    ------
    EvmlxError
        If the file is not safetensors, or shorter than its header says.
    """
    size = path.stat().st_size
    damaged = f"{path} is damaged or incomplete: fetch it again"
    with path.open("rb") as file:
        head = file.read(8)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or length > size - 8:
            raise EvmlxError(damaged)
        body = file.read(length)
    try:
        tensors = json.loads(body)
        end = max((t["data_offsets"][1] for k, t in tensors.items() if k != "__metadata__"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvmlxError(damaged) from error
    if 8 + length + end != size:
        raise EvmlxError(damaged)
    return head + body


def content_digest(folder: Path) -> str:
    """SHA-256, hexadecimal, that tells two model folders apart without reading all of them.

    Covers config and tokenizer files whole; of each weight file its name, size, header and the
    bytes at 64 evenly spaced places. Takes well under a second for 16 GB.
    """
    digest = hashlib.sha256()
    for name in ("config.json", "tokenizer_config.json", "chat_template.jinja", *_TOKENIZER_FILES):
        path = folder / name
        if path.exists():
            digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for path in sorted(folder.glob("model*.safetensors")):
        size = path.stat().st_size
        header = safetensors_header(path)
        digest.update(f"{path.name}\0{size}\0".encode() + hashlib.sha256(header).digest())
        last = max(len(header), size - _SAMPLE_BYTES)
        with path.open("rb") as file:
            for i in range(_SAMPLES):
                file.seek(len(header) + (last - len(header)) * i // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def quantization_of(config: dict[str, Any]) -> str | None:
    """Weight format that a config.json declares: ``4bit`` (MLX), ``gptq`` ..., or None."""
    mlx = config.get("quantization")
    if isinstance(mlx, dict) and "bits" in mlx:
        mode = mlx.get("mode", "affine")
        return f"{mlx['bits']}bit" if mode == "affine" else str(mode)
    other = config.get("quantization_config")
    if isinstance(other, dict) and other.get("quant_method"):
        return str(other["quant_method"])
    return None


def license_of(folder: Path) -> str | None:
    """Licence named in the front matter of a model card (README.md), or None."""
    try:
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    front = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    if front is None:
        return None
    named = dict(re.findall(r"^(license(?:_name)?):[ \t]*(\S.*?)[ \t]*$", front[1], re.MULTILINE))
    text = named.get("license_name", "") if named.get("license") == "other" else ""
    return (text or named.get("license", "")).strip("'\"[] ") or None


def has_tokenizer(folder: Path) -> bool:
    """Whether any file of the folder can be a tokenizer."""
    return any((folder / name).exists() for name in _TOKENIZER_FILES) or any(
        folder.glob("*.tiktoken")
    )
