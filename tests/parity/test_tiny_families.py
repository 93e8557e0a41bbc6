"""Both engines on the same tiny random checkpoints and token ids, in float32."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evmlx.stimuli import Stimulus, token_batch

mx = pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
pytest.importorskip("torch", reason="the torch engine is not installed")

from tiny_models import tiny_model  # noqa: E402

from evmlx.backends import mlx_config  # noqa: E402
from evmlx.backends.mlx_backend import MLXBackend  # noqa: E402
from evmlx.backends.torch_backend import TorchBackend  # noqa: E402
from evmlx.errors import EvmlxError  # noqa: E402

MEDIAN, WORST = 1e-4, 1e-3

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

# Family and what differs from tests/tiny_models.py. Mistral and Gemma 2 without a window, which
# mlx-lm leaves out (longer texts are refused).
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama, llama3 rotary": ("llama", {"rope_parameters": LLAMA3}),
    "llama, yarn rotary": ("llama", {"rope_parameters": YARN}),
    "mistral": ("mistral", {"sliding_window": None}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "qwen3_moe": ("qwen3_moe", {}),
    "gemma2": ("gemma2", {"sliding_window": 60}),
    "gemma3_text": ("gemma3_text", {}),
    "gemma3_text, 80 wide": ("gemma3_text", {"hidden_size": 80}),
    "gemma3_text, scaled rotary": ("gemma3_text", {"rope_parameters": NESTED}),
    "phi3": ("phi3", {}),
    "phi3, longrope": (
        "phi3",
        {
            "rope_parameters": LONGROPE,
            "max_position_embeddings": 512,
            "original_max_position_embeddings": 128,
        },
    ),
    "olmo2": ("olmo2", {}),
    "mixtral": ("mixtral", {}),
    "mamba": ("mamba", {}),
    "stablelm": ("stablelm", {}),
    "granite": ("granite", {}),
    "cohere": ("cohere", {}),
}
# mlx-lm's activation function is another approximation of GELU than the reference's.
APART = {"gpt_neox": {"intermediate_size": 256}, "starcoder2": {}}
UNKNOWN = ("falcon", "gpt2")  # no such model file; other tensor names than transformers saves


def texts(lengths: tuple[int, ...] = (37, 11, 60, 2, 25)) -> list[Stimulus]:
    rng = np.random.default_rng(7)
    return [
        Stimulus("stories", f"text-{i}", rng.integers(3, 300, n).astype(np.int32), n // 3, n)
        for i, n in enumerate(lengths)
    ]


def errors(mlx: np.ndarray, torch: np.ndarray) -> np.ndarray:
    """(texts, layers): relative error of pooled residuals."""
    difference = np.linalg.norm(mlx - torch, axis=-1)
    return np.asarray(difference / np.linalg.norm(torch, axis=-1))


def both(folder: Path, other: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Residuals at every layer of five texts of different lengths in one padded batch."""
    batch = token_batch(texts())
    layers = range(5)
    mlx = MLXBackend(folder, "float32").pooled_residuals(batch, layers)
    return mlx, TorchBackend(other or folder).pooled_residuals(batch, layers)


@pytest.mark.parametrize("case", CASES)
def test_residuals_agree_at_every_layer(case: str, tmp_path: Path) -> None:
    family, changes = CASES[case]
    tiny_model(family, **changes).save_pretrained(tmp_path)
    mlx, torch = both(tmp_path)
    assert mlx.shape == torch.shape == (5, 5, tiny_width(tmp_path))
    apart = errors(mlx, torch)
    assert (np.median(apart, axis=0) <= MEDIAN).all() and (apart.max(axis=0) <= WORST).all()
    # Texts and layers differ: agreement is not that of constants.
    assert errors(mlx[:, 1:], torch[:, :-1]).min() > 1e-2
    assert errors(mlx[1:], torch[:-1]).min() > 1e-2


def tiny_width(folder: Path) -> int:
    return mlx_config.width_of(json.loads((folder / "config.json").read_text()))


@pytest.mark.parametrize("family", APART)
def test_families_known_to_be_apart_stay_within_their_bound(family: str, tmp_path: Path) -> None:
    tiny_model(family, **APART[family]).save_pretrained(tmp_path)
    apart = errors(*both(tmp_path))
    assert MEDIAN < np.median(apart) and apart.max() < WORST


