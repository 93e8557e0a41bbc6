"""Pooled token embeddings against the engine's own embedding matrix, dense and quantized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import save_tiny

from evmlx.errors import EvmlxError
from evmlx.models.token_embeddings import token_embeddings
from evmlx.stimuli import Stimulus

HIDDEN = 64


def stories(rng: np.random.Generator) -> list[Stimulus]:
    found = []
    for i in range(6):
        ids = rng.integers(0, 100, 8 + i).astype(np.int32)
        found.append(Stimulus("stories", f"s{i}", ids, 3, len(ids)))
    return found


LABELS = ["joyful", "weary", "joyful", "weary", "joyful", "weary"]
TOPICS = ["a", "a", "b", "b", "b", "c"]


def check(folder: Path, matrix: np.ndarray) -> None:
    told = stories(np.random.default_rng(4))
    found = token_embeddings(folder, told, LABELS, TOPICS, ("weary", "joyful"), matrix.shape[1])
    assert found.topics == ("a", "b", "c")
    pooled = [matrix[s.ids[s.start :]].mean(axis=0) for s in told]
    np.testing.assert_allclose(found.cells[1, 1], pooled[2] + pooled[4], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.cells[1, 2], 0)
    weary = np.mean([pooled[1], pooled[3], pooled[5]], axis=0)
    np.testing.assert_allclose(found.means[0], weary, rtol=1e-5, atol=1e-6)


def test_dense(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder = save_tiny(tmp_path / "tiny", "llama")
    model = AutoModelForCausalLM.from_pretrained(folder)
    check(folder, model.get_input_embeddings().weight.detach().numpy())


def test_quantized(tmp_path: Path) -> None:
    mx = pytest.importorskip("mlx.core")
    from mlx_lm.utils import load_model, quantize_model, save_config

    folder = save_tiny(tmp_path / "tiny", "llama")
    model, config = load_model(folder)
    model, config = quantize_model(model, config, group_size=32, bits=4)
    packed = model.model.embed_tokens
    matrix = np.array(
        mx.dequantize(packed.weight, packed.scales, packed.biases, group_size=32, bits=4)
    )
    model.save_weights(str(folder / "model.safetensors"))
    save_config(config, folder / "config.json")
    check(folder, matrix)


def test_an_unknown_matrix_is_named(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny", "llama")
    with pytest.raises(EvmlxError, match="not rows of 48 numbers"):
        told = stories(np.random.default_rng(4))
        token_embeddings(folder, told, LABELS, TOPICS, ("weary", "joyful"), 48)
