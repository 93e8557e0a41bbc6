"""Conversion of GGUF files: against the models they were written from, and by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import gguf_tensors, loaded, quiet, residuals, tiny, write_gguf

from evmlx.errors import EvmlxError
from evmlx.gguf import convert as gguf_convert
from evmlx.gguf import weights as gguf_weights
from evmlx.gguf.config import llama3_factors
from evmlx.models import weight_files
from evmlx.models.checkpoints import resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture()
def small(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "small.gguf", tiny("llama", num_hidden_layers=1))


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}}),
        ("qwen2", {"tie_word_embeddings": True}),
        ("qwen3", {}),
        ("gemma3_text", {}),
        ("gemma3_text", {"num_key_value_heads": 1, "tie_word_embeddings": True}),
        (
            "gemma3_text",
            {
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e6},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
                }
            },
        ),
    ],
)
def test_residuals_are_those_of_the_original(
    family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    model = tiny(family, **changes)
    values = {}
    if changes.get("rope_parameters"):
        arch = family.removesuffix("_text")
        values = {f"{arch}__rope__scaling__type": "linear", f"{arch}__rope__scaling__factor": 4.0}
    path = write_gguf(tmp_path / "Tiny-Q.F32.gguf", model, **values)
    checkpoint = resolve(str(path), say=quiet)
    assert (checkpoint.name, checkpoint.quantization) == ("Tiny-Q", None)
    converted = loaded(checkpoint.folder)
    assert converted.config.tie_word_embeddings is model.config.tie_word_embeddings
    expected = residuals(model)
    # Only Gemma's norm weights are rounded on their way (+1, then -1).
    tolerance = 1e-5 * np.abs(expected).max() if family == "gemma3_text" else 0
    np.testing.assert_allclose(residuals(converted), expected, rtol=0, atol=tolerance)


def test_llama3_rope_factors_are_recognised(tmp_path: Path) -> None:
    rope = {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_theta": 500_000.0,
    }
    model = tiny("llama", rope_parameters=rope, max_position_embeddings=16384, head_dim=64)
    plain = 1 / 500_000.0 ** (np.arange(0, 64, 2) / 64)
    factors = (plain / model.model.rotary_emb.inv_freq.numpy()).astype(np.float32)
    assert factors.min() == pytest.approx(1) and factors.max() == pytest.approx(32)
    np.testing.assert_allclose(llama3_factors(rope, 500_000.0, 64), factors, rtol=1e-5)
    path = write_gguf(tmp_path / "a.gguf", model, tensors={"rope_freqs.weight": factors})
    checkpoint = resolve(str(path), say=quiet)
    config = json.loads((checkpoint.folder / "config.json").read_text())
    assert config["rope_scaling"] == {k: v for k, v in rope.items() if k != "rope_theta"}
    np.testing.assert_array_equal(residuals(loaded(checkpoint.folder)), residuals(model))

    factors[3] = 7
    path = write_gguf(tmp_path / "b.gguf", model, tensors={"rope_freqs.weight": factors})
    with pytest.raises(EvmlxError, match="rope_freqs"):
        resolve(str(path), say=quiet)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gemma3_text"])
def test_mlx_lm_reads_the_folder(family: str, scaled: bool, tmp_path: Path) -> None:
    mx = pytest.importorskip("mlx.core")
    utils = pytest.importorskip("mlx_lm.utils")
    import torch

    changes: dict[str, Any] = {}
    values = {}
    if scaled:
        rope = {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e6}
        changes["rope_parameters"] = rope
        if family == "gemma3_text":
            local = {"rope_type": "default", "rope_theta": 1e4}
            changes["rope_parameters"] = {"full_attention": rope, "sliding_attention": local}
        arch = family.removesuffix("_text")
        values = {f"{arch}__rope__scaling__factor": 4.0}
    model = tiny(family, tie_word_embeddings=True, **changes)
    checkpoint = resolve(str(write_gguf(tmp_path / "a.gguf", model, **values)), say=quiet)
    on_mlx, _ = utils.load_model(checkpoint.folder)
    ids = [[i * 37 % 250 for i in range(20)]]
    with torch.no_grad():
        expected = model(torch.tensor(ids)).logits.numpy()
    # mlx-lm rounds Gemma's embedding scale to bfloat16: 8.0 for this width, exactly.
    found = np.array(on_mlx(mx.array(ids)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


def by_hand_q4_1(block: bytes) -> list[float]:
    scale, offset = np.frombuffer(block[:4], "<f2").astype(np.float32)
    low = [scale * np.float32(byte & 15) + offset for byte in block[4:]]
    high = [scale * np.float32(byte >> 4) + offset for byte in block[4:]]
    return [float(value) for value in low + high]


def by_hand_q8_0(block: bytes) -> list[float]:
    scale = np.frombuffer(block[:2], "<f2").astype(np.float32)[0]
    return [float(scale * np.float32(q)) for q in np.frombuffer(block[2:], "i1")]


@pytest.mark.parametrize(
    ("kind", "size", "by_hand"), [("Q4_1", 20, by_hand_q4_1), ("Q8_0", 34, by_hand_q8_0)]
)
def test_blocks_are_dequantised_exactly(kind: str, size: int, by_hand: Any, tmp_path: Path) -> None:
    import gguf

    model = tiny("llama", num_hidden_layers=1)
    weights = model.model.layers[0].mlp.down_proj.weight.detach().numpy()
    type_ = gguf.GGMLQuantizationType[kind]
    stored = gguf.quants.quantize(weights, type_)
    path = write_gguf(
        tmp_path / "a.gguf",
        model,
        tensors={"blk.0.ffn_down.weight": (stored, type_)},
        general__file_type=None,
    )
    found = loaded(resolve(str(path), say=quiet).folder).model.layers[0].mlp.down_proj.weight
    raw = stored.tobytes()
    expected = [v for i in range(0, len(raw), size) for v in by_hand(raw[i : i + size])]
    np.testing.assert_array_equal(found.detach().numpy().reshape(-1), np.float32(expected))
    assert np.abs(found.detach().numpy() - weights).max() < 0.1


@pytest.mark.parametrize(
    ("file_type", "label"), [(3, "q4_1"), (15, "q4_k_m"), (0, None), (32, None), (1024, None)]
)
def test_quantization_is_named(file_type: int, label: str | None, tmp_path: Path) -> None:
    model = tiny("llama", num_hidden_layers=1)
    path = write_gguf(tmp_path / "a.gguf", model, general__file_type=file_type)
    assert resolve(str(path), say=quiet).quantization == label


def test_dominant_type_is_the_label_where_the_file_names_none(tmp_path: Path) -> None:
    import gguf

    model = tiny("llama", num_hidden_layers=1)
    type_ = gguf.GGMLQuantizationType.Q8_0
    tensors = {
        name: (gguf.quants.quantize(values, type_), type_)
        for name, values in gguf_tensors(model).items()
        if "blk" in name and values.ndim == 2
    }
    path = write_gguf(tmp_path / "a.gguf", model, tensors, general__file_type=None)
    checkpoint = resolve(str(path), say=quiet)
    assert (checkpoint.quantization, checkpoint.run_name) == ("q8_0", "a-q8_0")


def test_large_models_are_stored_in_half_precision_and_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_convert, "_FLOAT32_LIMIT", 1000)
    monkeypatch.setattr(weight_files, "_SHARD", 60_000)
    monkeypatch.setattr(gguf_weights, "_PIECE", 500)
    model = tiny("llama")
    said: list[str] = []
    checkpoint = resolve(str(write_gguf(tmp_path / "a.gguf", model)), say=said.append)
    assert [("once" in line, "float16" in line) for line in said] == [(True, False), (False, True)]
    shards = sorted(checkpoint.folder.glob("*.safetensors"))
    assert len(shards) > 3 and all(s.stat().st_size < 62_000 for s in shards)
    state = loaded(checkpoint.folder).state_dict()
    for name, values in model.state_dict().items():
        half = values.numpy().astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(state[name].numpy(), half)


def test_second_use_reads_the_cache(small: Path, cache: Path) -> None:
    said: list[str] = []
    first = resolve(str(small), say=said.append)
    assert len(said) == 1 and str(cache) in said[0]
    moved = small.rename(small.with_name("Other-Q4_K_M.gguf"))
    second = resolve(str(moved), say=said.append)
    assert len(said) == 1
    assert (second.folder, second.revision) == (first.folder, first.revision)
    assert second.name == "Other"
    assert not list(cache.rglob("*.part"))


def test_a_killed_conversion_leaves_nothing(
    small: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gguf_convert, "write_shards", killed)
        with pytest.raises(KeyboardInterrupt):
            resolve(str(small), say=quiet)
    assert not [p for p in (cache / "converted").iterdir() if p.is_dir()]
    assert resolve(str(small), say=quiet).folder.is_dir()


def test_conversion_and_tokenizer_need_no_torch(small: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['mlx'] = None\n"
        "from evmlx.models.checkpoints import load_tokenizer, resolve\n"
        f"checkpoint = resolve({str(small)!r}, say=lambda line: None)\n"
        "print(load_tokenizer(checkpoint)('hi').input_ids)\n"
        "assert sys.modules['torch'] is None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("[1, ")
