"""A few numbers by which a later run, on any machine, is checked against a published one.

Three fixed texts are measured in every run. A fingerprint holds, for each text and layer, the norm
of its pooled residual and a sketch: 32 sums of its values with fixed random signs. The distance of
two sketches estimates the distance of the residuals without bias (Johnson and Lindenstrauss 1984),
with a spread of one part in eight, which tells 1e-6 from 1e-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.store import Activations

KIND = "fingerprint"
TEXTS = {
    "harbour": (
        "The ferry leaves the harbour at seven minutes past nine. On deck there are two rows of "
        "wooden benches, a locker with ropes, and a board on which the captain writes the names "
        "of the islands in the order in which they will be reached today."
    ),
    "figures": "Room 12 is 4.75 m wide; at 3 × 2 lamps, 18 W each, the meter reads 0.108 kW (±2%).",
    "letters": "Łódź, Čáslav, Ålesund, 大阪 and Köln are the five stops; write them as they are.",
}
SKETCH = 32
_SEED = 20260424


def sketch(residuals: np.ndarray) -> np.ndarray:
    """Sums with fixed random signs, over the last axis.

    Parameters
    ----------
    residuals : ndarray, shape (..., hidden)
        Pooled residuals.

    Returns
    -------
    ndarray of float64, shape (..., 32)
        Divided by sqrt(32), so that norms are kept on average.
    """
    hidden = residuals.shape[-1]
    words = np.random.PCG64(_SEED).random_raw(-(-SKETCH * hidden // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
    signs = bits[: SKETCH * hidden].reshape(SKETCH, hidden) * 2.0 - 1.0
    found: np.ndarray = residuals.astype(np.float64) @ signs.T / SKETCH**0.5
    return found


def fingerprint(probes: Activations) -> dict[str, Any]:
    """Fingerprint of a run, as run.json holds it.

    Parameters
    ----------
    probes : Activations
        Of the texts of `TEXTS`.
    """
    sketches = sketch(probes.pooled)
    norms = np.linalg.norm(probes.pooled.astype(np.float64), axis=-1)
    layers = {
        f"layer_{layer}": {
            text: {
                "tokens": int(probes.tokens[row]),
                "norm": _short(norms[row, at]),
                "sketch": [_short(value) for value in sketches[row, at]],
            }
            for row, text in enumerate(probes.ids)
        }
        for at, layer in enumerate(probes.layers)
    }
    return {"schema": 1, "layers": layers}


def _short(value: float) -> float:
    return float(f"{value:.9g}")


def distances(
    found: Mapping[str, Any], reference: Mapping[str, Any]
) -> dict[int, dict[str, float]]:
    """Estimate the relative error of each text at each layer that both fingerprints have.

    Parameters
    ----------
    found, reference : mapping
        As `fingerprint` returns them.

    Returns
    -------
    dict of int to dict of str to float
        Layer -> text -> ||a - b|| / ||b||, from the sketches.

    Raises
    ------
    EvmlxError
        If they share no layer, or were made from other texts or token ids.
    """
    ours, theirs = found["layers"], reference["layers"]
    shared = sorted(set(ours) & set(theirs), key=lambda name: int(name.partition("_")[2]))
    if not shared:
        raise EvmlxError(
            f"the fingerprints have no layer in common ({', '.join(ours)}; {', '.join(theirs)})"
        )
    return {
        int(name.partition("_")[2]): {
            text: _distance(ours[name].get(text), value, text)
            for text, value in theirs[name].items()
        }
        for name in shared
    }


def _distance(a: Mapping[str, Any] | None, b: Mapping[str, Any], text: str) -> float:
    if a is None or a["tokens"] != b["tokens"]:
        raise EvmlxError(
            f"fingerprint text {text!r}: {b['tokens']} tokens in one run, "
            f"{a['tokens'] if a else 'no'} in the other: the tokenizers differ (known cause: "
            "special tokens that one of them adds)"
        )
    one, other = np.array(a["sketch"]), np.array(b["sketch"])
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))
