"""MLX's affine quantization read with numpy: against MLX itself and against single bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evmlx.backends.mlx_weights import (
    BITS,
    GROUPS,
    checkpoint_dtype,
    dense_tensors,
    dequantize,
    is_mlx_quantized,
    unpack,
)
from evmlx.errors import EvmlxError


@pytest.mark.parametrize("bits", BITS)
def test_rows_are_little_endian_bitstreams(bits: int) -> None:
    rng = np.random.default_rng(bits)
    q = rng.integers(0, 1 << bits, (3, 64))
    rows = [sum(int(v) << (j * bits) for j, v in enumerate(row)) for row in q]  # one big integer
    packed = np.frombuffer(b"".join(r.to_bytes(8 * bits, "little") for r in rows), "<u4")
    np.testing.assert_array_equal(unpack(packed.reshape(3, -1), bits), q)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("bits", BITS)
def test_dequantized_as_mlx_does(bits: int, group: int) -> None:
    mx = pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
    w = mx.random.normal((5, 256), key=mx.random.key(bits * group))
    try:
        packed, scales, biases = mx.quantize(w, group_size=group, bits=bits)
        expected = mx.dequantize(packed, scales, biases, group_size=group, bits=bits)
        mx.eval(packed, scales, biases, expected)
    except (ValueError, RuntimeError) as error:
        pytest.skip(f"this mlx has no {bits} bits in groups of {group}: {str(error)[:60]}")
    ours = dequantize(np.array(packed), np.array(scales), np.array(biases), bits)
    # MLX may fuse the product and the sum: one rounding of float32 apart at most.
    np.testing.assert_allclose(ours, np.array(expected), rtol=0, atol=3e-7)


def test_long_matrices_are_done_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 1 << 32, (10, 12), dtype=np.uint32)
    scales, biases = rng.normal(size=(2, 10, 2)).astype(np.float32)
    whole = dequantize(packed, scales, biases, 6)
    monkeypatch.setattr("evmlx.backends.mlx_weights.ROWS_AT_A_TIME", 3)
    np.testing.assert_array_equal(dequantize(packed, scales, biases, 6), whole)


CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "quantization": {"bits": 4, "group_size": 32},
}
PACKED = np.arange(16, dtype=np.uint32).reshape(2, 8)  # 64 inputs of 4 bits


def folder_with(path: Path, tensors: dict[str, tuple[str, np.ndarray]], **config: Any) -> Path:
    """Write a checkpoint by hand; types as safetensors names them."""
    header, data = {}, b""
    for name, (dtype, array) in tensors.items():
        raw = array.tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    (path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    (path / "config.json").write_text(json.dumps({**CONFIG, **config}))
    return path


def quantized(name: str, groups: int = 2, scale: str = "F32") -> dict[str, tuple[str, np.ndarray]]:
    kind = {"F32": np.float32, "U8": np.uint8, "BF16": np.uint16}[scale]
    one = {"F32": 1.0, "U8": 1, "BF16": 0x3F80}[scale]
    scales = np.full((2, groups), one, kind)
    parts = {f"{name}.weight": ("U32", PACKED), f"{name}.scales": (scale, scales)}
    return {**parts, f"{name}.biases": (scale, scales)} if scale != "U8" else parts


@pytest.mark.parametrize("scale", ["F32", "BF16"])
def test_a_checkpoint_is_read_tensor_by_tensor(tmp_path: Path, scale: str) -> None:
    name = "model.layers.0.self_attn.q_proj"
    norm = np.array([0x3FC0, 0xC000], np.uint16)  # 1.5 and -2 in bfloat16
    tensors = {**quantized(name, scale=scale), "model.norm.weight": ("BF16", norm)}
    state = {t.name: t.read() for t in dense_tensors(folder_with(tmp_path, tensors))}
    assert list(state) == [f"{name}.weight", "model.norm.weight"]
    nibbles = (PACKED[..., None] >> np.arange(0, 32, 4, dtype=np.uint32)) & 15
    np.testing.assert_array_equal(state[f"{name}.weight"], nibbles.reshape(2, 64) + 1.0)
    np.testing.assert_array_equal(state["model.norm.weight"], [1.5, -2.0])
    assert all(w.dtype == np.float32 for w in state.values())


def test_bits_come_from_the_shapes_and_not_from_the_default(tmp_path: Path) -> None:
    # 8 bits in groups of 32 and 4 bits in groups of 64 have the same ratio of packed to scales.
    tensors = quantized("model.layers.0.self_attn.o_proj", groups=1)
    folder = folder_with(tmp_path, tensors, head_dim=8)  # 4 heads of 8: 32 inputs, 8 bits
    (weight,) = dense_tensors(folder)
    assert weight.shape == (2, 32)
    np.testing.assert_array_equal(weight.read(), PACKED.view(np.uint8) + 1.0)


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    name = "model.layers.0.self_attn.q_proj"
    with pytest.raises(EvmlxError, match="not for qwen3_moe: use --backend mlx"):
        list(dense_tensors(folder_with(tmp_path, quantized(name), model_type="qwen3_moe")))
    with pytest.raises(EvmlxError, match=f"{name} is quantized in another mode than affine"):
        list(dense_tensors(folder_with(tmp_path, quantized(name, scale="U8"))))
    with pytest.raises(EvmlxError, match=rf"{name} has packed weights of shape \(2, 8\)"):
        list(dense_tensors(folder_with(tmp_path, quantized(name, groups=3))))
    with pytest.raises(EvmlxError, match="tensor x has the type F8_E4M3"):
        list(dense_tensors(folder_with(tmp_path, {"x": ("F8_E4M3", PACKED)})))


def test_only_mlx_declarations_are_taken_for_mlx() -> None:
    assert is_mlx_quantized({"quantization": {"bits": 4}, "quantization_config": {"bits": 4}})
    assert not is_mlx_quantized({"quantization_config": {"quant_method": "gptq", "bits": 4}})
    assert not is_mlx_quantized({})


def test_the_type_of_most_values_is_the_type_of_a_checkpoint(tmp_path: Path) -> None:
    big, small = np.zeros(9, np.uint16), np.zeros(2, np.float32)
    packed = ("U32", np.zeros(99, np.uint32))
    folder_with(tmp_path, {"a": ("BF16", big), "b": ("F32", small), "c": packed})
    assert checkpoint_dtype(tmp_path) == "bfloat16"
