"""Model folders without real weights, and what resolve() refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import quiet
from safetensors.numpy import save_file

from evmlx.errors import EvmlxError
from evmlx.models.checkpoints import resolve


def save_model(folder: Path, shards: int = 1, config: dict[str, Any] | None = None) -> Path:
    """A folder that looks like a model; nobody loads its weights here."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = {}
    for i in range(1, shards + 1):
        file = "model.safetensors" if shards == 1 else f"model-{i:05d}-of-{shards:05d}.safetensors"
        save_file({f"w{i}": rng.normal(size=(40, 50)).astype(np.float32)}, folder / file)
        names[f"w{i}"] = file
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **(config or {})}))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def cached_hub_model(hub_cache: Path, name: str, commit: str = "c" * 40) -> Path:
    repo = hub_cache / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    (repo / "blobs").mkdir()
    return save_model(repo / "snapshots" / commit)


def refusal(model: str | None, **options: Any) -> str:
    with pytest.raises(EvmlxError) as caught:
        resolve(model, **{"say": quiet, **options})
    message = str(caught.value)
    assert "\n" not in message
    return message
