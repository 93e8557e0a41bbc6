"""The torch engine against plain forward passes of transformers."""

from __future__ import annotations

import importlib.util
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evmlx.backends import OutOfMemory, TokenBatch
from evmlx.errors import EvmlxError
from evmlx.stimuli import Stimulus, token_batch

torch = pytest.importorskip("torch")

from tiny_models import FAMILIES, save_tiny, tiny_model  # noqa: E402
from tiny_texts import relative, texts  # noqa: E402

from evmlx.backends import torch_backend  # noqa: E402
from evmlx.backends.torch_backend import TorchBackend  # noqa: E402
from evmlx.backends.torch_device import (  # noqa: E402
    check_quantize,
    choose_device,
    choose_dtype,
)


def plain_residuals(model: Any, stimulus: Stimulus) -> np.ndarray:
    """(layers, hidden): one text, no padding, no early stop; each block's output by a hook."""
    outputs: list[torch.Tensor] = []
    blocks = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 5)
    handles = [
        block.register_forward_hook(
            lambda _m, _i, out: outputs.append(out[0] if isinstance(out, tuple) else out)
        )
        for block in blocks
    ]
    with torch.no_grad():
        model(input_ids=torch.tensor(stimulus.ids[None].astype(np.int64)), use_cache=False)
    for handle in handles:
        handle.remove()
    assert len(outputs) == 5
    return np.stack([h[0, stimulus.start : stimulus.stop].numpy().mean(axis=0) for h in outputs])


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("llama"), "llama")


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_equal_a_plain_forward_pass(family: str, tmp_path: Path) -> None:
    model = tiny_model(family)
    model.save_pretrained(tmp_path)
    backend = TorchBackend(tmp_path)
    stimuli = texts()
    pooled = backend.pooled_residuals(token_batch(stimuli), range(5))
    assert pooled.shape == (5, 5, 64) and pooled.dtype == np.float32
    expected = np.stack([plain_residuals(model, s) for s in stimuli])
    assert relative(pooled, expected) < 1e-5
    # Consecutive blocks differ: the comparison would see a block taken for another.
    assert relative(expected[:, 1:], expected[:, :-1]) > 1e-2


@pytest.mark.parametrize("family", FAMILIES)
def test_last_block_before_the_norm_is_where_hidden_states_are_after_it(
    family: str, tmp_path: Path
) -> None:
    if family == "mamba":
        pytest.skip("mamba's hidden_states are indexed differently")
    model = tiny_model(family)
    model.save_pretrained(tmp_path)
    stimulus = texts((30,))[0]
    pooled = TorchBackend(tmp_path).pooled_residuals(token_batch([stimulus]), range(5))[0]
    ids = torch.tensor(stimulus.ids[None].astype(np.int64))
    with torch.no_grad():
        states = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    inner = [s[0, stimulus.start :].numpy().mean(axis=0) for s in states]
    assert relative(pooled[:4], np.stack(inner[1:5])) < 1e-5
    assert relative(pooled[4:], inner[5][None]) > 1e-2


def test_batch_composition_and_order_make_no_difference(llama: Path) -> None:
    backend = TorchBackend(llama)
    stimuli = texts()
    together = backend.pooled_residuals(token_batch(stimuli), [1, 3])
    alone = [backend.pooled_residuals(token_batch([s]), [1, 3])[0] for s in stimuli]
    backwards = backend.pooled_residuals(token_batch(stimuli[::-1]), [1, 3])[::-1]
    assert relative(together, np.stack(alone)) < 1e-5
    assert relative(together, backwards) < 1e-5


def test_padding_ids_make_no_difference(llama: Path) -> None:
    backend = TorchBackend(llama)
    batch = token_batch(texts())
    ids = batch.ids.copy()
    ids[np.arange(ids.shape[1]) >= batch.lengths[:, None]] = 123
    other = TokenBatch(ids, batch.lengths, batch.weights, batch.names)
    a, b = (backend.pooled_residuals(x, [4]) for x in (batch, other))
    assert relative(a, b) < 1e-6


def test_early_stop_changes_nothing_and_spares_later_blocks(llama: Path) -> None:
    backend = TorchBackend(llama)
    batch = token_batch(texts())
    whole = backend.pooled_residuals(batch, range(5))

    def fail(*_: Any) -> None:
        raise AssertionError("a block after the last wanted one was run")

    handle = backend.blocks[3].register_forward_pre_hook(fail)
    stopped = backend.pooled_residuals(batch, [0, 2])
    handle.remove()
    np.testing.assert_array_equal(whole[:, [0, 2]], stopped)


def test_hooks_go_when_a_pass_fails(llama: Path) -> None:
    backend = TorchBackend(llama)
    batch = token_batch(texts())
    handle = backend.blocks[1].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backend.pooled_residuals(batch, [0, 2])
    handle.remove()
    assert all(not block._forward_hooks for block in backend.blocks)


