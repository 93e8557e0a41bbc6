"""What the user calls a model -> a local folder that both engines read.

Knows embedded models, local folders, GGUF files and the Hugging Face hub; loads no weights.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evmlx.cache import cache_folder
from evmlx.embedded import DEFAULT, EMBEDDED, Embedded, embedded_gguf
from evmlx.errors import EvmlxError

__all__ = ["Checkpoint", "cache_folder", "load_tokenizer", "resolve"]


@dataclass(frozen=True)
class Checkpoint:
    """A model in a local folder.

    Attributes
    ----------
    name : str
        The model's name, e.g. ``SmolLM2-135M-Instruct``.
    folder : Path
        Folder with config.json, safetensors and tokenizer files.
    source : str
        ``embedded``, ``hub``, ``folder`` or ``gguf``.
    reference : str
        What the user typed, or the embedded model's key.
    revision : str
        Hub commit, SHA-256 of the GGUF file, or a digest of the folder's content.
    quantization : str or None
        Format of the weights, None at full precision.
    license : str or None
        Licence, where the checkpoint names one.
    """

    name: str
    folder: Path
    source: str
    reference: str
    revision: str
    quantization: str | None
    license: str | None

    @property
    def run_name(self) -> str:
        """Name of a run's folder: lower-case, ending in the quantization where there is one."""
        name = re.sub(r"[^a-z0-9._-]+", "-", self.name.lower()).strip("-.")
        if self.quantization and not name.endswith(self.quantization.lower()):
            name = f"{name}-{self.quantization.lower()}"
        return name


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def resolve(
    model: str | None = None,
    *,
    revision: str | None = None,
    say: Callable[[str], None] = _say,
) -> Checkpoint:
    """Find a model, fetching or converting it where that was not done before."""
    key = DEFAULT if model is None else model
    if key.lower() in EMBEDDED:
        return _embedded(EMBEDDED[key.lower()], say)
    raise EvmlxError(f"unknown model {key!r}")


def _embedded(model: Embedded, say: Callable[[str], None]) -> Checkpoint:
    from evmlx.gguf_convert import convert, converted_folder

    if converted_folder(model.sha256).is_dir():
        converted = convert(Path(), model.sha256, say)
    else:
        converted = convert(embedded_gguf(model, say), model.sha256, say)
    return Checkpoint(
        name=model.name,
        folder=converted.folder,
        source="embedded",
        reference=model.key,
        revision=model.sha256,
        quantization=model.quantization,
        license=model.license,
    )
