"""Token ids of converted GGUF files, against the tokenizers they describe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gguf_files import quiet, tiny, write_gguf

from evmlx.models.checkpoints import load_tokenizer, resolve

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


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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
