"""GGUF files that are damaged, or of a kind that evmlx does not convert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import quiet, tiny, write_gguf

from evmlx.errors import EvmlxError
from evmlx.models.checkpoints import resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture()
def small(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "small.gguf", tiny("llama", num_hidden_layers=1))


UNSUPPORTED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "mixture of experts": ({"llama__expert_count": 8}, {}, "mixture-of-experts"),
    "yarn": ({"llama__rope__scaling__type": "yarn"}, {}, "'yarn'"),
    "split": ({"split__count": 3}, {}, "llama-gguf-split"),
    "partly rotated heads": ({"llama__rope__dimension_count": 16}, {}, "partly rotated"),
    "heads differ by block": ({"llama__attention__head_count": [4, 2]}, {}, "block to block"),
    "unknown splitting rule": ({"tokenizer__ggml__pre": "klingon"}, {}, "'klingon'"),
    "no splitting rule": ({"tokenizer__ggml__pre": None}, {}, "tokenizer.ggml.pre"),
    "unknown tokenizer": ({"tokenizer__ggml__model": "rwkv"}, {}, "'rwkv'"),
    "no tokenizer": ({"tokenizer__ggml__tokens": None}, {}, "no tokenizer"),
    "no merges": ({"tokenizer__ggml__merges": None}, {}, "merges"),
    "no width": ({"llama__embedding_length": None}, {}, "llama.embedding_length"),
    "unknown tensor": ({}, {"blk.0.attn_sinks.weight": np.ones(4, np.float32)}, "attn_sinks"),
    "missing tensor": ({}, {"blk.0.ffn_up.weight": None}, "'blk.0.ffn_up.weight'"),
    "no embedding": ({}, {"token_embd.weight": None}, "token_embd"),
    "not finite": ({}, {"output_norm.weight": np.full(64, np.nan, np.float32)}, "output_norm"),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_is_not_supported_is_refused_by_name(case: str, tmp_path: Path, cache: Path) -> None:
    values, tensors, named = UNSUPPORTED[case]
    model = tiny("llama", num_hidden_layers=1)
    path = write_gguf(tmp_path / "a.gguf", model, tensors, **values)
    with pytest.raises(EvmlxError) as caught:
        resolve(str(path), say=quiet)
    message = str(caught.value)
    assert named in message and str(path) in message and "\n" not in message
    assert not [p for p in (cache / "converted").iterdir() if p.is_dir()]


def test_other_families_are_refused_with_those_supported(tmp_path: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "falcon")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(EvmlxError, match="'falcon'.*llama, qwen2, qwen3, gemma3"):
        resolve(str(tmp_path / "a.gguf"), say=quiet)


def test_truncated_files_are_one_line(small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    for length in (4, 20, 30, 100, 1500, 4000, len(whole) // 2, len(whole) - 1000):
        path = tmp_path / f"cut{length}.gguf"
        path.write_bytes(whole[:length])
        with pytest.raises(EvmlxError, match="download it again") as caught:
            resolve(str(path), say=quiet)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_headers_never_hang_or_raise_anything_else(
    seed: int, small: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    whole = np.frombuffer(small.read_bytes(), np.uint8)
    refused = 0
    for i in range(25):
        data = whole.copy()
        data[rng.integers(4, 9000, 3)] = rng.integers(0, 256, 3)
        path = tmp_path / f"{i}.gguf"
        path.write_bytes(data.tobytes())
        try:
            resolve(str(path), say=quiet)
        except EvmlxError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 0