def test_allocation_failure_is_out_of_memory(llama: Path) -> None:
    backend = TorchBackend(llama)

    def fail(*_: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")

    backend.blocks[0].register_forward_pre_hook(fail)
    with pytest.raises(OutOfMemory):
        backend.pooled_residuals(token_batch(texts()), [0])


def test_a_block_called_twice_is_refused(llama: Path) -> None:
    backend = TorchBackend(llama)
    backend.blocks[2] = backend.blocks[1]
    with pytest.raises(EvmlxError, match="LlamaForCausalLM: block 1 was called twice"):
        backend.pooled_residuals(token_batch(texts()), [1, 4])


def test_a_block_never_called_is_refused(llama: Path) -> None:
    backend = TorchBackend(llama)
    backend.decoder.layers = torch.nn.ModuleList(list(backend.blocks)[:3])
    with pytest.raises(EvmlxError, match="block 4 was not called"):
        backend.pooled_residuals(token_batch(texts()), [1, 4])


def test_lists_of_experts_are_not_taken_for_blocks(tmp_path: Path) -> None:
    tiny_model("mixtral").save_pretrained(tmp_path)  # five experts in each of five blocks
    backend = TorchBackend(tmp_path)
    assert {type(block).__name__ for block in backend.blocks} == {"MixtralDecoderLayer"}


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    with pytest.raises(EvmlxError, match="encoder-decoder"):
        TorchBackend(tmp_path)


def test_a_folder_without_weights_is_one_line(tmp_path: Path) -> None:
    from tiny_models import tiny_config

    tiny_config("llama").save_pretrained(tmp_path)
    with pytest.raises(EvmlxError, match="cannot load") as caught:
        TorchBackend(tmp_path)
    assert "\n" not in str(caught.value)


def test_devices_and_types_that_are_not_there() -> None:
    with pytest.raises(EvmlxError, match="--device tpu"):
        choose_device("tpu")
    with pytest.raises(EvmlxError, match="--device cuda:99"):
        choose_device("cuda:99")
    with pytest.raises(EvmlxError, match="--dtype int8"):
        choose_dtype("int8", "cpu")
    assert choose_dtype("auto", "cpu") == "float32"
    assert choose_dtype("auto", "cuda:0") == "bfloat16"


def test_quantizing_is_refused_on_a_cpu() -> None:
    with pytest.raises(EvmlxError, match="needs an NVIDIA GPU"):
        check_quantize("4bit", "cpu")
    if importlib.util.find_spec("bitsandbytes") is None:
        with pytest.raises(EvmlxError, match="pip install bitsandbytes"):
            check_quantize("8bit", "cuda:0")


def test_passes_side_by_side_equal_one_after_another(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = TorchBackend(llama)
    stimuli = texts((40, 38, 37, 33, 30, 30, 28, 21, 17, 9, 5, 2))
    whole = backend.pooled_residuals(token_batch(stimuli), [0, 2, 4])
    threads: set[int] = set()
    block = backend.blocks[0]
    block.register_forward_pre_hook(lambda *_: threads.add(threading.get_ident()) or None)
    monkeypatch.setattr(torch_backend, "CHUNK_TOKENS", 45)
    apart = backend.pooled_residuals(token_batch(stimuli), [0, 2, 4])
    assert relative(apart, whole) < 1e-5
    assert threading.get_ident() not in threads
    np.testing.assert_array_equal(apart, backend.pooled_residuals(token_batch(stimuli), [0, 2, 4]))


def test_when_one_pass_fails_the_others_are_not_begun(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_backend, "CHUNK_TOKENS", 1)
    backend = TorchBackend(llama)
    begun: list[int] = []

    def fail(*_: Any) -> None:
        begun.append(1)
        time.sleep(0.01)
        raise ZeroDivisionError

    backend.blocks[0].register_forward_pre_hook(fail)
    with pytest.raises(ZeroDivisionError):
        backend.pooled_residuals(token_batch(texts((9,) * 500)), [0, 2])
    assert backend.workers is not None
    backend.workers.shutdown()
    assert len(begun) < 500


def test_a_model_that_sees_what_follows_is_refused(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.llama import modeling_llama

    monkeypatch.setattr(modeling_llama, "create_causal_mask", lambda **_: None)
    monkeypatch.setattr(modeling_llama.LlamaAttention, "is_causal", False, raising=False)
    real = modeling_llama.LlamaAttention.__init__

    def both_ways(self: Any, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        self.is_causal = False

    monkeypatch.setattr(modeling_llama.LlamaAttention, "__init__", both_ways)
    with pytest.raises(EvmlxError, match="a position sees the text after it"):
        TorchBackend(llama)


@pytest.mark.cuda
def test_cuda_in_bfloat16_follows_the_cpu_in_float32(llama: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    batch = token_batch(texts())
    exact = TorchBackend(llama).pooled_residuals(batch, range(5))
    half = TorchBackend(llama, "cuda:0", "bfloat16").pooled_residuals(batch, range(5))
    assert relative(half, exact) < 2e-2
