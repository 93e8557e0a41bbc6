"""Writes MLX's affine quantization with numpy alone: packs integers, quantizes matrices.

The counterpart of `evmlx.backends.mlx_weights`, which reads. Knows nothing about files.
"""

from __future__ import annotations

import numpy as np

ROWS_AT_A_TIME = 4096
SMALLEST_SCALE = np.float32(1e-7)


def pack(integers: np.ndarray, bits: int) -> np.ndarray:
    """Rows of little-endian bitstreams from integers; undoes `mlx_weights.unpack`.

    Parameters
    ----------
    integers : ndarray of uint8, shape (rows, inputs)
        Below 2 to the power of `bits`; inputs are a multiple of 32.
    bits : int
        Bits of each.

    Returns
    -------
    ndarray of uint32, shape (rows, inputs * bits / 32)
    """
    integers = np.ascontiguousarray(integers)
    if bits == 8:
        stream = integers
    elif bits == 4:
        stream = integers[:, ::2] | (integers[:, 1::2] << 4)
    else:
        single = np.unpackbits(integers[..., None], axis=-1, bitorder="little")[..., :bits]
        stream = np.packbits(single.reshape(len(integers), -1), axis=-1, bitorder="little")
    return np.ascontiguousarray(stream).view("<u4")


def quantize(
    weights: np.ndarray, bits: int, group: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantize a matrix as `mlx.core.quantize` does on the CPU, in float32.

    Each group's scale is its range over the number of steps, with a sign such that integer 0
    stands for the end of larger magnitude, and moved a little so that some integer stands for 0.

    Parameters
    ----------
    weights : ndarray of float32, shape (rows, inputs)
        Inputs are a multiple of `group`.
    bits : int
        Bits of each weight.
    group : int
        Neighbours in a row that share a scale and a bias.

    Returns
    -------
    packed : ndarray of uint32, shape (rows, inputs * bits / 32)
        As `pack` returns it.
    scales, biases : ndarray of float32, shape (rows, inputs / group)
        Weight = integer * scale + bias.

    References
    ----------
    MLX, `mlx/backend/cpu/quantized.cpp`, ``quantize``.
    """
    parts = [
        _quantize_rows(weights[begin : begin + ROWS_AT_A_TIME], bits, group)
        for begin in range(0, len(weights), ROWS_AT_A_TIME)
    ]
    packed, scales, biases = (np.concatenate(each) for each in zip(*parts, strict=True))
    return packed, scales, biases


def _quantize_rows(
    weights: np.ndarray, bits: int, group: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    steps = np.float32((1 << bits) - 1)
    grouped = np.asarray(weights, dtype=np.float32).reshape(len(weights), -1, group)
    low, high = grouped.min(axis=-1), grouped.max(axis=-1)
    scales = np.maximum((high - low) / steps, SMALLEST_SCALE)
    below = np.abs(low) > np.abs(high)
    scales = np.where(below, scales, -scales)
    edge = np.where(below, low, high)
    zero_at = np.rint(edge / scales)
    exact = zero_at != 0
    scales = np.where(exact, edge / np.where(exact, zero_at, 1), scales)
    biases = np.where(exact, edge, np.float32(0))
    integers = np.rint((grouped - biases[..., None]) / scales[..., None])
    integers = integers.clip(0, steps).astype(np.uint8).reshape(len(weights), -1)
    return pack(integers, bits), scales, biases
