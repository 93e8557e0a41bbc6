"""Memory estimates against counts by hand."""

from __future__ import annotations

from evmlx.memory import LONGEST, SMALLEST, Needs, needs, tokens_that_fit

DENSE = {
    "model.embed_tokens.weight": (1000, 64),
    "model.layers.0.self_attn.q_proj.weight": (64, 64),
    "model.layers.0.mlp.gate_proj.weight": (256, 64),
    "model.layers.0.mlp.down_proj.weight": (64, 256),
    "model.norm.weight": (64,),
}


def test_weights_and_activations_by_type() -> None:
    config = {"model_type": "llama", "num_attention_heads": 4}
    count = 1000 * 64 + 64 * 64 + 2 * 256 * 64 + 64
    for dtype, size in (("float32", 4), ("bfloat16", 2)):
        need = needs(config, DENSE, 64, dtype)
        assert need.weights == size * count
        assert need.per_token == size * (6 * 256 + 8 * 64 + 4 * LONGEST)


def test_quantizing_on_load_keeps_a_scale_and_a_bias_for_64_weights() -> None:
    need = needs({"model_type": "llama"}, DENSE, 64, "bfloat16", bits=4)
    assert need.weights == (1000 * 64 + 64 * 64 + 2 * 256 * 64) * 4.5 / 8 + 64 * 2


def test_a_token_passes_through_as_many_experts_as_the_config_says() -> None:
    stacked = {**DENSE, "model.layers.0.mlp.experts.up_proj": (8, 512, 64)}
    config = {"text_config": {"num_attention_heads": 2, "num_experts_per_tok": 3}}
    need = needs(config, stacked, 64, "bfloat16")
    assert need.per_token == 2 * (6 * 512 * 3 + 8 * 64 + 2 * LONGEST)


def test_a_batch_is_halved_until_it_fits_and_never_larger_than_asked() -> None:
    need = Needs(weights=1000, per_token=10)
    assert tokens_that_fit(need, 10**9, 4096) == 4096
    # 80% of 26,850 is 21,480: 2,048 tokens and the weights, and no byte more.
    assert tokens_that_fit(need, 26850, 4096) == 2048
    assert tokens_that_fit(need, 26849, 4096) == 1024
    assert tokens_that_fit(need, 1, 4096) == SMALLEST
