"""GGUF block types that are affine groups of 32 weights: integer * scale + bias, exactly.

Reads blocks as ggml lays them out into what MLX's affine quantization stores. Knows nothing about
files or models.

References
----------
https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block layouts),
https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c (``dequantize_row_*``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GROUP = 32
# Bits of a weight. Q2_K, Q3_K and Q6_K have groups of 16, which MLX does not; the IQ types have
# no evenly spaced values.
BITS = {"Q4_0": 4, "Q4_1": 4, "Q5_0": 5, "Q5_1": 5, "Q8_0": 8, "Q4_K": 4, "Q5_K": 5}
# Types whose scales and biases are float16 numbers, or these times a power of two.
HALF_SCALES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")


@dataclass(frozen=True)
class AffineGroups:
    """Weights as groups of integers: weight = integer * scale + bias.

    Attributes
    ----------
    integers : ndarray of uint8, shape (rows, inputs)
        Below 2 to the power of the type's bits.
    scales, biases : ndarray of float32, shape (rows, inputs / 32)
        One of each for 32 neighbours in a row.
    """

    integers: np.ndarray
    scales: np.ndarray
    biases: np.ndarray


def affine_groups(data: np.ndarray, kind: str) -> AffineGroups:
    """Read rows of blocks.

    ggml computes each of these types as a product and one sum. The product of a 16-bit scale (times
    a 6-bit factor in the K types) and an integer fits into float32's 24 bits, so that integer *
    scale + bias, rounded once, is bit for bit what ggml's formula gives in float32.

    Parameters
    ----------
    data : ndarray of uint8, shape (rows, bytes)
        As they are stored.
    kind : str
        A key of `BITS`.
    """
    read = _READERS[kind]
    rows = len(data)
    blocks = np.ascontiguousarray(data).reshape(-1, _BLOCK_BYTES[kind])
    integers, scales, biases = read(blocks)
    return AffineGroups(
        integers.reshape(rows, -1), scales.reshape(rows, -1), biases.reshape(rows, -1)
    )


_Groups = tuple[np.ndarray, np.ndarray, np.ndarray]


def _halves(blocks: np.ndarray, *at: int) -> list[np.ndarray]:
    """(blocks,) float32 each: float16 numbers that begin at these bytes."""
    return [blocks[:, i : i + 2].copy().view("<f2")[:, 0].astype(np.float32) for i in at]


def _nibbles(stored: np.ndarray) -> np.ndarray:
    """(..., 32): the low four bits of 16 bytes, then the high ones."""
    return np.concatenate([stored & 15, stored >> 4], axis=-1)


def _fifth_bits(stored: np.ndarray) -> np.ndarray:
    """(blocks, 32): 16 or 0, by the bits of four bytes."""
    return np.unpackbits(stored, axis=-1, bitorder="little") << 4


def _q4_0(blocks: np.ndarray) -> _Groups:
    (scale,) = _halves(blocks, 0)
    return _nibbles(blocks[:, 2:]), scale, -8 * scale


def _q4_1(blocks: np.ndarray) -> _Groups:
    scale, bias = _halves(blocks, 0, 2)
    return _nibbles(blocks[:, 4:]), scale, bias


def _q5_0(blocks: np.ndarray) -> _Groups:
    (scale,) = _halves(blocks, 0)
    return _nibbles(blocks[:, 6:]) | _fifth_bits(blocks[:, 2:6]), scale, -16 * scale


def _q5_1(blocks: np.ndarray) -> _Groups:
    scale, bias = _halves(blocks, 0, 2)
    return _nibbles(blocks[:, 8:]) | _fifth_bits(blocks[:, 4:8]), scale, bias


def _q8_0(blocks: np.ndarray) -> _Groups:
    (scale,) = _halves(blocks, 0)
    # Signed bytes plus 128: the sign bit turned over.
    return blocks[:, 2:] ^ np.uint8(128), scale, -128 * scale


def _k_scales(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(blocks, 8) float32 scales and biases of a super-block, from twelve packed bytes."""
    d, dmin = _halves(blocks, 0, 2)
    low, high, rest = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    factors = np.concatenate([low & 63, (rest & 15) | ((low >> 6) << 4)], axis=1)
    minima = np.concatenate([high & 63, (rest >> 4) | ((high >> 6) << 4)], axis=1)
    return d[:, None] * factors, -(dmin[:, None] * minima)


def _k_nibbles(stored: np.ndarray) -> np.ndarray:
    """(blocks, 8, 32): low bits of 32 bytes are one sub-block, the high ones the next."""
    stored = stored.reshape(-1, 4, 1, GROUP)
    return np.concatenate([stored & 15, stored >> 4], axis=2).reshape(-1, 8, GROUP)


def _q4_k(blocks: np.ndarray) -> _Groups:
    return _k_nibbles(blocks[:, 16:]), *_k_scales(blocks)


def _q5_k(blocks: np.ndarray) -> _Groups:
    # Bit i of byte j belongs to weight j of sub-block i.
    fifth = (blocks[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None]) & 1
    return _k_nibbles(blocks[:, 48:]) | (fifth << 4), *_k_scales(blocks)


_READERS = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
}
_BLOCK_BYTES = {
    "Q4_0": 18,
    "Q4_1": 20,
    "Q5_0": 22,
    "Q5_1": 24,
    "Q8_0": 34,
    "Q4_K": 144,
    "Q5_K": 176,
}
