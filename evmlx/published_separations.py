"""Separations of emotion groups in raw units, as emotion-vector-bench publishes them.

Kept so that its figures can be laid beside ours for one model and layer; nothing else uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evmlx.affect import Affect
from evmlx.components import principal_components, separation

PUBLISHED_NOTE = (
    "raw activation units, on the component with the largest separation: "
    "not comparable across models or layers"
)


@dataclass(frozen=True)
class PublishedComponent:
    """Separations on one component in raw units, with emotion-vector-bench's names."""

    pc: int
    explained_variance: float
    valence_sep: float
    arousal_sep: float


@dataclass(frozen=True)
class PublishedProtocol:
    """What emotion-vector-bench reports, in raw units."""

    note: str
    pc_analysis: tuple[PublishedComponent, ...]
    best_valence_pc: int | None
    best_arousal_pc: int | None
    valence_separation: float
    arousal_separation: float


def published_protocol(vectors: np.ndarray, affect: Affect) -> PublishedProtocol:
    """Compute emotion-vector-bench's separations: group means on PCs in raw units.

    The best valence component is the one that separates positive from negative most; the best
    arousal component the one that separates high from low most, of the others.

    Parameters
    ----------
    vectors : ndarray, shape (emotions, hidden)
        Denoised vectors of one layer, at their own length.
    affect : Affect
        Groups of the same emotions.

    Returns
    -------
    PublishedProtocol
        NaN and None where a group is empty.
    """
    found = principal_components(vectors)
    valence = separation(found.coordinates, affect.positive, affect.negative)
    arousal = separation(found.coordinates, affect.high, affect.low)
    best_valence = _largest(valence, None)
    best_arousal = _largest(arousal, best_valence)
    return PublishedProtocol(
        note=PUBLISHED_NOTE,
        pc_analysis=tuple(
            PublishedComponent(k + 1, float(share), float(valence[k]), float(arousal[k]))
            for k, share in enumerate(found.explained_variance)
        ),
        best_valence_pc=best_valence,
        best_arousal_pc=best_arousal,
        valence_separation=float(valence[best_valence - 1]) if best_valence else float("nan"),
        arousal_separation=float(arousal[best_arousal - 1]) if best_arousal else float("nan"),
    )


def _largest(separations: np.ndarray, other_than: int | None) -> int | None:
    """Pick the component (counted from 1) with the largest separation, or None."""
    candidates = [(value, -k) for k, value in enumerate(separations, start=1) if k != other_than]
    if not candidates or np.isnan(separations).any():
        return None
    return -max(candidates)[1]
