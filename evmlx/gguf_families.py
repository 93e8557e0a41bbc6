"""What GGUF metadata and tensor names mean, family by family.

Turns the metadata of a GGUF file into a `config.json`, and its tensor names into those of
transformers and mlx-lm. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    # llama.cpp's one exception: 27B (62 blocks) scales queries by hidden size / heads.
    wide = layers == 62
    scalar = config["hidden_size"] // config["num_attention_heads"] if wide else config["head_dim"]
    local = float(metadata.get("gemma3.rope.freq_base_swa", 10_000.0))
    full = config.pop("rope_parameters")
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


def config_of(
    metadata: Metadata, vocabulary: int, tied: bool, rope_factors: np.ndarray | None
) -> dict[str, Any]:
    """Entries of `config.json`, for transformers 4 and 5 and for mlx-lm.

    Parameters
    ----------
    metadata : mapping
        The GGUF file's key-value pairs.
    vocabulary : int
        Rows of the embedding.
    tied : bool
        Whether the file has no output matrix of its own.
    rope_factors : ndarray or None
        The file's `rope_freqs` tensor.

    Returns
    -------
    dict

    Raises
    ------
    EvmlxError
        If a field is missing, or asks for something that evmlx does not convert.
    """
    architecture = metadata["general.architecture"]
    family = family_of(metadata)

    def field(name: str, default: Any = None) -> Any:
        value = metadata.get(f"{architecture}.{name}", default)
        if value is None:
            raise EvmlxError(f"the GGUF metadata lacks {architecture}.{name}: the file is damaged")
        if isinstance(value, list):
            raise EvmlxError(
                f"{architecture}.{name} differs from block to block, which is not supported; use "
                "the model's safetensors folder or hub id"
            )
        return value

    heads = field("attention.head_count")
    hidden = field("embedding_length")
    head_dim = field("attention.key_length", hidden // heads)
    theta = float(field("rope.freq_base", 10_000.0))
    config: dict[str, Any] = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": field("feed_forward_length"),
        "num_hidden_layers": field("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": field("attention.head_count_kv", heads),
        "head_dim": head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": field("context_length"),
        "rms_norm_eps": _shortest(field("attention.layer_norm_rms_epsilon")),
        "rope_theta": theta,  # mlx-lm and transformers 4 read it here, transformers 5 below
        "tie_word_embeddings": tied,
        "use_cache": True,
    }
    scaling = _rope_scaling(metadata, architecture, theta, head_dim, rope_factors)
    if scaling:
        config["rope_scaling"] = dict(scaling)
    config["rope_parameters"] = {"rope_type": "default", **scaling, "rope_theta": theta}
    for name in ("bos", "eos"):
        if f"tokenizer.ggml.{name}_token_id" in metadata:
            config[f"{name}_token_id"] = metadata[f"tokenizer.ggml.{name}_token_id"]
    if "tokenizer.ggml.padding_token_id" in metadata:
        config["pad_token_id"] = metadata["tokenizer.ggml.padding_token_id"]
    return {**config, **family.extra(metadata, config)}


def _shortest(value: float) -> float:
    """The decimal that was meant: 1e-05 where a float32 reads as 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _rope_scaling(
    metadata: Metadata,
    architecture: str,
    theta: float,
    head_dim: int,
    factors: np.ndarray | None,
) -> dict[str, Any]:
    kind = metadata.get(f"{architecture}.rope.scaling.type", "none")
    if factors is not None:
        return _llama3_scaling(factors, theta, head_dim)
    if kind == "none":
        return {}
    if kind == "linear":
        factor = float(metadata[f"{architecture}.rope.scaling.factor"])
        return {"rope_type": "linear", "factor": factor}
    raise EvmlxError(
        f"{architecture}.rope.scaling.type is {kind!r}, which is not supported (supported: none, "
        "linear, llama3's rope_freqs); use the model's safetensors folder or hub id"
    )


def _llama3_scaling(factors: np.ndarray, theta: float, head_dim: int) -> dict[str, Any]:
    """The config entries from which Llama 3.1's `rope_freqs` tensor was computed.

    The tensor holds only the outcome. The three other constants are the same in every Llama 3
    release; whether they explain the tensor is checked.
    """
    scaling: dict[str, Any] = {
        "rope_type": "llama3",
        "factor": float(np.round(factors.max(), 4)),
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    expected = llama3_factors(scaling, theta, head_dim)
    if expected.shape != factors.shape or not np.allclose(expected, factors, rtol=1e-4):
        raise EvmlxError(
            "the tensor rope_freqs.weight is not of Llama 3's form, which is not supported; use "
            "the model's safetensors folder or hub id"
        )
    return scaling


def llama3_factors(scaling: Mapping[str, Any], theta: float, head_dim: int) -> np.ndarray:
    """Divisors of the rotary frequencies, shape (head_dim / 2,), as Llama 3.1 defines them."""
    wavelength = 2 * np.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    turns = scaling["original_max_position_embeddings"] / wavelength
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    smooth = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return np.asarray(1 / ((1 - smooth) / scaling["factor"] + smooth))


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
