"""The choice of engine, device, type and size of a batch."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evmlx.backends import engines
from evmlx.errors import EvmlxError
from evmlx.estimate import model_needs

mx = pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
pytest.importorskip("torch", reason="torch makes the tiny checkpoints")

from safetensors.numpy import load_file  # noqa: E402
from tiny_models import save_tiny  # noqa: E402

from evmlx.backends import mlx_device  # noqa: E402


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("llama"), "llama")


# The choice of engine.


def test_auto_is_mlx_on_apple_silicon_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert engines.choose_backend("auto") == "torch"
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(engines.platform, "machine", lambda: "arm64")
    assert engines.choose_backend("auto") == "mlx"
    monkeypatch.setattr(engines.platform, "machine", lambda: "x86_64")
    assert engines.choose_backend("auto") == "torch"


def test_an_engine_that_is_missing_is_a_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EvmlxError, match=r"mlx engine is not installed: pip install \S+ mlx-lm"):
        engines.choose_engine("mlx", "auto", "auto", None)


def test_the_engine_takes_the_type_of_the_checkpoint(llama: Path) -> None:
    engine = engines.choose_engine("mlx", "cpu", "auto", None)
    assert (engine.name, engine.device, engine.dtype) == ("mlx", "cpu", "auto")
    assert engines.settled(engine, llama).dtype == "float32"
    backend = engine.load(llama)
    assert backend.info.dtype == "float32" and backend.info.device.startswith("cpu")
    asked = engines.choose_engine("mlx", "cpu", "bfloat16", "4bit")
    assert engines.settled(asked, llama).dtype == "bfloat16"
    assert asked.load(llama).info.dtype == "bfloat16"
    assert asked.load(llama).info.quantization == ("affine 4bit, groups of 64; dequantized on load")


def test_a_rate_is_measured() -> None:
    assert mlx_device.matmul_rate("float32", "cpu", 0.01) > 1e6


def test_devices_types_and_quantizations_that_are_not_there() -> None:
    for device in ("cuda", "mps", "cuda:0"):
        with pytest.raises(EvmlxError, match=f"--device {device}: the mlx engine has auto, gpu"):
            engines.choose_engine("mlx", device, "auto", None)
    if not mx.is_available(mx.gpu):
        with pytest.raises(EvmlxError, match="sees no GPU"):
            mlx_device.choose_device("gpu")
    with pytest.raises(EvmlxError, match="--dtype int8"):
        engines.choose_engine("mlx", "auto", "int8", None)
    with pytest.raises(EvmlxError, match="torch engine has 8bit, 4bit; the mlx engine has 8bit, 6"):
        engines.choose_engine("torch", "auto", "auto", "3bit")
    with pytest.raises(EvmlxError, match="--quantize 5bit is not for the mlx engine"):
        engines.choose_engine("mlx", "auto", "auto", "5bit")


def test_the_packages_whose_versions_are_recorded() -> None:
    from evmlx.backends import torch_device

    assert engines.choose_engine("torch", "cpu", "auto", None).packages == ("torch",)
    assert engines.choose_engine("mlx", "cpu", "auto", None).packages == ("mlx", "mlx-lm")
    assert torch_device.packages("cuda:0", None) == ("accelerate",)
    assert torch_device.packages("cuda:0", "4bit") == ("accelerate", "bitsandbytes")


# How much fits.


def test_batches_are_cut_where_a_device_has_little_memory(llama: Path) -> None:
    engine = engines.choose_engine("mlx", "cpu", "float32", None)
    plenty = engines.settled(engine, llama).batch_tokens
    assert plenty == engine.batch_tokens == mlx_device.BATCH_TOKENS["cpu"]
    need = model_needs(llama, "float32")
    # Five matrices a block but two of 96 rows; embeddings at both ends; 4 bytes a value.
    stored = sum(t.size for t in load_file(llama / "model.safetensors").values())
    assert need.weights == 4 * stored
    assert need.per_token == 4 * (6 * 96 + 8 * 64 + 4 * 512)
    room = int((need.weights + 300 * need.per_token) / 0.8)
    little = engines.settled(replace(engine, memory=lambda: room), llama)
    assert little.batch_tokens == 256  # 1024, halved until 300 are enough
    nothing = engines.settled(replace(engine, memory=lambda: 1), llama)
    assert 0 < nothing.batch_tokens < 256
    unknown = engines.settled(replace(engine, memory=lambda: None), llama)
    assert unknown.batch_tokens == plenty


def test_quantized_weights_take_less(llama: Path) -> None:
    full, eight, four = (model_needs(llama, "bfloat16", bits=bits) for bits in (None, 8, 4))
    assert full.weights > eight.weights > four.weights > full.weights / 4
    assert full.per_token == four.per_token


def test_what_a_gpu_has_is_what_mlx_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    info: dict[str, Any] = {"max_recommended_working_set_size": 1000, "memory_size": 2000}
    monkeypatch.setattr(mlx_device, "device_info", lambda: info)
    assert mlx_device.device_memory("gpu") == 1000
    del info["max_recommended_working_set_size"]  # as MLX's CUDA build
    assert mlx_device.device_memory("gpu") == 2000
    machine = mlx_device.device_memory("cpu")
    assert machine is not None and machine > 2**30
    info.clear()
    assert mlx_device.device_memory("gpu") == machine
    monkeypatch.delattr(mlx_device.os, "sysconf")
    assert mlx_device.device_memory("cpu") is None


def test_batches_on_a_cuda_device_are_cut_to_what_is_free(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from evmlx.backends import torch_backend, torch_device

    monkeypatch.setattr(torch_device, "choose_device", lambda _: "cuda:0")
    engine = engines.choose_engine("torch", "auto", "auto", None)
    need = model_needs(llama, "bfloat16")
    for free, expected in ((2**34, 16384), (int(need.per_token * 5000 / 0.8), 4096)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 2**36))
        assert engines.settled(engine, llama).batch_tokens == expected
    monkeypatch.undo()
    cpu = engines.settled(engines.choose_engine("torch", "cpu", "auto", None), llama)
    assert cpu.batch_tokens == torch_backend.BATCH_TOKENS["cpu"]