@pytest.mark.parametrize("family", UNKNOWN)
def test_what_mlx_lm_cannot_load_is_refused(family: str, tmp_path: Path) -> None:
    tiny_model(family).save_pretrained(tmp_path)
    with pytest.raises(EvmlxError, match="mlx-lm"):
        MLXBackend(tmp_path)


def test_gemma_3_needs_its_embedding_scale_unrounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model("gemma3_text", hidden_size=80).save_pretrained(tmp_path)
    monkeypatch.setattr("evmlx.backends.mlx_backend.exact_embedding_scale", lambda _: None)
    assert np.median(errors(*both(tmp_path))[:, 0]) > MEDIAN


def quantize(family: str, folder: Path, target: Path, plan: Iterator[dict[str, Any]]) -> None:
    """Save a tiny model as mlx-lm quantizes it, matrix by matrix."""
    from mlx_lm.utils import load_model, quantize_model, save_config, save_model

    tiny_model(family, **QUANTIZED[family]).save_pretrained(folder)
    config = mlx_config.read_config(folder)
    own = mlx_config.arguments_class(config, folder)
    model, config = load_model(folder, model_config=mlx_config.changes(config, own, folder))
    _, config = quantize_model(model, config, 64, 4, quant_predicate=lambda *_: next(plan))
    save_model(target, model)
    save_config(config, target / "config.json")


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


def repeating(*pairs: tuple[int, int]) -> Iterator[dict[str, Any]]:
    while True:
        for bits, group in pairs:
            yield {"bits": bits, "group_size": group, "mode": "affine"}


MIXED = ((3, 64), (4, 32), (5, 64), (6, 32), (8, 64), (2, 32), (4, 64))


@pytest.mark.parametrize("family", QUANTIZED)
def test_mixed_bits_and_groups_are_the_same_weights_on_both_engines(
    family: str, tmp_path: Path
) -> None:
    quantize(family, tmp_path / "full", tmp_path / "mixed", repeating(*MIXED))
    apart = errors(*both(tmp_path / "mixed"))
    assert (np.median(apart, axis=0) <= MEDIAN).all() and (apart.max(axis=0) <= WORST).all()
    lost = errors(*both(tmp_path / "mixed", tmp_path / "full"))
    assert np.median(lost) > 1e-2  # quantization itself is far above the bound


@pytest.mark.parametrize("group", [32, 64])
def test_4_bits_are_the_same_weights_on_both_engines(group: int, tmp_path: Path) -> None:
    quantize("llama", tmp_path / "full", tmp_path / "4bit", repeating((4, group)))
    apart = errors(*both(tmp_path / "4bit"))
    assert (np.median(apart, axis=0) <= MEDIAN).all() and (apart.max(axis=0) <= WORST).all()


@pytest.mark.parametrize(
    ("mode", "bits", "group"), [("mxfp4", 4, 32), ("nvfp4", 4, 16), ("mxfp8", 8, 32)]
)
def test_formats_that_only_mlx_reads_are_refused_by_torch(
    mode: str, bits: int, group: int, tmp_path: Path
) -> None:
    from mlx_lm.utils import load_model, quantize_model, save_config, save_model

    tiny_model("llama").save_pretrained(tmp_path / "full")
    model, config = load_model(tmp_path / "full")
    _, config = quantize_model(model, config, group, bits, mode=mode)
    save_model(tmp_path / mode, model)
    save_config(config, tmp_path / mode / "config.json")
    backend = MLXBackend(tmp_path / mode, "float32")
    assert backend.info.quantization is not None and backend.info.quantization.startswith(mode)
    pooled = backend.pooled_residuals(token_batch(texts()), [2])
    full = TorchBackend(tmp_path / "full").pooled_residuals(token_batch(texts()), [2])
    assert 1e-3 < np.median(errors(pooled, full)) < 0.5
    with pytest.raises(EvmlxError, match="another mode than affine"):
        TorchBackend(tmp_path / mode)


def test_a_family_outside_the_list_is_refused_by_torch(tmp_path: Path) -> None:
    tiny_model("cohere").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    declared = {"quantization": {"bits": 4, "group_size": 64}}
    path.write_text(json.dumps({**json.loads(path.read_text()), **declared}))
    with pytest.raises(EvmlxError, match="not of cohere: use --backend mlx"):
        TorchBackend(tmp_path)
