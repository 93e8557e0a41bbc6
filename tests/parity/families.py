"""Which tiny models the two engines are compared on, and what is known of each."""

from __future__ import annotations

from typing import Any

NESTED = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0 + i / 10 for i in range(8)],
    "long_factor": [2.0 + i for i in range(8)],
    "original_max_position_embeddings": 128,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 50000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 50000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
}
DEEPSEEK_YARN = {**YARN, "mscale": 0.707, "mscale_all_dim": 0.707, "beta_fast": 32, "beta_slow": 1}
HALF_FACTORS = {**LONGROPE, "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0] * 4}
GRANITE = {"embedding_multiplier": 12.0, "residual_multiplier": 0.22, "attention_multiplier": 0.1}

# Families whose plain tiny model the engines must agree on.
PLAIN = (
    "afmoe apertus cohere cohere2 deepseek_v3 deepseek_v32 dots1 ernie4_5 exaone exaone4 "
    "exaone_moe falcon_h1 falcon_mamba gemma3_text gemma4_text glm4 glm4_moe glm4_moe_lite "
    "glm_moe_dsa gpt2 gptj granite granitemoe granitemoehybrid helium hunyuan_v1_dense internlm3 "
    "jamba laguna lfm2 lfm2_moe llama mamba mamba2 mellum minimax_m2 ministral3 mixtral nemotron "
    "nemotron_h olmo2 olmo3 olmoe phi phi3 phimoe qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next "
    "recurrent_gemma seed_oss smollm3 solar_open stablelm"
).split()
# Name in the table: family, and what differs from tests/tiny_models.py. Mistral and Gemma 2
# without a window, which mlx-lm leaves out (longer texts are refused).
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{family: (family, {}) for family in PLAIN},
    "deepseek_v2": ("deepseek_v2", {"rope_parameters": DEEPSEEK_YARN}),
    "deepseek_v2, plain rotary": ("deepseek_v2", {}),
    "falcon_h1, key factor": ("falcon_h1", {"key_multiplier": 0.4}),
    "gemma2": ("gemma2", {"sliding_window": 60}),
    "gemma3_text, 80 wide": ("gemma3_text", {"hidden_size": 80}),
    "gemma3_text, scaled rotary": ("gemma3_text", {"rope_parameters": NESTED}),
    "glm, whole heads rotated": ("glm", {"partial_rotary_factor": 1.0}),
    "granite, factors": ("granite", GRANITE),
    "granitemoehybrid, rotary": ("granitemoehybrid", {"position_embedding_type": "rope"}),
    "llama, biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, heads of 32": ("llama", {"head_dim": 32}),
    "llama, llama3 rotary": ("llama", {"rope_parameters": LLAMA3}),
    "llama, yarn rotary": ("llama", {"rope_parameters": YARN}),
    "llama, yarn with factor": ("llama", {"rope_parameters": {**YARN, "attention_factor": 0.7}}),
    "llama, yarn not truncated": ("llama", {"rope_parameters": {**YARN, "truncate": False}}),
    "minicpm3": ("minicpm3", {"rope_parameters": HALF_FACTORS}),
    "minicpm3, plain rotary": ("minicpm3", {}),
    "mistral": ("mistral", {"sliding_window": None}),
    "phi3, longrope": (
        "phi3",
        {
            "rope_parameters": LONGROPE,
            "max_position_embeddings": 512,
            "original_max_position_embeddings": 128,
        },
    ),
}
# mlx-lm's activation function is another approximation of GELU than the reference's.
APART: dict[str, dict[str, Any]] = {
    "gemma": {},
    "gpt_bigcode": {},
    "gpt_neox": {"intermediate_size": 256},
    "starcoder2": {},
}
# Name in the table: family, what differs, and words of the refusal.
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "mistral, window of 8": ("mistral", {}, "leaves out the sliding window"),
    "gemma2, window of 8": ("gemma2", {}, "leaves out the sliding window"),
    "cohere, yarn rotary": ("cohere", {"rope_parameters": YARN}, "scales its rotary angles"),
    "qwen3_moe, yarn rotary": ("qwen3_moe", {"rope_parameters": YARN}, "scales its rotary angles"),
    "glm, half heads rotated": ("glm", {}, "rotates only 0.5 of each head"),
    "llama, ReLU": ("llama", {"hidden_act": "relu"}, "computes llama with silu whatever"),
    "deepseek_v3, halves rotated": (
        "deepseek_v3",
        {"rope_interleave": False},
        "computes deepseek_v3 with True whatever",
    ),
    "ernie4_5_moe": ("ernie4_5_moe", {}, "drops the bias"),
    "jamba, experts": ("jamba", {"num_experts": 4}, "normalises the weights of the chosen"),
    "falcon_h1, factor on attention": (
        "falcon_h1",
        {"attention_in_multiplier": 0.5},
        "leaves out factors",
    ),
    "bitnet": ("bitnet", {}, "cannot load"),
    "falcon": ("falcon", {}, "does not know the architecture"),
    "gpt_oss, not in mxfp4": ("gpt_oss", {}, "cannot load"),
    "llama4_text": ("llama4_text", {}, "cannot load"),
    "minimax": ("minimax", {}, "cannot load"),
    "nanochat": ("nanochat", {}, "cannot load"),
    "olmo": ("olmo", {}, "needs a package of its own"),
    "olmo_hybrid": ("olmo_hybrid", {}, "cannot load"),
    "qwen3_5_text": ("qwen3_5_text", {}, "does not know the architecture"),
}
# Wide enough for groups of 64 in every matrix.
QUANTIZED: dict[str, dict[str, Any]] = {
    family: {"intermediate_size": 128, **changes}
    for family, changes in {
        "llama": {},
        "mistral": {"sliding_window": None},
        "qwen2": {},
        "qwen3": {},
        "gemma2": {"sliding_window": 60},
        "gemma3_text": {},
        "phi3": {},
        "olmo2": {},
        "granite": {},
    }.items()
}
MIXED = ((3, 64), (4, 32), (5, 64), (6, 32), (8, 64), (2, 32), (4, 64))
