"""Checks a finished run by its fingerprint: against this machine's engine, or another run's.

Three short texts are measured, not a corpus; no activations are needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.parity import fingerprint
from evmlx.parity.compare import FULL, HALF, Bounds, Parity, concluded, layer_parity
from evmlx.pipeline import field
from evmlx.progress import say
from evmlx.stimuli import fixed_texts, token_batch
from evmlx.store import Activations, read_json


def recheck(
    folder: Path, *, model: str | None = None, backend: str = "auto", device: str = "auto"
) -> Parity:
    """Measure the fixed texts with the engine of this machine and compare with a finished run.

    Parameters
    ----------
    folder : Path
        Run folder with run.json.
    model : str or None
        Where the model is on this machine; None for what run.json names.
    backend, device : str
        As for `evmlx run`; the computing type is the run's.

    Raises
    ------
    EvmlxError
        If the run has no fingerprint, or the model here is not the one that was run.
    """
    from evmlx.backends.engines import choose_engine
    from evmlx.models.checkpoints import load_tokenizer, resolve
    from evmlx.models.requantize import requantized

    record = read_json(folder / "run.json")
    reference = _fingerprint(folder, record)
    hub = field(record, "model.source") == "hub"
    checkpoint = resolve(
        model or str(field(record, "model.reference")),
        revision=str(field(record, "model.revision")) if hub and model is None else None,
        say=say,
    )
    rounded = field(record, "model.rounded")
    if rounded:
        checkpoint = requantized(checkpoint, rounded["bits"], rounded["group"], say)
    if checkpoint.revision != field(record, "model.revision"):
        raise EvmlxError(
            f"{checkpoint.reference} is at revision {checkpoint.revision}, but {folder} was run "
            f"on {field(record, 'model.revision')}: give the same model with --model"
        )
    engine = choose_engine(backend, device, record["dtype"], record["quantize"])
    loaded = engine.load(checkpoint.folder)
    texts = fixed_texts(load_tokenizer(checkpoint))
    probes = Activations(
        tuple(text.id for text in texts),
        np.array([len(text.ids) for text in texts], np.int32),
        tuple(record["layers"]),
        loaded.pooled_residuals(token_batch(texts), record["layers"]),
    )
    return _compared(
        fingerprint.fingerprint(probes),
        reference,
        (f"{engine.name} here ({loaded.info.device})", str(folder)),
        FULL if record["dtype"] == "float32" else HALF,
    )


def compare_published(a: Path, b: Path) -> Parity:
    """Compare two runs by their fingerprints, where one has no activations.

    Raises
    ------
    EvmlxError
        If a run has no fingerprint, or they share no layer.
    """
    records = [read_json(folder / "run.json") for folder in (a, b)]
    prints = [_fingerprint(folder, record) for folder, record in zip((a, b), records, strict=True)]
    half = any(record["dtype"] != "float32" for record in records)
    return _compared(prints[0], prints[1], (str(a), str(b)), HALF if half else FULL)


def _fingerprint(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    found = record.get("fingerprint")
    if not isinstance(found, dict):
        raise EvmlxError(
            f"{folder / 'run.json'} has no fingerprint: run `evmlx extract` again with this version"
        )
    return found


def _compared(
    found: dict[str, Any], reference: dict[str, Any], names: tuple[str, str], bounds: Bounds
) -> Parity:
    layers = [
        layer_parity(layer, np.array(list(errors.values())), list(errors), bounds, None)
        for layer, errors in fingerprint.distances(found, reference).items()
    ]
    return concluded(names, len(fingerprint.TEXTS), bounds, layers)
