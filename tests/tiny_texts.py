"""Texts for tiny models, how far two results are apart, and a change of one config field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from evmlx.stimuli import Stimulus


def texts(lengths: tuple[int, ...] = (37, 11, 60, 2, 25)) -> list[Stimulus]:
    rng = np.random.default_rng(7)
    return [
        Stimulus("stories", f"text-{i}", rng.integers(3, 300, n).astype(np.int32), n // 3, n)
        for i, n in enumerate(lengths)
    ]


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float((np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b, axis=-1)).max())


def edit_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
