"""Conversion of GGUF files: against the models they were written from, and by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import gguf_tensors, write_gguf

from evmlx import gguf_convert, gguf_weights
from evmlx.checkpoints import Checkpoint, load_tokenizer, resolve
from evmlx.errors import EvmlxError
from evmlx.gguf_config import llama3_factors

SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,  # not hidden size / heads
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
}
GEMMA3 = {
    "sliding_window": 8,
    "query_pre_attn_scalar": 32,
    "num_hidden_layers": 7,  # the sixth block sees everything
}
ROPE = {"rope_type": "default", "rope_theta": 50_000.0}


def tiny(family: str, **changes: Any) -> Any:
    """A random model whose every parameter matters, norms and biases included."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    fields = {**SIZES, **(GEMMA3 if family == "gemma3_text" else {"rope_parameters": ROPE})}
    if family == "qwen2":
        del fields["head_dim"]
    torch.manual_seed(0)
    config = CONFIG_MAPPING[family](**{**fields, **changes})
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def residuals(model: Any, length: int = 48) -> np.ndarray:
    """All hidden states of a fixed sequence."""
    import torch

    ids = (torch.arange(length) * 37 % 250)[None]
    with torch.no_grad():
        return torch.stack(model(ids, output_hidden_states=True).hidden_states).numpy()


def loaded(checkpoint: Checkpoint) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint.folder, dtype=torch.float32).eval()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture()
def small(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "small.gguf", tiny("llama", num_hidden_layers=1))


