"""Tiny random models, and their GGUF files in the way of llama.cpp's conversion script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

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


LLAMA_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
GEMMA3_NAMES = {
    **LLAMA_NAMES,
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


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


def loaded(folder: Path) -> Any:
    """The folder's model in torch, as the torch engine loads it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from evmlx.backends.mlx_weights import is_mlx_quantized
    from evmlx.backends.torch_mlx import load_dense

    config = AutoConfig.from_pretrained(folder)
    if is_mlx_quantized(config.to_dict()):
        return load_dense(folder, config, {"dtype": torch.float32}).eval()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def quiet(_line: str) -> None:
    pass


def permuted(weights: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp's rearrangement of query and key rows."""
    return (
        weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
        .swapaxes(1, 2)
        .reshape(weights.shape)
    )


def gguf_tensors(model: Any) -> dict[str, np.ndarray]:
    """A model's tensors under GGUF's names, float32."""
    config = model.config
    gemma = config.model_type == "gemma3_text"
    names = GEMMA3_NAMES if gemma else LLAMA_NAMES
    tensors = {}
    for name, parameter in model.state_dict().items():
        module, _, kind = name.rpartition(".")
        values = parameter.numpy().astype(np.float32)
        if module == "lm_head" and config.tie_word_embeddings:
            continue
        if config.model_type == "llama" and module.endswith(("q_proj", "k_proj")):
            queries = module.endswith("q_proj")
            heads = config.num_attention_heads if queries else config.num_key_value_heads
            values = permuted(values, heads)
        if gemma and module.endswith("norm"):
            values = values + 1
        if module.startswith("model.layers."):
            _, _, layer, module = module.split(".", 3)
            tensors[f"blk.{layer}.{names[module]}.{kind}"] = values
        else:
            tensors[f"{names[module]}.{kind}"] = values
    return tensors


# Half-precision numbers at the head of a block (Q6_K: at its end) that make weights of about 0.05.
BLOCK_SCALES = {
    "Q4_0": (0.01,),
    "Q4_1": (0.01, -0.07),
    "Q5_0": (0.005,),
    "Q5_1": (0.005, -0.08),
    "Q8_0": (0.0007,),
    "Q4_K": (2e-4, 1.5e-3),
    "Q5_K": (1e-4, 1.5e-3),
    "Q6_K": (3e-5,),
}


def random_blocks(
    kind: str, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, Any]:
    """Rows of blocks with random integers, and their type, as `write_gguf` takes them."""
    import gguf

    type_ = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[type_]
    rows, inputs = shape
    stored = rng.integers(0, 256, (rows * inputs // block, size), dtype=np.uint8)
    at = size - 2 if kind == "Q6_K" else 0
    for scale in BLOCK_SCALES[kind]:
        scales = (scale * rng.uniform(0.5, 1.5, len(stored))).astype("<f2")
        stored[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
        at += 2
    return stored.reshape(rows, -1), type_


def byte_vocabulary(size: int) -> tuple[list[str], list[int]]:
    """Three control tokens, the 256 bytes, one merged token, then unused ones; and their types."""
    from tokenizers import pre_tokenizers

    tokens = ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "th"]
    unused = [f"[unused{i}]" for i in range(size - len(tokens))]
    return tokens + unused, [3] * 3 + [1] * 257 + [5] * len(unused)


def gguf_metadata(config: Any, arch: str) -> dict[str, Any]:
    """Key-value pairs that say what the config says, and a tokenizer of single bytes."""
    rope = config.rope_parameters
    tokens, types = byte_vocabulary(config.vocab_size)
    metadata: dict[str, Any] = {
        "general.name": "Tiny Model",
        "general.file_type": 0,
        f"{arch}.context_length": config.max_position_embeddings,
        f"{arch}.embedding_length": config.hidden_size,
        f"{arch}.block_count": config.num_hidden_layers,
        f"{arch}.feed_forward_length": config.intermediate_size,
        f"{arch}.attention.head_count": config.num_attention_heads,
        f"{arch}.attention.head_count_kv": config.num_key_value_heads,
        f"{arch}.attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        f"{arch}.rope.freq_base": float(rope.get("full_attention", rope)["rope_theta"]),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": True,
    }
    if head_dim := getattr(config, "head_dim", None):
        metadata[f"{arch}.attention.key_length"] = head_dim
        metadata[f"{arch}.attention.value_length"] = head_dim
    if arch == "gemma3":
        metadata["gemma3.attention.sliding_window"] = config.sliding_window
    return metadata


def write_gguf(
    path: Path,
    model: Any,
    tensors: dict[str, Any] | None = None,
    edit: Callable[[Any], None] = lambda _: None,
    **values: Any,
) -> Path:
    """Write `model` as a GGUF file.

    `values` replace or (None) leave out metadata, with dots written as two underscores; `edit`
    gets the writer before the tensors. A tensor may be (bytes, type) in place of an array.
    """
    import gguf

    arch = {"gemma3_text": "gemma3"}.get(model.config.model_type, model.config.model_type)
    metadata = gguf_metadata(model.config, arch)
    metadata |= {name.replace("__", "."): value for name, value in values.items()}
    writer = gguf.GGUFWriter(path, arch)
    for name, value in metadata.items():
        if value is None:
            continue
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        elif isinstance(value, str):
            writer.add_string(name, value)
        else:
            writer.add_array(name, value)
    edit(writer)
    for name, values_ in (gguf_tensors(model) | (tensors or {})).items():
        if isinstance(values_, tuple):
            writer.add_tensor(name, values_[0], raw_dtype=values_[1])
        elif values_ is not None:
            writer.add_tensor(name, values_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
