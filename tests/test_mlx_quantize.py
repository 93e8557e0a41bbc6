"""Quantization with numpy: bit for bit what MLX does, and what is known of any such rounding."""

from __future__ import annotations

import numpy as np
import pytest

from evmlx.backends import mlx_quantize
from evmlx.backends.mlx_quantize import pack, quantize
from evmlx.backends.mlx_weights import BITS, GROUPS, dequantize, unpack


@pytest.mark.parametrize("bits", BITS)
def test_packed_integers_come_back(bits: int) -> None:
    integers = np.random.default_rng(bits).integers(0, 1 << bits, (5, 96)).astype(np.uint8)
    packed = pack(integers, bits)
    assert packed.shape == (5, 3 * bits) and packed.dtype == np.uint32
    np.testing.assert_array_equal(unpack(packed, bits), integers)


def matrix() -> np.ndarray:
    """Ordinary rows, and those at which a quantizer may stumble."""
    rng = np.random.default_rng(0)
    w = (0.05 * rng.standard_t(4, (64, 512))).astype(np.float32)
    w[0] = 0
    w[1] = 1
    w[2:4] = np.abs(w[2:4])
    w[4] = -np.abs(w[4])
    w[5, :256] = 0
    w[6] *= 1e-9  # below the smallest scale
    w[7, ::2] = -w[7, 1::2]  # both ends equally far
    return w


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_quantized_as_mlx_does(bits: int, group: int) -> None:
    mx = pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
    with mx.stream(mx.cpu):
        expected = mx.quantize(mx.array(matrix()), group_size=group, bits=bits)
        mx.eval(*expected)
    for found, theirs in zip(quantize(matrix(), bits, group), expected, strict=True):
        np.testing.assert_array_equal(found, np.array(theirs))


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_no_weight_moves_by_more_than_a_step(bits: int) -> None:
    w = matrix()
    packed, scales, biases = quantize(w, bits, 64)
    moved = np.abs(dequantize(packed, scales, biases, bits) - w).reshape(64, 8, 64)
    grouped = w.reshape(moved.shape)
    step = (grouped.max(-1) - grouped.min(-1)) / ((1 << bits) - 1)
    # Half a step in general; up to a whole one at the far end, as some integer stands for 0.
    assert (moved.max(-1) <= 1.01 * step + 1e-6).all()
    typical = np.median(moved.max(-1)[8:] / step[8:])
    assert 0.4 < typical <= 1


def test_long_matrices_are_done_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = quantize(matrix(), 5, 32)
    monkeypatch.setattr(mlx_quantize, "ROWS_AT_A_TIME", 7)
    for one, other in zip(quantize(matrix(), 5, 32), whole, strict=True):
        np.testing.assert_array_equal(one, other)
