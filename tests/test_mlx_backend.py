"""The MLX engine against plain forward passes of mlx-lm, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evmlx.backends import OutOfMemory, TokenBatch
from evmlx.errors import EvmlxError
from evmlx.stimuli import token_batch

mx = pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
pytest.importorskip("torch", reason="torch makes the tiny checkpoints")

from tiny_models import save_tiny, tiny_model  # noqa: E402
from tiny_texts import edit_config, relative, texts  # noqa: E402

from evmlx.backends import mlx_backend, mlx_config, mlx_device  # noqa: E402
from evmlx.backends.mlx_backend import MLXBackend  # noqa: E402

DENSE = "; dequantized on load"  # on the CPU


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("qwen2"), "qwen2")


def test_pools_what_the_blocks_give_without_padding_or_recording(llama: Path) -> None:
    from mlx_lm.utils import load_model

    stimuli = texts()
    backend = MLXBackend(llama)
    pooled = backend.pooled_residuals(token_batch(stimuli), range(5))
    assert pooled.shape == (5, 5, 64) and pooled.dtype == np.float32
    model, _ = load_model(llama)
    expected = []
    for s in stimuli:
        h = model.model.embed_tokens(mx.array(s.ids[None]))
        rows = []
        for block in model.layers:  # by hand, one text, no padding
            h = block(h, "causal" if len(s.ids) > 1 else None, cache=None)
            rows.append(np.array(h)[0, s.start : s.stop].mean(axis=0))
        expected.append(np.stack(rows))
    assert relative(pooled, np.stack(expected)) < 1e-5
    assert backend.info.architecture == "LlamaForCausalLM"
    assert backend.info.layers == 5 and backend.info.hidden_size == 64
    assert backend.info.dtype == "float32" and backend.info.quantization is None
    assert (backend.peak_memory() or 1) > 0


def test_batch_composition_order_and_padding_ids_make_no_difference(llama: Path) -> None:
    backend = MLXBackend(llama)
    stimuli = texts()
    together = backend.pooled_residuals(token_batch(stimuli), [1, 3])
    alone = [backend.pooled_residuals(token_batch([s]), [1, 3])[0] for s in stimuli]
    backwards = backend.pooled_residuals(token_batch(stimuli[::-1]), [1, 3])[::-1]
    batch = token_batch(stimuli)
    ids = batch.ids.copy()
    ids[np.arange(ids.shape[1]) >= batch.lengths[:, None]] = 123
    padded = TokenBatch(ids, batch.lengths, batch.weights, batch.names)
    assert relative(together, np.stack(alone)) < 1e-5
    assert relative(together, backwards) < 1e-5
    assert relative(together, backend.pooled_residuals(padded, [1, 3])) < 1e-6


@pytest.mark.parametrize("fixture", ["llama", "qwen2"])
def test_blocks_after_the_last_wanted_one_are_not_run_and_classes_are_restored(
    fixture: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Qwen 2's `layers` is a new list at each access: replacing its entries would record nothing.
    backend = MLXBackend(request.getfixturevalue(fixture))
    batch = token_batch(texts())
    whole = backend.pooled_residuals(batch, range(5))
    first = backend.pooled_residuals(batch, [0, 2])
    calls: list[int] = []
    blocks = list(backend.model.layers)
    cls = type(blocks[0])
    plain = cls.__call__

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(next(i for i, block in enumerate(blocks) if block is self))
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(cls, "__call__", counted)
    second = backend.pooled_residuals(batch, [0, 2])
    assert calls == [0, 1, 2]
    np.testing.assert_array_equal(whole[:, [0, 2]], first)
    np.testing.assert_array_equal(first, second)
    assert all(type(block) is cls for block in backend.model.layers)


def test_classes_are_restored_when_a_pass_fails(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = MLXBackend(llama)
    cls = type(backend.model.layers[0])
    monkeypatch.setattr(cls, "__call__", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backend.pooled_residuals(token_batch(texts()), [0, 2])
    assert all(type(block) is cls for block in backend.model.layers)


@pytest.mark.parametrize(
    "message",
    [
        "[metal::malloc] Attempting to allocate 1 bytes which is greater than the maximum",
        "[METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPU...)",
        "cudaMallocAsync(&data, size) failed: out of memory",
    ],
)
def test_failed_allocations_are_out_of_memory(
    llama: Path, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    backend = MLXBackend(llama)

    def fail(*_: Any) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(mlx_backend.mx, "eval", fail)
    with pytest.raises(OutOfMemory):
        backend.pooled_residuals(token_batch(texts()), [0])
    message = "[metal_kernel] No Metal back-end.\nmore"
    with pytest.raises(EvmlxError, match="cannot compute this model here: .metal_kernel. No") as e:
        backend.pooled_residuals(token_batch(texts()), [0])
    assert "\n" not in str(e.value)
    monkeypatch.setattr(mlx_backend.mx, "eval", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backend.pooled_residuals(token_batch(texts()), [0])


def test_memory_of_a_gpu_is_wired_while_computing_and_given_back(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = MLXBackend(llama)
    limits: list[int] = []
    cleared: list[int] = []

    def set_limit(size: int) -> int:
        limits.append(size)
        return 7

    info = {"max_recommended_working_set_size": 1000, "device_name": "Apple M9"}
    monkeypatch.setattr(mlx_backend, "device_info", lambda: info)
    monkeypatch.setattr(mlx_backend.mx, "set_wired_limit", set_limit)
    monkeypatch.setattr(mlx_backend.mx, "clear_cache", lambda: cleared.append(1))
    for length in (60, 50, 20, 130):
        backend.pooled_residuals(token_batch(texts((length, 3))), [1])
    assert limits == [1000, 7] * 4
    assert len(cleared) == 2  # at the first batch, and where the longest text passes 64 positions


def test_nothing_breaks_where_a_build_lacks_the_calls_about_memory(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = token_batch(texts((20, 3)))
    expected = MLXBackend(llama).pooled_residuals(batch, [1])
    calls = ("set_wired_limit", "clear_cache", "get_peak_memory", "reset_peak_memory")
    for name in (*calls, "device_info"):
        monkeypatch.delattr(mx, name, raising=False)
    monkeypatch.setattr(mx, "metal", object(), raising=False)
    assert mlx_device.device_info() == {} and mlx_device.device_name("gpu") == "gpu"
    backend = MLXBackend(llama)
    np.testing.assert_array_equal(backend.pooled_residuals(batch, [1]), expected)
    assert backend.peak_memory() is None and backend.info.device == "cpu"


def test_weights_that_do_not_fit_are_a_line_that_says_what_to_do(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("[malloc] Unable to allocate 12345 bytes.")

    monkeypatch.setattr(mlx_backend.mx, "eval", fail)
    with pytest.raises(EvmlxError, match="do not fit into memory .*12345.*--quantize 4bit"):
        MLXBackend(llama)


def test_a_failed_batch_is_halved_and_the_run_goes_on(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evmlx.extract import extract, load_activations

    stimuli = texts((30, 30, 30, 30, 20, 20))
    whole = MLXBackend(llama).pooled_residuals(token_batch(stimuli), [1, 3])
    plain, sizes = mlx_backend.mx.eval, []

    def small(*arrays: Any) -> None:
        if arrays[0] is not None and getattr(arrays[0], "ndim", 0) == 3:
            sizes.append(arrays[0].shape[0])
            if arrays[0].shape[0] > 2:
                raise RuntimeError("[metal::malloc] Attempting to allocate more than there is")
        plain(*arrays)

    def load() -> MLXBackend:
        backend = MLXBackend(llama)
        monkeypatch.setattr(mlx_backend.mx, "eval", small)
        return backend

    extract(tmp_path, stimuli, load, [1, 3], 1000)
    assert sizes[0] > 2 and sizes.count(1) + sizes.count(2) >= 3
    found = load_activations(tmp_path / "activations.npz", "stories")
    assert found is not None and relative(found.pooled, whole) < 1e-5


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda blocks: blocks.__setitem__(3, blocks[1]), "block 3 was called twice|block 1 was"),
        (lambda blocks: blocks.__delitem__(slice(2, None)), "block 2 was not called"),
    ],
)
def test_blocks_that_do_not_run_once_each_are_refused(
    llama: Path, monkeypatch: pytest.MonkeyPatch, break_it: Any, message: str
) -> None:
    backend = MLXBackend(llama)
    blocks = list(backend.model.layers)
    monkeypatch.setattr(type(backend.model), "layers", property(lambda _: blocks), raising=False)
    break_it(backend.model.model.layers)
    with pytest.raises(EvmlxError, match=f"LlamaForCausalLM: ({message})") as caught:
        backend.pooled_residuals(token_batch(texts()), [1, 2, 3])
    assert "\n" not in str(caught.value)


def test_an_output_of_another_shape_is_refused_and_of_a_tuple_the_first_is_taken(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = MLXBackend(llama)
    batch = token_batch(texts())
    expected = backend.pooled_residuals(batch, [1])
    cls = type(backend.model.layers[0])
    plain = cls.__call__

    class Wrapped(cls):  # type: ignore[misc,valid-type]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return (plain(self, *args, **kwargs), None)

    with monkeypatch.context() as patch:
        patch.setattr(type(backend.model), "__call__", _unwrapping_forward, raising=False)
        object.__setattr__(backend.model.layers[1], "__class__", Wrapped)
        np.testing.assert_array_equal(backend.pooled_residuals(batch, [1]), expected)
        object.__setattr__(backend.model.layers[1], "__class__", cls)
    monkeypatch.setattr(cls, "__call__", lambda self, x, *a, **k: plain(self, x, *a, **k)[:, :1])
    with pytest.raises(EvmlxError, match=r"block 1 gave shape \(5, 1, 64\)"):
        backend.pooled_residuals(batch, [1])


def _unwrapping_forward(self: Any, ids: Any) -> Any:
    h = self.model.embed_tokens(ids)
    for block in self.model.layers:
        h = block(h, "causal", cache=None)
        h = h[0] if isinstance(h, tuple) else h
    return h


@pytest.mark.parametrize("kind", sorted(mlx_config.UNSUITABLE))
def test_architectures_without_plain_residual_blocks_are_refused_before_loading(
    kind: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(EvmlxError, match=f"{kind} .* does not measure it"):
        MLXBackend(tmp_path)
    inner = {"model_type": "wrapper", "text_config": {"model_type": kind}}
    (tmp_path / "config.json").write_text(json.dumps(inner))
    with pytest.raises(EvmlxError, match=f"{kind} .* does not measure it"):
        MLXBackend(tmp_path)


def test_what_mlx_lm_cannot_load_is_one_line(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    with pytest.raises(EvmlxError, match="encoder-decoder"):
        MLXBackend(tmp_path)
    both_ways = '{"model_type": "gemma3_text", "use_bidirectional_attention": true}'
    (tmp_path / "config.json").write_text(both_ways)
    with pytest.raises(EvmlxError, match="see the text after them"):
        MLXBackend(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "falcon"}')
    with pytest.raises(EvmlxError, match="does not know the architecture falcon"):
        MLXBackend(tmp_path)
    (tmp_path / "config.json").write_text((llama / "config.json").read_text())
    with pytest.raises(EvmlxError, match="No safetensors found"):
        MLXBackend(tmp_path)
    weights = (llama / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    edit_config(tmp_path, intermediate_size=100)
    with pytest.raises(EvmlxError, match="Expected shape") as caught:
        MLXBackend(tmp_path)
    assert "\n" not in str(caught.value)


def test_quantizing_on_load(llama: Path) -> None:
    batch = token_batch(texts())
    exact = MLXBackend(llama).pooled_residuals(batch, range(5))
    errors = []
    for quantize in ("8bit", "6bit", "4bit", "3bit"):
        backend = MLXBackend(llama, "float32", quantize)
        assert backend.info.quantization == f"affine {quantize}, groups of 64{DENSE}"
        assert backend.info.dtype == "float32"
        errors.append(relative(backend.pooled_residuals(batch, range(5)), exact))
    assert errors == sorted(errors) and 1e-4 < errors[0] < 0.05 < errors[-1]


def test_groups_of_32_where_64_do_not_fit_and_a_refusal_where_neither_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model("llama", hidden_size=96).save_pretrained(tmp_path / "a")
    assert (
        MLXBackend(tmp_path / "a", "auto", "4bit").info.quantization
        == f"affine 4bit, groups of 32{DENSE}"
    )
    odd = {"hidden_size": 40, "intermediate_size": 40, "num_attention_heads": 5, "head_dim": 8}
    tiny_model("llama", **odd, num_key_value_heads=5).save_pretrained(tmp_path / "b")
    with pytest.raises(EvmlxError, match="is 40 wide"):
        MLXBackend(tmp_path / "b", "auto", "4bit")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_kept_unless_another_type_is_asked_for(
    dtype: str, tmp_path: Path
) -> None:
    import torch

    tiny_model("llama").to(getattr(torch, dtype)).save_pretrained(tmp_path)
    batch = token_batch(texts())
    own, wide = MLXBackend(tmp_path), MLXBackend(tmp_path, "float32")
    assert own.info.dtype == dtype and wide.info.dtype == "float32"
    error = relative(own.pooled_residuals(batch, [2]), wide.pooled_residuals(batch, [2]))
    assert 1e-5 < error < 0.05
    assert MLXBackend(tmp_path, "auto", "8bit").info.dtype == dtype
