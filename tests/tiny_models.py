"""Tiny random models of many families, and a tokenizer trained on a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LLAMA_LIKE = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

# Family: fields of its config beside, or instead of, those above.
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "mistral": {"sliding_window": 8},
    "gemma2": {"sliding_window": 8},
    "gemma3_text": {
        "sliding_window": 8,
        "layer_types": ["sliding_attention"] * 4 + ["full_attention"],
    },
    "phi3": {},
    "olmo2": {},
    "gpt2": {"n_embd": 64, "n_layer": 5, "n_head": 4, "n_positions": 256},
    "gpt_neox": {},
    "mixtral": {"num_local_experts": 5, "num_experts_per_tok": 2},
    "falcon": {"new_decoder_architecture": False, "multi_query": True},
    "mamba": {"state_size": 8, "num_hidden_layers": 5},
    "qwen3_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
        "decoder_sparse_step": 1,
    },
    "stablelm": {},
    "starcoder2": {},
    "granite": {},
    "cohere": {},
}


def tiny_config(family: str, **changes: Any) -> Any:
    """A config of five blocks of width 64."""
    from transformers import CONFIG_MAPPING

    own = FAMILIES[family]
    base = {k: LLAMA_LIKE[k] for k in ("vocab_size", "pad_token_id", "bos_token_id")}
    if family not in ("gpt2",):
        base = dict(LLAMA_LIKE)
    if family == "mamba":
        base = {k: LLAMA_LIKE[k] for k in ("vocab_size", "hidden_size", "num_hidden_layers")}
    if family == "falcon":
        del base["head_dim"]
    return CONFIG_MAPPING[family](**{**base, **own, **changes})


def tiny_model(family: str, seed: int = 0, **changes: Any) -> Any:
    """A randomly initialised causal model, float32, with weights large enough to differ."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(tiny_config(family, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model


def save_tiny(folder: Path, family: str, seed: int = 0, **changes: Any) -> Path:
    """A checkpoint folder with weights, config and a byte-level tokenizer."""
    tiny_model(family, seed, **changes).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_tokenizer(folder: Path, chat_template: str | None = None) -> None:
    """A byte-level tokenizer that puts <s> before each text, as Llama's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["<pad>", "<s>", "</s>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate(specials + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    if chat_template:
        wrapped.chat_template = chat_template
    wrapped.save_pretrained(folder)
