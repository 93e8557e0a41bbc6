"""What a run will take, read off a checkpoint's config and the headers of its weight files.

Knows nothing about engines; the rate of the machine is given to it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from evmlx.backends.mlx_weights import dense_shapes
from evmlx.errors import EvmlxError
from evmlx.memory import BLOCK, Needs, needs
from evmlx.progress import clock
from evmlx.stimuli import Stimulus, plan_batches


@dataclass(frozen=True)
class ModelShape:
    """What the measurement has to know of a checkpoint before it is loaded.

    Attributes
    ----------
    architecture : str
        First entry of the config's ``architectures``, or its model type.
    layers, hidden_size, vocabulary : int
        Decoder blocks, width of the residual stream, number of token ids.
    context : int or None
        Positions that the model can hold, where the config says so.
    """

    architecture: str
    layers: int
    hidden_size: int
    vocabulary: int
    context: int | None


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take.

    Attributes
    ----------
    texts, tokens, batches : int
        Size of the work.
    multiply_adds : float
        Of the blocks up to the last sampled layer, on real tokens.
    memory : int
        Bytes for weights and the largest batch.
    seconds : float
        Extraction time at the measured rate of this machine.
    """

    texts: int
    tokens: int
    batches: int
    multiply_adds: float
    memory: int
    seconds: float

    def lines(self) -> list[str]:
        """Return the estimate as a reader wants it."""
        return [
            f"texts    {self.texts}",
            f"tokens   {self.tokens}",
            f"batches  {self.batches}",
            f"memory   about {self.memory / 2**30:.1f} GiB",
            f"time     about {clock(self.seconds)} for extraction",
        ]


def read_shape(folder: Path) -> ModelShape:
    """Shape of the model in a checkpoint folder.

    Raises
    ------
    EvmlxError
        If its config does not tell the number of blocks and the width.
    """
    raw: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    values = _values(folder, raw)
    try:
        return ModelShape(
            architecture=(raw.get("architectures") or [raw.get("model_type", "unknown")])[0],
            layers=int(values["num_hidden_layers"]),
            hidden_size=int(values["hidden_size"]),
            vocabulary=int(values["vocab_size"]),
            context=values.get("max_position_embeddings"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EvmlxError(
            f"{folder / 'config.json'}: field {error} is missing; is this a causal language model?"
        ) from error


def _values(folder: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """Read fields under their usual names; transformers knows each family's own names."""
    import transformers

    names = ("num_hidden_layers", "hidden_size", "vocab_size", "max_position_embeddings")
    try:
        config = transformers.AutoConfig.from_pretrained(folder).get_text_config()
    except (ValueError, KeyError, OSError):  # a family that only the other engine knows
        return {**raw, **raw.get("text_config", {})}
    return {name: getattr(config, name) for name in names if hasattr(config, name)}


def parameters(folder: Path) -> int:
    """Count the weights of a checkpoint, quantized ones by what they stand for."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return sum(prod(dims) for _, dims in dense_shapes(config, dict(tensor_shapes(folder))))


def tensor_shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all tensors, from the headers of the safetensors files."""
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                yield name, tuple(entry["shape"])


def model_needs(folder: Path, dtype: str, packed: bool = False, bits: int | None = None) -> Needs:
    """Estimate the memory of the checkpoint in a folder, see `evmlx.memory.needs`."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stored, hidden = dict(tensor_shapes(folder)), read_shape(folder).hidden_size
    return needs(config, stored, hidden, dtype, packed, bits)


def estimate(
    folder: Path,
    stimuli: Sequence[Stimulus],
    last_layer: int,
    batch_tokens: int,
    dtype: str,
    rate: float,
    packed: bool = False,
) -> Estimate:
    """Estimate what extraction takes.

    Parameters
    ----------
    folder : Path
        Checkpoint folder.
    stimuli : sequence of Stimulus
        Everything to measure.
    last_layer : int
        Last sampled layer.
    batch_tokens : int
        Padded tokens in a batch.
    dtype : str
        Type to compute in.
    rate : float
        Multiply-adds per second of this machine.
    packed : bool
        Whether weights that MLX quantized stay so in memory.
    """
    shape = read_shape(folder)
    stored = dict(tensor_shapes(folder))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    per_block = [0] * shape.layers
    dense = dict(dense_shapes(config, stored))
    for name, dims in dense.items():
        block = BLOCK.search(name)
        if block and int(block.group(1)) < shape.layers and len(dims) > 1:
            per_block[int(block.group(1))] += prod(dims)
    lengths = [len(s.ids) for s in stimuli]
    tokens = sum(lengths)
    attention = sum(n * n for n in lengths) * shape.hidden_size * (last_layer + 1)
    multiply_adds = float(tokens * sum(per_block[: last_layer + 1]) + attention)
    positions = max(batch_tokens, max(lengths))
    need = needs(config, stored, shape.hidden_size, dtype, packed)
    memory = need.weights + positions * need.per_token
    batches = len(plan_batches(lengths, batch_tokens))
    seconds = multiply_adds / (0.8 * rate)  # about what extraction reaches of the matmul rate
    return Estimate(len(stimuli), tokens, batches, multiply_adds, memory, seconds)
