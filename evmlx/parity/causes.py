"""Which known cause a difference between two engines fits, from probes of the text furthest apart.

Knows nothing about engines: gets relative errors and the checkpoint's config.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evmlx.parity.compare import Bounds

LENGTHS = (2, 8, 32, 128, 512)
# Families that mlx-lm gives another approximation of GELU than their own code has.
GELU = ("gemma", "gpt_bigcode", "gpt_neox", "starcoder2")
CLEARLY = 0.3  # of the error to explain: what is left where its cause is taken away


@dataclass(frozen=True)
class Probes:
    """Relative errors of the text that is furthest apart, and of parts of it.

    Attributes
    ----------
    layers : tuple of int
        Layers of the arrays below.
    together, alone : ndarray, shape (layers,)
        In its batch, and in a batch of its own, without padding.
    one_token : ndarray, shape (layers,)
        Of its first token: nothing to attend to, and no rotation that matters.
    cut : mapping of int to ndarray, shape (layers,)
        Of its first tokens, by their number.
    """

    layers: tuple[int, ...]
    together: np.ndarray
    alone: np.ndarray
    one_token: np.ndarray
    cut: Mapping[int, np.ndarray]


def known_causes(probes: Probes, bounds: Bounds, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the causes that fit the probes of a failed comparison.

    Parameters
    ----------
    probes : Probes
        Of the worst text.
    bounds : Bounds
        That the comparison failed.
    config : mapping
        The checkpoint's config.json.
    """
    text = config.get("text_config") or config
    if _agrees(probes.alone, probes.together, bounds):
        return ("padding: the worst text agrees where it is alone in its batch",)
    if _agrees(probes.one_token, probes.alone, bounds):
        return (_position(probes, bounds, text),)
    return (_one_token(probes, bounds, text),)


def _agrees(part: np.ndarray, whole: np.ndarray, bounds: Bounds) -> bool:
    return bool((part <= bounds.median).all() and part.max() <= CLEARLY * whole.max())


def _position(probes: Probes, bounds: Bounds, text: Mapping[str, Any]) -> str:
    """Name a cause in what positions do: one token agrees, the whole text does not."""
    near, known = 1, sorted(probes.cut)
    for length in known:
        if not _agrees(probes.cut[length], probes.alone, bounds):
            break
        near = length
    if near > 1:
        window = text.get("sliding_window") or text.get("attention_window_size")
        inside = f" (config.json has a window of {window})" if window else ""
        return (
            f"attention window or rotary factors for long texts{inside}: the first {near} tokens "
            "agree, the whole text does not"
        )
    return (
        f"rotary base or scaling ({_rotary_fields(text)} in config.json): a text of one token "
        "agrees, longer ones do not"
    )


def _rotary_fields(text: Mapping[str, Any]) -> str:
    inner = text.get("rope_parameters")
    if not isinstance(inner, Mapping):
        return "rope_theta"
    sets: Sequence[Any] = [v for v in inner.values() if isinstance(v, Mapping)] or [inner]
    bases = {part.get("rope_theta") for part in sets} - {None}
    above = text.get("rope_theta")
    if above is not None and bases - {above}:
        shown = " and ".join(f"{base:g}" for base in sorted(bases))
        return f"rope_theta {above:g}, but {shown} in rope_parameters"
    return "rope_parameters"


def _one_token(probes: Probes, bounds: Bounds, text: Mapping[str, Any]) -> str:
    """Name a cause that needs no positions: a text of one token is apart."""
    family, error = str(text.get("model_type", "")), float(probes.one_token[0])
    if family.startswith("gemma") and family not in GELU:
        factor = float(text["hidden_size"]) ** 0.5
        off = abs(_bfloat16(factor) / factor - 1)
        if bounds.median < error <= 3 * off:
            return (
                f"embedding scale: sqrt({text['hidden_size']}) rounded to bfloat16 is {off:.1e} "
                f"off, a text of one token {error:.1e} at the first layer compared"
            )
    if family in GELU and probes.one_token.max() <= 1e-3:
        return (
            f"activation function: mlx-lm gives {family} another approximation of GELU than its "
            "own code has"
        )
    apart = probes.one_token > bounds.median
    first = probes.layers[int(apart.argmax())] if apart.any() else probes.layers[-1]
    return (
        f"weights, norms, factors or activation function up to block {first}: a text of one token "
        "is apart there already, so that neither positions nor padding explain it"
    )


def _bfloat16(value: float) -> float:
    bits = int(np.float32(value).view(np.uint32))
    bits += 0x7FFF + (bits >> 16 & 1)  # to nearest, ties to even
    return float(np.uint32(bits & 0xFFFF0000).view(np.float32))
