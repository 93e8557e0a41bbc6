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

GPT_LIKE = {
    "vocab_size": 300,
    "n_embd": 64,
    "n_layer": 5,
    "n_head": 4,
    "n_positions": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
BASES = {"gpt2": GPT_LIKE, "gpt_bigcode": GPT_LIKE, "gptj": GPT_LIKE}

MOE = {
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 48,
    "shared_expert_intermediate_size": 48,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "decoder_sparse_step": 1,
}
LATENT_ATTENTION = {
    "q_lora_rank": 32,
    "kv_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "head_dim": 8,
    "num_key_value_heads": 4,
}
INDEXER = {"index_n_heads": 2, "index_head_dim": 16, "index_topk": 2048}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention"] * 2 + ["linear_attention"],
}
MAMBA = {"mamba_d_head": 16, "mamba_d_state": 16, "mamba_n_groups": 1, "mamba_chunk_size": 16}
# Four layers with a window, one without.
SLIDING = {
    "sliding_window": 8,
    "layer_types": ["sliding_attention"] * 3 + ["full_attention", "sliding_attention"],
}
CONVOLUTIONS = {"layer_types": ["conv", "full_attention"] * 2 + ["conv"]}

# Family: fields of its config beside, or instead of, those of its base. Every engine's tests go
# through these.
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
    "gpt2": {},
    "gpt_neox": {},
    "mixtral": {"num_local_experts": 5, "num_experts_per_tok": 2},
    "falcon": {"new_decoder_architecture": False, "multi_query": True},
    "mamba": {"state_size": 8},
    "qwen3_moe": MOE,
    "stablelm": {},
    "starcoder2": {},
    "granite": {},
    "cohere": {},
}
# Families that only the comparison of the engines goes through.
MORE: dict[str, dict[str, Any]] = {
    "afmoe": {
        "sliding_window": 8,
        "num_dense_layers": 1,
        "global_attn_every_n_layers": 2,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 48,
    },
    "apertus": {},
    "bitnet": {},
    "cohere2": SLIDING,
    "deepseek_v2": {**MOE, **LATENT_ATTENTION, "topk_method": "greedy"},
    "deepseek_v3": {**MOE, **LATENT_ATTENTION},
    "deepseek_v32": {**MOE, **LATENT_ATTENTION, **INDEXER},
    "dots1": MOE,
    "ernie4_5": {},
    "ernie4_5_moe": {"moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 48},
    "exaone": {},
    "exaone4": SLIDING,
    "exaone_moe": {**MOE, **SLIDING},
    "falcon_h1": {**MAMBA, "mamba_d_ssm": 64, "mamba_n_heads": 4},
    "falcon_mamba": {"state_size": 8},
    "gemma": {},
    "gemma4_text": {
        "sliding_window": 8,
        "layer_types": ["sliding_attention"] * 4 + ["full_attention"],
        "global_head_dim": 32,
        "hidden_size_per_layer_input": 16,
        "vocab_size_per_layer_input": 300,
        "num_kv_shared_layers": 0,
        "use_double_wide_mlp": False,
    },
    "glm": {},
    "glm4": {},
    "glm4_moe": MOE,
    "glm4_moe_lite": {**MOE, **LATENT_ATTENTION},
    "glm_moe_dsa": {**MOE, **LATENT_ATTENTION, **INDEXER},
    "gpt_bigcode": {"n_inner": 96},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8},
    "gptj": {"rotary_dim": 8},
    "granitemoe": MOE,
    "granitemoehybrid": {
        **MAMBA,
        "mamba_n_heads": 8,
        "layer_types": ["mamba", "attention", "mamba", "mamba", "attention"],
        "shared_intermediate_size": 96,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    "helium": {},
    "hunyuan_v1_dense": {},
    "internlm3": {},
    "jamba": {
        "num_experts": 1,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "mamba_d_state": 8,
        "mamba_dt_rank": 8,
        "use_mamba_kernels": False,
    },
    "laguna": {**MOE, "sliding_window": 8},
    "lfm2": {**CONVOLUTIONS, "block_ff_dim": 96, "block_auto_adjust_ff_dim": False},
    "lfm2_moe": {**MOE, **CONVOLUTIONS, "num_dense_layers": 1},
    "llama4_text": {
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "intermediate_size_mlp": 96,
        "interleave_moe_layer_step": 2,
        "attention_chunk_size": 64,
    },
    "mamba2": {"state_size": 8, "num_heads": 8, "head_dim": 16, "n_groups": 1, "chunk_size": 16},
    "mellum": {**MOE, "sliding_window": 8},
    "minicpm3": LATENT_ATTENTION,
    "minimax": {
        **MOE,
        "block_size": 16,
        "layer_types": ["linear_attention", "full_attention"] * 2 + ["linear_attention"],
    },
    "minimax_m2": MOE,
    "ministral3": {},
    "nanochat": {"num_key_value_heads": 4},
    "nemotron": {},
    "nemotron_h": {
        "hybrid_override_pattern": "M*-M*",
        "mamba_num_heads": 8,
        "mamba_head_dim": 16,
        "ssm_state_size": 16,
        "n_groups": 1,
        "chunk_size": 16,
    },
    "olmo": {},
    "olmo3": SLIDING,
    "olmo_hybrid": LINEAR,
    "olmoe": MOE,
    "phi": {},
    "phimoe": {**MOE, "lm_head_bias": True, "attention_bias": True},
    "qwen2_moe": MOE,
    "qwen3_5_text": LINEAR,
    "qwen3_next": {**MOE, **LINEAR},
    "recurrent_gemma": {
        "lru_width": 64,
        "attention_window_size": 8,
        "num_key_value_heads": 1,
        "block_types": ["recurrent", "recurrent", "attention"],
    },
    "seed_oss": {},
    "smollm3": {},
    "solar_open": {**MOE, "first_k_dense_replace": 0},
}


def tiny_config(family: str, **changes: Any) -> Any:
    """A config of five blocks of width 64."""
    from transformers import CONFIG_MAPPING

    base = dict(BASES.get(family, LLAMA_LIKE))
    if family in ("mamba", "falcon_mamba"):
        base = {k: LLAMA_LIKE[k] for k in ("vocab_size", "hidden_size", "num_hidden_layers")}
    if family == "falcon":
        del base["head_dim"]
    return CONFIG_MAPPING[family](**{**base, **{**FAMILIES, **MORE}[family], **changes})


def tiny_model(family: str, seed: int = 0, **changes: Any) -> Any:
    """A randomly initialised causal model, float32, in which no parameter is without effect.

    Weights are larger than usual; biases, norms and whatever starts at one value are moved.
    """
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(tiny_config(family, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1 and parameter.any():
                parameter.mul_(3)
            else:
                parameter.add_(torch.randn(parameter.shape), alpha=0.1)
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
