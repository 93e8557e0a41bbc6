"""How much memory a model and a batch of texts take, and how large a batch fits.

Computed from shapes; knows nothing about engines or files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from evmlx.backends.mlx_weights import dense_shapes

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
BLOCK = re.compile(r"(?:^|\.)(?:layers|h|blocks|block|layer)\.(\d+)\.")
LONGEST = 512  # tokens of a long text: attention scores are so many a position
SHARE = 0.8  # of the memory: the rest is for what the estimate leaves out
SMALLEST = 128  # tokens: below this a text alone is the batch


@dataclass(frozen=True)
class Needs:
    """Bytes that a model takes.

    Attributes
    ----------
    weights : int
        Held throughout.
    per_token : int
        At the peak of a pass, for each padded token of the batch.
    """

    weights: int
    per_token: int


def needs(
    config: Mapping[str, Any],
    stored: Mapping[str, tuple[int, ...]],
    hidden: int,
    dtype: str,
    packed: bool = False,
    bits: int | None = None,
) -> Needs:
    """Estimate what a checkpoint needs.

    A position of a block holds, at the peak, about eight vectors of the residual's width (the
    residual and its float32 copy, queries, keys, values, outputs), six of the MLP's (gate, up,
    their product, before and after the activation), and a row of attention scores a head. Fitted
    to MLX's own count on SmolLM2-135M in float32: 57 to 64 kB a token measured on texts of 64 to
    256 tokens, 58 to 65 by this rule for such texts.

    Parameters
    ----------
    config : mapping
        A checkpoint's config.json.
    stored : mapping of str to tuple of int
        Shapes of the tensors in its weight files, by name.
    hidden : int
        Width of the residual stream.
    dtype : str
        Type to compute in.
    packed : bool
        Whether weights that MLX quantized stay so in memory.
    bits : int or None
        Bits of a weight where matrices are quantized on load, in groups of 64.
    """
    size = BYTES[dtype]
    dense = dict(dense_shapes(dict(config), dict(stored)))
    held, widest = 0.0, hidden
    for name, dims in dense.items():
        if len(dims) > 1 and BLOCK.search(name):
            widest = max(widest, dims[-2])  # experts are stacked before it
        each: float = size
        if bits is not None and len(dims) > 1:
            each = bits / 8 + 2 * size / 64  # a scale and a bias for 64 weights
        held += each * prod(dims)
    if packed and bits is None:
        held = sum(
            (size if dense.get(name, dims) == dims else 4) * prod(dims)
            for name, dims in stored.items()
        )
    text = config.get("text_config") or config
    heads = text.get("num_attention_heads") or text.get("n_head") or 0
    experts = text.get("num_experts_per_tok") or 1
    return Needs(int(held), size * (6 * widest * experts + 8 * hidden + heads * LONGEST))


def tokens_that_fit(needs: Needs, room: int, most: int) -> int:
    """Padded tokens in a batch, `most` halved until a batch fits beside the weights.

    Halved, so that a little more or less free memory makes the same batches: a run that was
    killed goes on with the batches it began with.

    Parameters
    ----------
    needs : Needs
        Of the model.
    room : int
        Bytes that the device has.
    most : int
        What is best where memory is no matter.
    """
    tokens = most
    while tokens > SMALLEST and needs.weights + tokens * needs.per_token > SHARE * room:
        tokens //= 2
    return tokens
