"""What the user calls a model -> a local folder that both engines read.

Knows embedded models, local folders, GGUF files and the Hugging Face hub; loads no weights.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evmlx.errors import EvmlxError
from evmlx.models.cache import cache_folder
from evmlx.models.embedded import DEFAULT, EMBEDDED, Embedded, embedded_gguf
from evmlx.store import file_sha256

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
    rounded : tuple of int or None
        Bits and group that evmlx rounded the named model's weights to.
    """

    name: str
    folder: Path
    source: str
    reference: str
    revision: str
    quantization: str | None
    license: str | None
    rounded: tuple[int, int] | None = None

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
    """Find a model, fetching or converting it where that was not done before.

    Parameters
    ----------
    model : str or None
        Name of an embedded model, path of a local folder or of a GGUF file, or hub id; tried in
        this order. None: the default embedded model.
    revision : str or None
        Branch, tag or commit on the hub; for hub ids only.
    say : callable
        Told, in one line each, what takes time.

    Returns
    -------
    Checkpoint

    Raises
    ------
    EvmlxError
        If there is no such model, it cannot be fetched, or it is not one that evmlx can use.
    """
    reference = DEFAULT if model is None else model.strip()
    embedded = EMBEDDED.get(reference.lower())
    path = Path(reference).expanduser()
    local = embedded is not None or (reference != "" and path.exists())
    if revision is not None and local:
        raise EvmlxError(f"--revision is for models on the hub; {reference} is not one")
    if embedded is not None:
        return _embedded(embedded, say)
    if local:
        return _folder(path, reference) if path.is_dir() else _gguf(path, reference, say)
    if _is_path(reference):
        raise EvmlxError(f"no such file or folder: {reference}")
    return _hub(reference, revision, say)


def _is_path(reference: str) -> bool:
    """Whether the user means a file or folder, so that the hub is not asked."""
    return bool(
        re.match(r"[./~\\]|[A-Za-z]:[\\/]", reference)
        or reference.endswith(("/", ".gguf", ".safetensors", ".bin"))
        or reference.count("/") > 1
        or "\\" in reference
    )


def _embedded(model: Embedded, say: Callable[[str], None]) -> Checkpoint:
    from evmlx.gguf.convert import convert, find_converted

    converted = find_converted(model.sha256)
    if converted is None:
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


def _gguf(path: Path, reference: str, say: Callable[[str], None]) -> Checkpoint:
    from evmlx.gguf.convert import convert

    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise EvmlxError(
                f"{reference} is a file but not a GGUF file: pass a .gguf file, or the folder of a "
                "model (config.json, model*.safetensors, tokenizer.json)"
            )
    sha256 = file_sha256(path)
    converted = convert(path, sha256, say)
    return Checkpoint(
        name=_gguf_name(path, converted.title),
        folder=converted.folder,
        source="gguf",
        reference=reference,
        revision=sha256,
        quantization=converted.quantization,
        license=converted.license,
    )


def _gguf_name(path: Path, title: str | None) -> str:
    """Take the file's name without its quantization, or the title inside where that says more."""
    stem = re.sub(
        r"[-_.](I?Q\d\w*|TQ\d\w*|BF16|F16|F32|FP16|FP32|MXFP4\w*)$",
        "",
        path.name.removesuffix(".gguf"),
        flags=re.IGNORECASE,
    )
    if title and re.fullmatch(r"(ggml-)?model|(sha256-)?[0-9a-f]{32,}", stem, re.IGNORECASE):
        return re.sub(r"\s+", "-", title.strip())
    return stem


def _folder(folder: Path, reference: str) -> Checkpoint:
    from evmlx.gguf.convert import read_converted
    from evmlx.models.model_folder import content_digest, license_of, quantization_of, read_config

    config = read_config(folder)
    whole = folder.resolve()
    name = whole.name
    quantization, license_ = quantization_of(config), license_of(whole)
    if whole.parent.name == "snapshots":  # of the hub's cache, named by its commit
        name = whole.parent.parent.name.rpartition("--")[2]
    if (whole / "evmlx.json").exists():  # a conversion of ours, named by the file's digest
        converted = read_converted(whole)
        name = _gguf_name(Path(converted.file), converted.title)
        quantization, license_ = converted.quantization, converted.license
    return Checkpoint(
        name=name,
        folder=whole,
        source="folder",
        reference=reference,
        revision=content_digest(whole),
        quantization=quantization,
        license=license_,
    )


def _hub(reference: str, revision: str | None, say: Callable[[str], None]) -> Checkpoint:
    from evmlx.models.hub import fetch
    from evmlx.models.model_folder import license_of, quantization_of, read_config

    folder, commit = fetch(reference, revision, say)
    config = read_config(folder)
    return Checkpoint(
        name=reference.rpartition("/")[2],
        folder=folder,
        source="hub",
        reference=reference,
        revision=commit,
        quantization=quantization_of(config),
        license=license_of(folder),
    )


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the checkpoint's tokenizer; needs no engine.

    Returns
    -------
    transformers.PreTrainedTokenizerBase

    Raises
    ------
    EvmlxError
        If the folder has no tokenizer, or one that transformers cannot load.
    """
    from evmlx.models.model_folder import has_tokenizer

    if not has_tokenizer(checkpoint.folder):
        raise EvmlxError(
            f"{checkpoint.folder} has no tokenizer (tokenizer.json): copy it there from the "
            "original model"
        )
    # transformers advises on import to install torch, which its tokenizers do not need.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoTokenizer
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return AutoTokenizer.from_pretrained(str(checkpoint.folder))
    except Exception as error:  # whatever the tokenizer's own class and parsers raise
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise EvmlxError(f"cannot load the tokenizer in {checkpoint.folder}: {reason}") from error
    finally:
        logging.set_verbosity(verbosity)
