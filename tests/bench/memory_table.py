"""Prints the table of memory for docs/hardware.md: `python tests/bench/memory_table.py`.

With `--write` it puts the table into the file, between its two marks. Computed from the models'
published shapes by `evmlx.memory`; nothing is downloaded or run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from evmlx.memory import needs

DOCUMENT = Path(__file__).parents[2] / "docs" / "hardware.md"
MARKS = (
    "<!-- table: python tests/bench/memory_table.py --write -->",
    "<!-- end of table -->",
)
# Name: layers, width, heads, heads of keys, width of a head, MLP, vocabulary, whether the
# vocabulary projection has weights of its own; experts and experts a token.
MODELS: dict[str, tuple[int, int, int, int, int, int, int, bool, int, int]] = {
    "SmolLM2 135M": (30, 576, 9, 3, 64, 1536, 49152, False, 0, 1),
    "Qwen3 0.6B": (28, 1024, 16, 8, 128, 3072, 151936, False, 0, 1),
    "Llama 3.2 1B": (16, 2048, 32, 8, 64, 8192, 128256, False, 0, 1),
    "Qwen3 4B": (36, 2560, 32, 8, 128, 9728, 151936, False, 0, 1),
    "Llama 3.1 8B": (32, 4096, 32, 8, 128, 14336, 128256, True, 0, 1),
    "Qwen3 14B": (40, 5120, 40, 8, 128, 17408, 151936, True, 0, 1),
    "Qwen3 30B-A3B": (48, 2048, 32, 4, 128, 768, 151936, True, 128, 8),
    "Qwen3 32B": (64, 5120, 64, 8, 128, 25600, 151936, True, 0, 1),
    "Llama 3.3 70B": (80, 8192, 64, 8, 128, 28672, 128256, True, 0, 1),
}
GPU_TOKENS, CPU_TOKENS = 4096, 1024  # of a batch, where memory is no matter


def shapes(name: str) -> tuple[dict[str, object], dict[str, tuple[int, ...]]]:
    """Config and tensor shapes of a llama-like model."""
    layers, width, heads, kv, head, mlp, vocabulary, own, experts, chosen = MODELS[name]
    stored: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, width)}
    if own:
        stored["lm_head.weight"] = (vocabulary, width)
    stacked = (experts,) if experts else ()
    for layer in range(layers):
        block = f"model.layers.{layer}"
        stored |= {
            f"{block}.self_attn.q_proj.weight": (heads * head, width),
            f"{block}.self_attn.k_proj.weight": (kv * head, width),
            f"{block}.self_attn.v_proj.weight": (kv * head, width),
            f"{block}.self_attn.o_proj.weight": (width, heads * head),
            f"{block}.mlp.gate_proj.weight": (*stacked, mlp, width),
            f"{block}.mlp.up_proj.weight": (*stacked, mlp, width),
            f"{block}.mlp.down_proj.weight": (*stacked, width, mlp),
        }
    config = {"model_type": "llama", "num_attention_heads": heads, "num_experts_per_tok": chosen}
    return config, stored


def gibibytes(name: str, dtype: str, bits: int | None, tokens: int) -> float:
    """Weights and one batch."""
    config, stored = shapes(name)
    need = needs(config, stored, MODELS[name][1], dtype, bits=bits)
    return (need.weights + tokens * need.per_token) / 2**30


def table() -> str:
    """One row a model."""
    rows = [
        "| model | GPU, 4 bits | GPU, 8 bits | GPU, bfloat16 | CPU, float32 |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in MODELS:
        sizes = [gibibytes(name, "bfloat16", bits, GPU_TOKENS) for bits in (4, 8, None)]
        sizes.append(gibibytes(name, "float32", None, CPU_TOKENS))
        rows.append(f"| {name} | " + " | ".join(f"{size:.1f}" for size in sizes) + " |")
    return "\n".join(rows)


def main() -> None:
    """Print the table, or write it into the document."""
    if "--write" not in sys.argv:
        print(table())
        return
    begin, end = MARKS
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{table()}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
