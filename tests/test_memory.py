"""Memory estimates against counts by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

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


def test_the_table_in_the_document_is_what_the_rule_gives() -> None:
    path = Path(__file__).parent / "bench" / "memory_table.py"
    spec = importlib.util.spec_from_file_location("memory_table", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.table() in module.DOCUMENT.read_text(encoding="utf-8")
    # 8.03 billion weights; 16.06 GB in bfloat16, and a batch.
    _, shapes = module.shapes("Llama 3.1 8B")
    count = sum(a * b for a, b in shapes.values())
    assert abs(count - 8.03e9) < 0.01e9
    assert 16.06e9 < module.gibibytes("Llama 3.1 8B", "bfloat16", None, 4096) * 2**30 < 17.6e9