def quiet(_line: str) -> None:
    pass


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
    converted = loaded(checkpoint)
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
    np.testing.assert_array_equal(residuals(loaded(checkpoint)), residuals(model))

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
    found = loaded(resolve(str(path), say=quiet)).model.layers[0].mlp.down_proj.weight
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
    monkeypatch.setattr(gguf_weights, "_SHARD", 60_000)
    monkeypatch.setattr(gguf_weights, "_PIECE", 500)
    model = tiny("llama")
    said: list[str] = []
    checkpoint = resolve(str(write_gguf(tmp_path / "a.gguf", model)), say=said.append)
    assert [("once" in line, "float16" in line) for line in said] == [(True, False), (False, True)]
    shards = sorted(checkpoint.folder.glob("*.safetensors"))
    assert len(shards) > 3 and all(s.stat().st_size < 62_000 for s in shards)
    state = loaded(checkpoint).state_dict()
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
        patch.setattr(gguf_convert, "write_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            resolve(str(small), say=quiet)
    assert not [p for p in (cache / "converted").iterdir() if p.is_dir()]
    assert resolve(str(small), say=quiet).folder.is_dir()


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


TEXTS = [
    "Hello world",
    "  two leading spaces",
    "\n\n1. first\n  2. second\n\n\n",
    "12345 + 3.14159 = 2024-11-24",
    "naïve café — 日本語 العربية हिन्दी 한국어",
    "🙂👩‍👩‍👧‍👦🏳️‍🌈",
    "\ttabs\tand\r\nline ends",
    "don't I'VE they'll",
    "x   y    z ",
    " ",
    "",
    "decomposed e\u0301 and \u1112\u1161\u11ab",
    "<s>not</s> <think>whole</think>",
]


def trained(pre_tokenizer: Any, normalizer: Any = None, ignore_merges: bool = False) -> Any:
    """A byte-level BPE tokenizer trained on the texts, as the original checkpoints have one."""
    from tokenizers import Tokenizer, decoders, models, trainers

    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    from tokenizers.pre_tokenizers import ByteLevel

    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<pad>", "<s>", "</s>", "<think>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def original(rule: str) -> Any:
    from tokenizers import Regex, normalizers, pre_tokenizers
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    level = pre_tokenizers.ByteLevel
    if rule == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        return trained(pre_tokenizers.Sequence([digits, level(add_prefix_space=False)]))
    if rule == "gpt-2":
        return trained(level(add_prefix_space=False))
    pattern = PRETOKENIZE_REGEX
    if rule == "llama-bpe":
        pattern = pattern.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    pre = pre_tokenizers.Sequence([split, level(add_prefix_space=False, use_regex=False)])
    return trained(pre, normalizers.NFC() if rule == "qwen2" else None, rule == "llama-bpe")


@pytest.mark.parametrize("rule", ["smollm", "gpt-2", "llama-bpe", "qwen2"])
def test_token_ids_are_those_of_the_original(rule: str, tmp_path: Path) -> None:
    tokenizer = original(rule)
    state = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(state["vocab"], key=state["vocab"].get)
    model = tiny("llama", num_hidden_layers=1, vocab_size=len(tokens))
    path = write_gguf(
        tmp_path / "a.gguf",
        model,
        tokenizer__ggml__pre=rule,
        tokenizer__ggml__tokens=tokens,
        tokenizer__ggml__token_type=[3, 3, 3, 4] + [1] * (len(tokens) - 4),
        tokenizer__ggml__merges=[" ".join(merge) for merge in state["merges"]],
        tokenizer__chat_template="{{ messages[0]['content'] }}!",
    )
    found = load_tokenizer(resolve(str(path), say=quiet))
    tokenizer.add_tokens(["<think>"])
    for text in TEXTS:
        assert found(text).input_ids == [1, *tokenizer.encode(text).ids], text
        # Only Qwen2's composes characters.
        if rule != "qwen2":
            assert found.decode(found(text).input_ids[1:]) == text
    assert (found.bos_token, found.eos_token) == ("<s>", "</s>")
    chat = [{"role": "user", "content": "hi"}]
    assert found.apply_chat_template(chat, tokenize=False) == "hi!"


@pytest.mark.parametrize(
    ("rule", "said", "expected"),
    [
        ("llama-bpe", None, True),
        ("llama-bpe", False, False),
        ("qwen2", None, False),
        ("qwen2", True, True),
    ],
)
def test_bos_is_added_as_llama_cpp_adds_it(
    rule: str, said: bool | None, expected: bool, tmp_path: Path
) -> None:
    path = write_gguf(
        tmp_path / "a.gguf",
        tiny("llama", num_hidden_layers=1),
        tokenizer__ggml__pre=rule,
        tokenizer__ggml__add_bos_token=said,
    )
    ids = load_tokenizer(resolve(str(path), say=quiet))("hi").input_ids
    assert (ids[0] == 1, len(ids)) == (expected, 2 + expected)


def test_sentencepiece_merges_follow_scores(tmp_path: Path) -> None:
    # "abc" can come from ab+c or a+bc; the better score decides what merges first.
    base = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    words = ["▁", "a", "b", "c", "bc", "ab", "▁a", "abc"]
    tokens = base + words
    model = tiny("llama", num_hidden_layers=1, vocab_size=len(tokens))

    def ids_with(scores: dict[str, float]) -> list[str]:
        path = write_gguf(
            tmp_path / f"{hash(tuple(scores.values()))}.gguf",
            model,
            tokenizer__ggml__model="llama",
            tokenizer__ggml__pre=None,
            tokenizer__ggml__merges=None,
            tokenizer__ggml__tokens=tokens,
            tokenizer__ggml__token_type=[2, 3, 3] + [6] * 256 + [1] * len(words),
            tokenizer__ggml__scores=[scores.get(token, 0.0) for token in tokens],
            tokenizer__ggml__unknown_token_id=0,
        )
        tokenizer = load_tokenizer(resolve(str(path), say=quiet))
        return tokenizer.convert_ids_to_tokens(tokenizer("bab cé").input_ids)

    tail = ["▁", "c", "<0xC3>", "<0xA9>"]
    first = {"bc": -1.0, "ab": -2.0, "▁a": -3.0, "abc": -4.0}
    assert ids_with(first) == ["<s>", "▁", "b", "ab", *tail]
    assert ids_with({**first, "ab": -9.0, "abc": -8.0})[:4] == ["<s>", "▁", "b", "ab"]


def test_conversion_and_tokenizer_need_no_torch(small: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['mlx'] = None\n"
        "from evmlx.checkpoints import load_tokenizer, resolve\n"
        f"checkpoint = resolve({str(small)!r}, say=lambda line: None)\n"
        "print(load_tokenizer(checkpoint)('hi').input_ids)\n"
        "assert sys.modules['torch'] is None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("[1, ")
