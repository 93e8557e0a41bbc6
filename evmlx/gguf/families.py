"""The GGUF families that evmlx converts: tensor names, and what is particular to each.

Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evmlx.errors import EvmlxError

Metadata = Mapping[str, Any]

_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_LLAMA_BLOCK = {**_BLOCK, "ffn_norm": "post_attention_layernorm"}
_HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_GEMMA3_BLOCK = {
    **_BLOCK,
    **_HEAD_NORMS,
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


@dataclass(frozen=True)
class Family:
    """How one GGUF architecture is read.

    Attributes
    ----------
    model_type, architecture : str
        What `config.json` calls it.
    block : mapping
        Names of a block's modules: GGUF's to transformers'.
    required : tuple of str
        GGUF names of the tensors that every block has.
    rotated_rows : bool
        Query and key rows are interleaved for llama.cpp's rotary embedding.
    norm_shift : float
        What the conversion to GGUF added to norm weights.
    extra : callable
        (metadata, config so far) -> further entries of the config.
    """

    model_type: str
    architecture: str
    block: Mapping[str, str]
    required: tuple[str, ...]
    rotated_rows: bool
    norm_shift: float
    extra: Callable[[Metadata, dict[str, Any]], dict[str, Any]]


def _llama(metadata: Metadata, config: dict[str, Any]) -> dict[str, Any]:
    rotated = metadata.get("llama.rope.dimension_count", config["head_dim"])
    if rotated != config["head_dim"]:
        raise EvmlxError(
            f"llama.rope.dimension_count is {rotated} but heads have {config['head_dim']} "
            "dimensions: partly rotated heads are not supported; use the model's safetensors folder"
        )
    return {"attention_bias": False, "mlp_bias": False}


def _qwen2(_metadata: Metadata, _config: dict[str, Any]) -> dict[str, Any]:
    return {"use_sliding_window": False}


def _qwen3(_metadata: Metadata, _config: dict[str, Any]) -> dict[str, Any]:
    return {"attention_bias": False, "use_sliding_window": False}


def _gemma3(metadata: Metadata, config: dict[str, Any]) -> dict[str, Any]:
    """Gemma 3's entries; what the file leaves out is what llama.cpp assumes for the family."""
    for name in ("gemma3.attn_logit_softcapping", "gemma3.final_logit_softcapping"):
        if metadata.get(name):
            raise EvmlxError(f"{name} is set, which Gemma 3 checkpoints of evmlx do not support")
    layers = config["num_hidden_layers"]
    pattern = metadata.get("gemma3.attention.sliding_window_pattern", 6)
    if not isinstance(pattern, int) or pattern < 1:
        raise EvmlxError(
            "gemma3.attention.sliding_window_pattern is not a period, which is not supported; use "
            "the model's safetensors folder or hub id"
        )
    # llama.cpp's one exception: 27B (62 blocks) scales queries by hidden size / heads.
    wide = layers == 62
    scalar = config["hidden_size"] // config["num_attention_heads"] if wide else config["head_dim"]
    local = float(metadata.get("gemma3.rope.freq_base_swa", 10_000.0))
    full = config.pop("rope_parameters")
    config.pop("hidden_act")
    return {
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "query_pre_attn_scalar": scalar,
        "sliding_window": metadata["gemma3.attention.sliding_window"],
        "sliding_window_pattern": pattern,
        "layer_types": [
            "full_attention" if (i + 1) % pattern == 0 else "sliding_attention"
            for i in range(layers)
        ],
        "rope_local_base_freq": local,
        "rope_parameters": {
            "full_attention": full,
            "sliding_attention": {"rope_type": "default", "rope_theta": local},
        },
    }


FAMILIES: Mapping[str, Family] = {
    "llama": Family(
        "llama", "LlamaForCausalLM", _LLAMA_BLOCK, tuple(_LLAMA_BLOCK), True, 0.0, _llama
    ),
    "qwen2": Family(
        "qwen2", "Qwen2ForCausalLM", _LLAMA_BLOCK, tuple(_LLAMA_BLOCK), False, 0.0, _qwen2
    ),
    "qwen3": Family(
        "qwen3",
        "Qwen3ForCausalLM",
        {**_LLAMA_BLOCK, **_HEAD_NORMS},
        (*_LLAMA_BLOCK, *_HEAD_NORMS),
        False,
        0.0,
        _qwen3,
    ),
    "gemma3": Family(
        "gemma3_text", "Gemma3ForCausalLM", _GEMMA3_BLOCK, tuple(_GEMMA3_BLOCK), False, 1.0, _gemma3
    ),
}


def family_of(metadata: Metadata) -> Family:
    """Family of a GGUF file.

    Raises
    ------
    EvmlxError
        If the architecture is not one that evmlx converts.
    """
    architecture = metadata.get("general.architecture")
    supported = ", ".join(FAMILIES)
    if architecture not in FAMILIES:
        raise EvmlxError(
            f"GGUF architecture {architecture!r} is not supported (supported: {supported}); use "
            "the model's safetensors folder or hub id"
        )
    if metadata.get(f"{architecture}.expert_count"):
        raise EvmlxError(
            f"{architecture}.expert_count is set: mixture-of-experts GGUF files are not supported "
            f"(supported: dense {supported}); use the model's safetensors folder or hub id"
        )
    return FAMILIES[str(architecture)]


def tensor_name(family: Family, name: str) -> str | None:
    """Name of a GGUF tensor in transformers and mlx-lm, None for one that the config replaces.

    Raises
    ------
    EvmlxError
        If the family has no such tensor.
    """
    if name in _OUTER:
        return _OUTER[name]
    if name == "rope_freqs.weight":
        return None
    parts = name.split(".")
    if len(parts) == 4 and parts[0] == "blk" and parts[1].isdigit() and parts[2] in family.block:
        return f"model.layers.{parts[1]}.{family.block[parts[2]]}.{parts[3]}"
    raise EvmlxError(
        f"tensor {name!r} is not one of a {family.model_type} model: this variant is not "
        "supported; use the model's safetensors folder or hub id"
    )


def missing_tensors(family: Family, names: set[str], layers: int) -> list[str]:
    """GGUF names of tensors that a complete file of this family has and `names` lacks."""
    wanted = ["token_embd.weight", "output_norm.weight"]
    wanted += [f"blk.{i}.{part}.weight" for i in range(layers) for part in family.required]
    return [name for name in wanted if name not in names]
