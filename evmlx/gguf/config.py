"""GGUF metadata -> config.json, for transformers 4 and 5 and for mlx-lm.

Knows nothing about files or tensors' values, `rope_freqs` aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evmlx.errors import EvmlxError
from evmlx.gguf.families import Metadata, family_of


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
        return _field(metadata, f"{architecture}.{name}", default)

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
    for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding")):
        if f"tokenizer.ggml.{key}_token_id" in metadata:
            config[f"{name}_token_id"] = metadata[f"tokenizer.ggml.{key}_token_id"]
    config.update(family.extra(metadata, config))
    return config


def _field(metadata: Metadata, name: str, default: Any) -> Any:
    value = metadata.get(name, default)
    if value is None:
        raise EvmlxError(f"the GGUF metadata lacks {name}: the file is damaged")
    if isinstance(value, list):
        raise EvmlxError(
            f"{name} differs from block to block, which is not supported; use the model's "
            "safetensors folder or hub id"
        )
    return value


def _shortest(value: float) -> float:
    """Return the decimal that was meant: 1e-05 where a float32 reads as 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _rope_scaling(
    metadata: Metadata,
    architecture: str,
    theta: float,
    head_dim: int,
    factors: np.ndarray | None,
) -> dict[str, Any]:
    factor = metadata.get(f"{architecture}.rope.scaling.factor")
    kind = metadata.get(f"{architecture}.rope.scaling.type", "linear" if factor else "none")
    if factors is not None:
        return _llama3_scaling(factors, theta, head_dim)
    if kind == "none":
        return {}
    if kind == "linear" and factor:
        return {"rope_type": "linear", "factor": float(factor)}
    raise EvmlxError(
        f"{architecture}.rope.scaling.type is {kind!r}, which is not supported (supported: none, "
        "linear, llama3's rope_freqs); use the model's safetensors folder or hub id"
    )


def _llama3_scaling(factors: np.ndarray, theta: float, head_dim: int) -> dict[str, Any]:
    """Return the config entries from which Llama 3.1's `rope_freqs` tensor was computed.

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
