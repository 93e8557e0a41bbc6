"""Both engines on the same tiny random checkpoints and token ids, in float32."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evmlx.stimuli import token_batch

mx = pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
pytest.importorskip("torch", reason="the torch engine is not installed")

from families import APART, CASES, MIXED, QUANTIZED, REFUSED  # noqa: E402
from tiny_models import tiny_model  # noqa: E402
from tiny_texts import texts  # noqa: E402

from evmlx.backends import mlx_config  # noqa: E402
from evmlx.backends.mlx_backend import MLXBackend  # noqa: E402
from evmlx.backends.torch_backend import TorchBackend  # noqa: E402
from evmlx.errors import EvmlxError  # noqa: E402

MEDIAN, WORST = 1e-4, 1e-3


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


def save(folder: Path, family: str, changes: dict[str, Any]) -> None:
    """Save a tiny model under the names that published checkpoints of its family have."""
    model = tiny_model(family, **changes)
    (model.base_model if family == "gpt2" else model).save_pretrained(folder)


@pytest.mark.parametrize("case", CASES)
def test_residuals_agree_at_every_layer(case: str, tmp_path: Path) -> None:
    save(tmp_path, *CASES[case])
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
    save(tmp_path, family, APART[family])
    apart = errors(*both(tmp_path))
    # Far above what rounding does (1e-6), however the verdict falls.
    assert 2e-5 < np.median(apart, axis=0).max() and apart.max() < WORST


@pytest.mark.parametrize("case", REFUSED)
def test_what_mlx_lm_computes_otherwise_or_cannot_load_is_refused(
    case: str, tmp_path: Path
) -> None:
    family, changes, words = REFUSED[case]
    save(tmp_path, family, changes)
    with pytest.raises(EvmlxError, match=words) as caught:
        both(tmp_path)
    assert "\n" not in str(caught.value)


def test_gpt_2_under_the_names_of_transformers_5_is_refused(tmp_path: Path) -> None:
    tiny_model("gpt2").save_pretrained(tmp_path)
    with pytest.raises(EvmlxError, match="not in model"):
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


def repeating(*pairs: tuple[int, int]) -> Iterator[dict[str, Any]]:
    while True:
        for bits, group in pairs:
            yield {"bits": bits, "group_size": group, "mode": "affine"}


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
    with pytest.raises(EvmlxError, match="cohere: use --backend mlx"):
        TorchBackend(tmp_path)
