"""What single families need said to mlx-lm, and which of them it computes otherwise.

Knows nothing about rotary settings or weights: `evmlx.backends.mlx_config` has those that many
families share.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evmlx.errors import EvmlxError

# Blocks whose output is not the residual stream, or that are not run once each.
UNSUITABLE = {
    "gemma3n": "keeps several residual streams side by side",
    "gemma3n_text": "keeps several residual streams side by side",
    "deepseek_v41": "keeps several residual streams side by side",
    "deepseek_v41_text": "keeps several residual streams side by side",
    "kimi_k3": "mixes the residuals of earlier blocks by attention",
    "iquestloopcoder": "computes without calling its blocks",
    "nanbeige": "runs its blocks several times over",
}

# Fields that mlx-lm asks for and transformers leaves out, because its model has no choice there.
SUPPLIED: dict[str, dict[str, Any]] = {
    "apertus": {"mlp_bias": False, "post_norm": False, "qk_norm": True},
    "glm_moe_dsa": {"topk_method": "noaux_tc", "scoring_func": "sigmoid", "moe_layer_freq": 1},
    "minimax_m2": {"shared_intermediate_size": 0},
    "solar_open": {"partial_rotary_factor": 1.0, "first_k_dense_replace": 0},
}
# Rotary scaling by 1, for families whose mlx-lm class does not load without one.
NEUTRAL_SCALING: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"type": "yarn", "factor": 1.0},
    "minicpm3": {"type": "longrope", "short_factor": 1.0, "long_factor": 1.0},
}
# Kinds of layers by transformers' name, and by mlx-lm's in one family.
HYBRID = {"linear_attention": "mamba", "full_attention": "attention"}

# Family: whether the config makes mlx-lm compute something else, and what.
MISCOMPUTED: dict[str, tuple[Callable[[dict[str, Any]], bool], str]] = {
    "jamba": (
        lambda text: int(text.get("num_experts", 1)) > 1,
        "mlx-lm normalises the weights of the chosen experts, which jamba's own code does not",
    ),
    "ernie4_5_moe": (
        lambda _: True,
        "mlx-lm drops the bias by which ernie4_5_moe chooses experts",
    ),
    "falcon_h1": (
        lambda text: (
            text.get("attention_in_multiplier", 1) != 1
            or (text.get("key_multiplier", 1) != 1 and "quantization" in text)
        ),
        "mlx-lm leaves out factors of falcon_h1's keys and values",
    ),
}
# Settings by family of which mlx-lm computes one value only.
ONE_VALUE: dict[str, dict[str, Any]] = {
    "deepseek_v3": {"rope_interleave": True},
    "falcon_mamba": {"layer_norm_epsilon": 1e-5},
    "glm4_moe_lite": {"rope_interleave": True},
    "gpt2": {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False},
    "gpt_bigcode": {"scale_attn_weights": True, "multi_query": True},
    "mamba": {"layer_norm_epsilon": 1e-5},
    "mamba2": {"layer_norm_epsilon": 1e-5},
    "nemotron": {"hidden_act": "relu2"},
    "nemotron_h": {"mlp_hidden_act": "relu2", "mamba_hidden_act": "silu"},
    "olmoe": {"clip_qkv": None},
    "qwen2_moe": {"norm_topk_prob": False},
    "recurrent_gemma": {"rms_norm_eps": 1e-6, "rope_theta": 10000.0},
}
ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function")
# Names of one function, up to approximations of it that are 1e-4 apart.
SAME_ACTIVATION = {
    "swish": "silu",
    "gelu_new": "gelu",
    "gelu_fast": "gelu",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu",
}


def reference(text: dict[str, Any]) -> Any:
    """The config as transformers reads it; None of a family that it does not know."""
    from transformers import CONFIG_MAPPING

    try:
        return CONFIG_MAPPING[text["model_type"]].from_dict(copy.deepcopy(text))
    except Exception:  # whatever a config class finds wrong with its values
        return None


def refuse_ignored(text: dict[str, Any], known: frozenset[str], folder: Path) -> None:
    """Refuse a setting that mlx-lm leaves out, where it is not the family's usual one.

    Raises
    ------
    EvmlxError
        Naming the setting.
    """
    family = text.get("model_type", "")
    plain = reference({"model_type": family})
    usual = {name: getattr(plain, name, None) for name in ACTIVATIONS if name not in known}
    usual = {name: value for name, value in usual.items() if value is not None}
    settings = {**(text.get("rope_parameters") or {}), **text}
    for name, value in {**usual, **ONE_VALUE.get(family, {})}.items():
        given = settings.get(name)
        if given is None:
            continue
        if SAME_ACTIVATION.get(given, given) != SAME_ACTIVATION.get(value, value):
            raise EvmlxError(
                f"{folder / 'config.json'}: {name} is {given}, and mlx-lm computes {family} with "
                f"{value} whatever it says: use --backend torch"
            )


def refuse_miscomputed(text: dict[str, Any], folder: Path) -> None:
    """Refuse a config that mlx-lm loads without a word and computes otherwise than meant.

    Raises
    ------
    EvmlxError
        If it is one of those known.
    """
    miscomputed, what = MISCOMPUTED.get(text.get("model_type", ""), (None, ""))
    if miscomputed is not None and miscomputed(text):
        raise EvmlxError(f"{folder}: {what}: use --backend torch")


def family_fields(text: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """What one family has in another form than mlx-lm reads it, such as its kinds of layers."""
    key, into = text.get("key_multiplier"), text.get("attention_in_multiplier", 1)
    if text.get("model_type") == "falcon_h1" and key not in (None, 1) and into == 1:
        # mlx-lm leaves the key's factor out; this one it puts on queries and keys alike.
        return {"attention_in_multiplier": float(key) ** 0.5}
    if text.get("model_type") in NEUTRAL_SCALING and _plain_rotary(text):
        longest = text.get("max_position_embeddings", 4096)
        scaling = {
            **NEUTRAL_SCALING[text["model_type"]],
            "original_max_position_embeddings": longest,
        }
        return {"rope_scaling": scaling}
    kinds, mlps = text.get("layer_types"), text.get("mlp_layer_types")
    family = text.get("model_type")
    if family == "exaone4" and kinds and not isinstance(text.get("sliding_window_pattern"), str):
        letters = ("L" if kind == "sliding_attention" else "G" for kind in kinds)
        return {"sliding_window_pattern": "".join(letters) if text.get("sliding_window") else None}
    if family == "granitemoehybrid" and kinds:
        rotary = "rope" if text.get("position_embedding_type") == "rope" else "nope"
        renamed = [HYBRID.get(kind, kind) for kind in kinds]
        return {"layer_types": renamed, "position_embedding_type": rotary}
    layers = text.get("per_layer_config")
    if family == "gemma4_text" and isinstance(layers, dict) and "global_head_dim" not in text:
        own: dict[str, Any] = next(iter(layers.values()), {})
        return {
            "global_head_dim": own.get("head_dim", text.get("head_dim")),
            "num_global_key_value_heads": own.get("num_key_value_heads"),
        }
    if "is_moe_layer" in known and mlps and "is_moe_layer" not in text:
        return {"is_moe_layer": [kind == "sparse" for kind in mlps]}
    return {}


def _plain_rotary(text: dict[str, Any]) -> bool:
    scaling = text.get("rope_scaling") or text.get("rope_parameters") or {}
    return bool(scaling.get("rope_type", scaling.get("type", "default")) == "default")
