"""Random directions in the space that emotion vectors span.

Knows nothing about texts or emotions.
"""

from __future__ import annotations

import numpy as np

from evmlx.neutral import VANISHING


def random_rotations(size: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw orthogonal matrices, uniformly (by Haar measure).

    Returns
    -------
    ndarray of float64, shape (draws, size, size)

    References
    ----------
    Mezzadri (2007), "How to generate random matrices from the classical compact groups", Notices
    of the AMS 54.
    """
    q, r = np.linalg.qr(rng.normal(size=(draws, size, size)))
    return np.asarray(q * np.sign(np.einsum("dkk->dk", r))[:, None, :])


def in_span(residuals: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and vectors, scaled to length 1, in an orthonormal basis of the vectors' span.

    The inner product of a row of each is their cosine.

    Parameters
    ----------
    residuals : ndarray, shape (texts, hidden)
    vectors : ndarray, shape (emotions, hidden)

    Returns
    -------
    texts : ndarray of float64, shape (texts, span)
        What a text has outside the span is gone from it, but not from the length it had.
    axes : ndarray of float64, shape (emotions, span)
        Zero where a vector is.
    """
    _, sizes, basis = np.linalg.svd(np.asarray(vectors, np.float64), full_matrices=False)
    basis = basis[sizes > VANISHING * sizes.max(initial=0.0)]
    return _unit(residuals) @ basis.T, _unit(vectors) @ basis.T


def _unit(rows: np.ndarray) -> np.ndarray:
    given = np.asarray(rows, np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    return np.asarray(given / np.where(lengths > 0, lengths, 1.0))
