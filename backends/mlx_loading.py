"""How the MLX engine gets a model: mlx-lm's loader, quantization on load, and one correction.

Knows nothing about batches or recording.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

from evmlx.backends.mlx_config import model_config, width_of
from evmlx.errors import EvmlxError
from evmlx.progress import say


def load(
    folder: Path, given: dict[str, Any], changes: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Build mlx-lm's model with its weights, not yet read.

    Parameters
    ----------
    folder : Path
        Checkpoint folder.
    given : dict
        Its config, as `evmlx.backends.mlx_config.read_config` returns it.
    changes : dict
        As `evmlx.backends.mlx_config.changes` returns them.

    Returns
    -------
    (mlx.nn.Module, dict)
        The model, and its config as mlx-lm took it.

    Raises
    ------
    EvmlxError
        If mlx-lm cannot load it.
    """
    from mlx_lm.utils import load_model

    if changes:
        say(f"note: mlx-lm would misread this config.json; passed on to it: {_shown(changes)}")
    try:
        with redirect_stdout(sys.stderr):  # mlx-lm prints warnings
            model, config = load_model(folder, lazy=True, model_config=model_config(given, changes))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AssertionError) as error:
        raise EvmlxError(f"cannot load {folder} with mlx-lm: {first_line(error)}") from error
    except RuntimeError as error:  # MLX's own, on damaged weight files
        raise EvmlxError(f"cannot read the weights in {folder}: {first_line(error)}") from error
    return model, config


def declared_quantization(config: dict[str, Any]) -> str | None:
    """Quantization of a checkpoint, from its config as `load` returns it; None without one."""
    declared = config.get("quantization")
    if not isinstance(declared, dict):
        return None
    bits = declared["bits"]
    mixed = any(isinstance(v, dict) and v.get("bits") != bits for v in declared.values())
    mode = declared.get("mode", "affine")
    group = declared["group_size"]
    return f"{mode} {bits}bit{' mixed' if mixed else ''}, groups of {group}"


def quantize_weights(model: Any, config: dict[str, Any], folder: Path, quantize: str) -> str:
    """Quantize a loaded model, in groups of 64 where its width allows, else of 32.

    Parameters
    ----------
    model : mlx.nn.Module
        As `load` returns it; changed.
    config : dict
        As `load` returns it.
    folder : Path
        Of the checkpoint, for messages.
    quantize : str
        E.g. ``4bit``.

    Returns
    -------
    str
        What was done, as `declared_quantization` would say it.

    Raises
    ------
    EvmlxError
        If the checkpoint is quantized already, or its width fits no group.
    """
    from mlx_lm.utils import quantize_model

    declared = declared_quantization(config)
    if declared:
        raise EvmlxError(
            f"--quantize {quantize}: {folder} is quantized already ({declared}): leave it out, or "
            "measure other precisions of it with `evmlx quantize-check`"
        )
    width = width_of(config)
    group = 64 if width % 64 == 0 else 32
    bits = int(quantize.removesuffix("bit"))
    with redirect_stdout(sys.stderr):  # mlx-lm prints what it did
        quantize_model(model, config, group_size=group, bits=bits)
    if not any(isinstance(m, nn.QuantizedLinear) for _, m in model.named_modules()):
        raise EvmlxError(
            f"--quantize {quantize}: {folder} is {width} wide, and MLX quantizes in groups of 32 "
            "or more that fill the width: leave it out"
        )
    return f"affine {bits}bit, groups of {group}"


def dequantize_weights(model: Any) -> bool:
    """Replace quantized linear layers and embeddings by dense ones with the same weights.

    On the CPU, where MLX multiplies by quantized matrices far slower than by dense ones.

    Parameters
    ----------
    model : mlx.nn.Module
        As `load` returns it; changed.

    Returns
    -------
    bool
        Whether there was anything to replace.
    """
    floats = [
        v.dtype for _, v in tree_flatten(model.parameters()) if mx.issubdtype(v.dtype, mx.floating)
    ]
    dense: list[tuple[str, nn.Module]] = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.QuantizedLinear | nn.QuantizedEmbedding):
            continue
        weight = mx.dequantize(
            module.weight,
            module.scales,
            module.get("biases"),  # the mx and nv formats have none
            group_size=module.group_size,
            bits=module.bits,
            mode=module.mode,
        )
        # Built around one weight: the layer's own random ones would be as large as the model.
        plain = nn.Linear(1, 1, bias=False)
        if isinstance(module, nn.QuantizedEmbedding):
            plain = nn.Embedding(1, 1)
        # The mx and nv formats become bfloat16, which holds them, whatever the rest is.
        plain.weight = weight if module.mode == "affine" else weight.astype(floats[0])
        if "bias" in module:
            plain.bias = module.bias
        dense.append((name, plain))
    model.update_modules(tree_unflatten(dense))
    return bool(dense)


def exact_embedding_scale(model: Any) -> None:
    """Scale Gemma 3's embeddings by sqrt(hidden) in float32, as its reference code does.

    mlx-lm rounds the factor to bfloat16 in any type: up to 0.2% off in float32.
    """
    for _, module in model.named_modules():
        if type(module).__name__ != "Gemma3Model":
            continue
        factor = module.args.hidden_size**0.5
        rounded = mx.array(factor, mx.bfloat16).astype(mx.float32).item()
        embed, cls = module.embed_tokens, type(module.embed_tokens)

        def call(self: Any, ids: Any, cls: type = cls, ratio: float = factor / rounded) -> Any:
            h = cls.__call__(self, ids)
            return h * ratio if h.dtype == mx.float32 else h

        object.__setattr__(embed, "__class__", type(cls.__name__, (cls,), {"__call__": call}))


def _shown(changes: dict[str, Any]) -> str:
    """Put the changed fields in one line; long lists by their names alone."""
    return ", ".join(
        f"{name}={value}" if len(str(value)) < 60 else name
        for name, value in changes.items()
        if value is not None
    )


def first_line(error: BaseException) -> str:
    """Say an engine's error in one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # mlx-lm lists parameters below a line that ends in a colon: the first of them is enough.
    return " ".join(line.strip() for line in lines[: 2 if lines[0].rstrip().endswith(":") else 1])
