"""The tokenizer that a GGUF file describes, written as tokenizer.json.

A GGUF file has vocabulary, merges (or scores) and the name of a splitting rule; the rest of each
tokenizer is that of the original checkpoints of the family.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evmlx.errors import EvmlxError

_CONTROL, _USER_DEFINED = 3, 4

_LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2_SPLIT = _LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
_TEKKEN_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS: Mapping[str, str | None] = {  # None: GPT-2's own rule
    "gpt-2": None,
    "smollm": None,
    "llama-bpe": _LLAMA3_SPLIT,
    "llama3": _LLAMA3_SPLIT,
    "llama-v3": _LLAMA3_SPLIT,
    "qwen2": _QWEN2_SPLIT,
    "deepseek-r1-qwen": _QWEN2_SPLIT,
    "tekken": _TEKKEN_SPLIT,
}
_DIGITS_APART = ("smollm",)
# Words of the vocabulary are not cut, and <bos> is added where the file does not say.
_WHOLE_WORDS = ("llama-bpe", "llama3", "llama-v3", "tekken")
_COMPOSED = ("qwen2", "deepseek-r1-qwen")


def write_tokenizer(metadata: Mapping[str, Any], folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json into `folder`.

    Raises
    ------
    EvmlxError
        If the file has no tokenizer, or one that evmlx does not know.
    """
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not tokens:
        raise EvmlxError("the GGUF file has no tokenizer; use the model's safetensors folder")
    kind = metadata.get("tokenizer.ggml.model")
    if kind == "gpt2":
        tokenizer = _byte_level(metadata)
    elif kind == "llama":
        tokenizer = _sentencepiece(metadata)
    else:
        raise EvmlxError(
            f"tokenizer.ggml.model is {kind!r}, which is not supported (supported: gpt2, llama); "
            "use the model's safetensors folder or hub id"
        )
    special = {
        name: tokens[metadata[key]]
        for name, key in (
            ("bos_token", "tokenizer.ggml.bos_token_id"),
            ("eos_token", "tokenizer.ggml.eos_token_id"),
            ("unk_token", "tokenizer.ggml.unknown_token_id"),
            ("pad_token", "tokenizer.ggml.padding_token_id"),
        )
        if 0 <= metadata.get(key, -1) < len(tokens)
    }
    _add_whole_tokens(tokenizer, metadata, set(special.values()))
    _add_template(tokenizer, metadata, special, _adds_bos(metadata))
    tokenizer.save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata.get(f"{metadata['general.architecture']}.context_length"),
        **special,
    }
    if metadata.get("tokenizer.chat_template"):
        config["chat_template"] = metadata["tokenizer.chat_template"]
    text = json.dumps(config, indent=1, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def _byte_level(metadata: Mapping[str, Any]) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    rule = metadata.get("tokenizer.ggml.pre")
    if rule is None or rule not in _SPLITS:
        raise EvmlxError(
            f"tokenizer.ggml.pre is {rule!r}, which is not supported (supported: "
            f"{', '.join(_SPLITS)}); use the model's safetensors folder or hub id"
        )
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: i for i, token in enumerate(metadata["tokenizer.ggml.tokens"])}
    tokenizer = Tokenizer(
        BPE(vocab=vocabulary, merges=merges, ignore_merges=rule in _WHOLE_WORDS, fuse_unk=False)
    )
    split = _SPLITS[rule]
    steps: list[Any] = []
    if rule in _DIGITS_APART:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    if split is not None:
        steps.append(pre_tokenizers.Split(Regex(split), behavior="isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    if rule in _COMPOSED:
        tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def _sentencepiece(metadata: Mapping[str, Any]) -> Any:
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    tokens = metadata["tokenizer.ggml.tokens"]
    gemma = str(metadata["general.architecture"]).startswith("gemma")
    if gemma:
        # llama.cpp's conversion writes these with real spaces.
        tokens = ["▁" * len(t) if t and not t.strip(" ") else t for t in tokens]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    unknown = metadata.get("tokenizer.ggml.unknown_token_id")
    model = BPE(
        vocab=vocabulary,
        merges=_merges(metadata, vocabulary, by_position=gemma),
        fuse_unk=True,
        byte_fallback=True,
        **({} if unknown is None else {"unk_token": tokens[unknown]}),
    )
    tokenizer = Tokenizer(model)
    steps: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if gemma:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    else:
        prefix = metadata.get("tokenizer.ggml.add_space_prefix", True)
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
            replacement="▁", prepend_scheme="first" if prefix else "never", split=False
        )
        if prefix:
            steps.append(decoders.Strip(content=" ", left=1))
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def _merges(
    metadata: Mapping[str, Any], vocabulary: Mapping[str, int], by_position: bool
) -> list[tuple[str, str]]:
    """List the merges that a vocabulary implies: every way to cut a token into two tokens.

    Better tokens first (by score, or by position where scores do not say: Gemma); among the cuts
    of one token, the order of Hugging Face's own conversion.
    """
    if "tokenizer.ggml.merges" in metadata:
        return [
            (left, right)
            for left, right in (m.split(" ", 1) for m in metadata["tokenizer.ggml.merges"])
        ]
    scores = metadata["tokenizer.ggml.scores"]
    found = []
    for token, position in vocabulary.items():
        score = -position if by_position else scores[position]
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in vocabulary and right in vocabulary:
                found.append((score, position, left, right))
    found.sort(key=lambda m: (vocabulary[m[2]], vocabulary[m[3]]))
    found.sort(key=lambda m: m[1])
    found.sort(key=lambda m: (m[0], len(m[2]), len(m[3])), reverse=True)
    return [(left, right) for _, _, left, right in found]


def _add_whole_tokens(tokenizer: Any, metadata: Mapping[str, Any], special: set[str]) -> None:
    """Mark the tokens that are matched whole in the text, special ones and others."""
    from tokenizers import AddedToken

    tokens = metadata["tokenizer.ggml.tokens"]
    kinds = metadata.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    vocabulary = tokenizer.get_vocab()
    whole = []
    for token, kind in zip(tokens, kinds, strict=True):
        if token in vocabulary and (kind in (_CONTROL, _USER_DEFINED) or token in special):
            is_special = kind == _CONTROL or token in special
            whole.append(AddedToken(token, normalized=False, special=is_special))
    tokenizer.add_special_tokens([token for token in whole if token.special])
    tokenizer.add_tokens([token for token in whole if not token.special])


def _adds_bos(metadata: Mapping[str, Any]) -> bool:
    """Whether a text begins with <bos>; where the file does not say, llama.cpp's defaults."""
    default = (
        metadata["tokenizer.ggml.model"] == "llama"
        or metadata.get("tokenizer.ggml.pre") in _WHOLE_WORDS
    )
    return bool(metadata.get("tokenizer.ggml.add_bos_token", default))


def _add_template(
    tokenizer: Any, metadata: Mapping[str, Any], special: Mapping[str, str], bos: bool
) -> None:
    """Let the tokenizer add the special tokens that llama.cpp adds to a text."""
    from tokenizers.processors import TemplateProcessing

    before = after = ""
    if bos:
        before = special.get("bos_token", "")
    if metadata.get("tokenizer.ggml.add_eos_token", False):
        after = special.get("eos_token", "")
    if before or after:
        tokenizer.post_processor = TemplateProcessing(
            single=[t for t in (before, "$A", after) if t],
            pair=[t for t in (before, "$A", after, before, "$B:1", after) if t],
            special_tokens=[(t, tokenizer.token_to_id(t)) for t in {before, after} if t],
        )
