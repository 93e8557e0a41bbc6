"""Quantized GGUF files become MLX checkpoints with the very weights, on both engines."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf.quants import dequantize as reference
from gguf_files import LLAMA_NAMES, gguf_tensors, loaded, quiet, random_blocks, tiny, write_gguf
from safetensors.numpy import load_file

from evmlx.errors import EvmlxError
from evmlx.estimate import estimate
from evmlx.gguf import convert as gguf_convert
from evmlx.gguf.blocks import BITS
from evmlx.models.checkpoints import Checkpoint, resolve
from evmlx.stimuli import Stimulus, token_batch

WIDE = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "head_dim": 64,
}
KINDS = {
    "token_embd": "Q8_0",
    "attn_q": "Q4_K",
    "attn_k": "Q5_0",
    "attn_v": "Q6_K",
    "attn_output": "Q5_K",
    "ffn_gate": "Q4_0",
    "ffn_up": "Q5_1",
    "ffn_down": "Q4_1",
    "output": "Q4_0",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def original_rows(weights: np.ndarray, heads: int) -> np.ndarray:
    """Take back `gguf_files.permuted`."""
    split = weights.reshape(heads, weights.shape[0] // heads // 2, 2, -1)
    return split.swapaxes(1, 2).reshape(weights.shape)


def gguf_name(name: str) -> str:
    module = name.removesuffix(".weight")
    if module.startswith("model.layers."):
        _, _, layer, module = module.split(".", 3)
        return f"blk.{layer}.{LLAMA_NAMES[module]}.weight"
    return f"{LLAMA_NAMES[module]}.weight"


@lru_cache
def planted(family: str) -> tuple[dict[str, Any], Any]:
    """Tensors with every affine type, and the dense model that they stand for."""
    import torch

    own = {"num_hidden_layers": 2}
    if family == "gemma3_text":
        own = {"query_pre_attn_scalar": 64}
    model = tiny(family, **WIDE, **own, tie_word_embeddings=family != "llama")
    rng = np.random.default_rng(0)
    tensors = {
        name: random_blocks(KINDS[name.split(".")[-2]], values.shape, rng)
        for name, values in gguf_tensors(model).items()
        if values.ndim == 2
    }
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2:
                continue
            values = reference(*tensors[gguf_name(name)])
            if family == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
                values = original_rows(values, len(values) // 64)
            parameter.copy_(torch.from_numpy(values))
    return tensors, model


def converted(folder: Path, family: str) -> Checkpoint:
    tensors, model = planted(family)
    path = write_gguf(folder / "a.gguf", model, tensors, general__file_type=15)
    return resolve(str(path), say=quiet)


def stored(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    return load_file(checkpoint.folder / "model.safetensors")


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gemma3_text"])
def test_weights_are_those_of_the_file_on_torch(family: str, tmp_path: Path) -> None:
    checkpoint, model = converted(tmp_path, family), planted(family)[1]
    found = loaded(checkpoint.folder).state_dict()
    for name, values in model.state_dict().items():
        if "norm" in name and family == "gemma3_text":  # +1, then -1, in float32
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6)
        else:
            np.testing.assert_array_equal(found[name], values, name)
    assert (checkpoint.quantization, checkpoint.run_name) == ("q4_k_m", "a-q4_k_m")


def test_the_config_says_what_mlx_lm_writes(tmp_path: Path) -> None:
    checkpoint = converted(tmp_path, "llama")
    config = json.loads((checkpoint.folder / "config.json").read_text())
    assert config["quantization"] == config["quantization_config"]
    declared = dict(config["quantization"])
    common = (declared.pop("group_size"), declared.pop("bits"), declared.pop("mode"))
    assert common == (32, 4, "affine")  # of 7 matrices, and of 6 are 5
    tensors = stored(checkpoint)
    for module in {name.rpartition(".")[0] for name in tensors}:
        weight = tensors[f"{module}.weight"]
        if f"{module}.scales" not in tensors:
            assert weight.dtype == np.float32 and module not in declared
            continue
        inputs = tensors[f"{module}.scales"].shape[1] * 32
        bits = declared.pop(module, {"group_size": 32, "bits": 4})["bits"]
        assert weight.dtype == np.uint32 and weight.shape[1] * 32 == inputs * bits
    assert not declared
    assert "model.layers.0.self_attn.v_proj.scales" not in tensors  # Q6_K
    assert {t.dtype.name for t in tensors.values()} == {"float32", "uint32"}


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3_text"])
def test_both_engines_run_the_folder(family: str, tmp_path: Path) -> None:
    pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
    pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
    from evmlx.backends.mlx_backend import MLXBackend
    from evmlx.backends.torch_backend import TorchBackend

    checkpoint, model = converted(tmp_path, family), planted(family)[1]
    model.save_pretrained(tmp_path / "dense")
    rng = np.random.default_rng(7)
    batch = token_batch(
        [Stimulus("stories", f"{n}", rng.integers(3, 300, n), n // 3, n) for n in (20, 9)]
    )
    on_mlx = MLXBackend(checkpoint.folder)
    assert on_mlx.info.dtype == "float32"
    assert "bit mixed, groups of 32; dequantized on load" in str(on_mlx.info.quantization)
    dense, torch_, mlx_ = (
        backend.pooled_residuals(batch, (0, 1))
        for backend in (
            TorchBackend(tmp_path / "dense"),
            TorchBackend(checkpoint.folder),
            on_mlx,
        )
    )
    for found in (torch_, mlx_):
        assert np.linalg.norm(found - dense) < 2e-6 * np.linalg.norm(dense)


def test_packed_weights_compute_the_same_as_dense_ones(tmp_path: Path) -> None:
    """What a GPU runs, without dequantizing on load."""
    mx = pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
    utils = pytest.importorskip("mlx_lm.utils", reason="the mlx engine is not installed")
    from evmlx.backends.mlx_loading import dequantize_weights

    checkpoint = converted(tmp_path, "llama")
    model, _ = utils.load_model(checkpoint.folder)
    ids = mx.array([[5, 6, 7, 8]])
    packed = np.array(model(ids))
    assert dequantize_weights(model) and not dequantize_weights(model)
    dense = np.array(model(ids))
    assert np.linalg.norm(packed - dense) < 2e-6 * np.linalg.norm(dense)


@pytest.mark.parametrize("engine", ["mlx", "torch"])
def test_quantizing_it_again_on_load_is_refused(engine: str, tmp_path: Path) -> None:
    checkpoint = converted(tmp_path, "llama")
    with pytest.raises(EvmlxError, match="is quantized already"):
        if engine == "mlx":
            pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
            from evmlx.backends.mlx_backend import MLXBackend

            MLXBackend(checkpoint.folder, "float32", "4bit")
        else:
            from transformers import AutoConfig

            from evmlx.backends.torch_mlx import load_dense

            config = AutoConfig.from_pretrained(checkpoint.folder)
            load_dense(checkpoint.folder, config, {"dtype": None, "quantization_config": object()})


def test_a_large_file_gets_half_precision_scales_and_says_what_that_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_convert, "_FLOAT32_LIMIT", 1000)
    model = tiny("llama", **WIDE, num_hidden_layers=1)
    rng = np.random.default_rng(0)
    shapes = {"blk.0.ffn_up.weight": "Q4_K", "blk.0.ffn_gate.weight": "Q4_0"}
    tensors = {name: random_blocks(kind, (512, 256), rng) for name, kind in shapes.items()}
    said: list[str] = []
    checkpoint = resolve(str(write_gguf(tmp_path / "a.gguf", model, tensors)), say=said.append)
    assert "which rounds dense weights and scales of Q4_K" in said[1]
    found = stored(checkpoint)
    assert {t.dtype.name for t in found.values()} == {"float16", "uint32"}
    state = loaded(checkpoint.folder).state_dict()
    exact = reference(*tensors["blk.0.ffn_gate.weight"])
    np.testing.assert_array_equal(state["model.layers.0.mlp.gate_proj.weight"], exact)
    near = reference(*tensors["blk.0.ffn_up.weight"])
    error = np.abs(state["model.layers.0.mlp.up_proj.weight"].numpy() - near)
    assert 0 < error.max() < 1e-3 * (near.max() - near.min())


def test_damaged_scales_are_refused(tmp_path: Path) -> None:
    model = tiny("llama", **WIDE, num_hidden_layers=1)
    stored_, type_ = random_blocks("Q8_0", (512, 256), np.random.default_rng(0))
    stored_[3, 34:36] = (0, 0x7E)  # not a number
    path = write_gguf(tmp_path / "a.gguf", model, {"blk.0.ffn_up.weight": (stored_, type_)})
    with pytest.raises(EvmlxError, match="blk.0.ffn_up.weight.*non-finite"):
        resolve(str(path), say=quiet)


def test_the_estimate_counts_weights_and_not_words(tmp_path: Path) -> None:
    checkpoint, model = converted(tmp_path, "llama"), planted("llama")[1]
    text = [Stimulus("stories", "a", np.arange(10), 5, 10)]
    dense, packed = (
        estimate(checkpoint.folder, text, 1, 100, "float32", 1e9, packed=packed)
        for packed in (False, True)
    )
    matrices = sum(p.numel() for p in model.model.layers.parameters() if p.ndim == 2)
    assert dense.multiply_adds == packed.multiply_adds == 10 * matrices + 100 * 256 * 2
    weights = sum(p.numel() for p in model.parameters())
    held = sum(t.nbytes for t in stored(checkpoint).values())
    assert dense.memory - packed.memory == 4 * weights - held
    assert set(KINDS.values()) - {"Q6_K"} == set(BITS)
