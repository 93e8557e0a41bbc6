"""Checkpoints at another precision: what is quantized, with which values, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import loaded, quiet, random_blocks, tiny, write_gguf
from safetensors.numpy import load_file

from evmlx.backends.mlx_quantize import quantize
from evmlx.backends.mlx_weights import dequantize
from evmlx.errors import EvmlxError
from evmlx.models.checkpoints import Checkpoint, load_tokenizer, resolve
from evmlx.models.requantize import requantized
from evmlx.stimuli import Stimulus, token_batch


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def saved(folder: Path, dtype: str = "float32", **changes: Any) -> tuple[Checkpoint, Any]:
    """A tiny full-precision checkpoint with what lies beside weights, and its model."""
    import torch

    changes = {"num_hidden_layers": 2, "head_dim": 16, **changes}
    model = tiny("llama", **changes).to(getattr(torch, dtype))
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "pytorch_model.bin").write_text("not this")
    return resolve(str(folder), say=quiet), model.float()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_matrices_are_quantized_from_their_values_in_float32(dtype: str, tmp_path: Path) -> None:
    checkpoint, model = saved(tmp_path / "Tiny-Model", dtype)
    other = requantized(checkpoint, 4, 32, quiet)
    found = loaded(other.folder).state_dict()
    matrices = 0
    for name, values in model.state_dict().items():
        expected = values.numpy()
        if expected.ndim == 2:
            matrices += 1
            expected = dequantize(*quantize(expected, 4, 32), 4)
        np.testing.assert_array_equal(found[name], expected, name)
    assert matrices == 2 + 7 * 2
    assert (other.quantization, other.run_name) == ("4bit-g32", "tiny-model-4bit-g32")
    assert other.license == "mit" and other.revision != checkpoint.revision
    kinds = {t.dtype.name for t in load_file(other.folder / "model.safetensors").values()}
    assert kinds == {"float32", "uint32"}
    files = {path.name for path in other.folder.iterdir()}
    assert {"tokenizer.json", "chat_template.jinja", "README.md"} < files
    assert "pytorch_model.bin" not in files


def test_mlx_lm_would_quantize_the_same_matrices_to_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
    utils = pytest.importorskip("mlx_lm.utils", reason="the mlx engine is not installed")
    from mlx.utils import tree_flatten

    # 96 inputs of a down projection are no multiple of 64.
    checkpoint, _ = saved(tmp_path / "a")
    said: list[str] = []
    other = requantized(checkpoint, 3, 64, said.append)
    assert "2 of 16 matrices stay dense, model.layers.0.mlp.down_proj.weight the first" in said[1]
    model, config = utils.load_model(checkpoint.folder)
    model, config = utils.quantize_model(model, config, 64, 3)
    expected = dict(tree_flatten(model.parameters()))
    on_mlx, read = utils.load_model(other.folder)
    found = dict(tree_flatten(on_mlx.parameters()))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(np.array(found[name]), np.array(values), name)
    assert read["quantization"] == config["quantization"]


def test_both_engines_run_it(tmp_path: Path) -> None:
    pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
    pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
    from evmlx.backends.mlx_backend import MLXBackend
    from evmlx.backends.torch_backend import TorchBackend

    checkpoint, _ = saved(tmp_path / "a", "bfloat16", tie_word_embeddings=True)
    rng = np.random.default_rng(7)
    batch = token_batch([Stimulus("stories", "a", rng.integers(3, 300, 20), 5, 20)])
    original = TorchBackend(checkpoint.folder).pooled_residuals(batch, (0, 1))
    moved = []
    for bits in (None, 8, 5, 3):
        folder = requantized(checkpoint, bits, 32, quiet).folder
        on_mlx = MLXBackend(folder)
        assert on_mlx.info.dtype == "float32"
        one, other = (e.pooled_residuals(batch, (0, 1)) for e in (on_mlx, TorchBackend(folder)))
        assert np.linalg.norm(one - other) < 2e-6 * np.linalg.norm(other)
        moved.append(np.linalg.norm(other - original) / np.linalg.norm(original))
    assert moved[0] == 0 and moved == sorted(moved) and moved[1] < 0.02 < moved[3]


def test_a_converted_gguf_file_becomes_dense_and_is_quantized_anew(tmp_path: Path) -> None:
    model = tiny("llama", num_hidden_layers=1)
    blocks = random_blocks("Q4_0", (96, 64), np.random.default_rng(0))
    path = write_gguf(tmp_path / "Tiny-Q4_0.gguf", model, {"blk.0.ffn_up.weight": blocks})
    checkpoint = replace(resolve(str(path), say=quiet), quantization="q4_0")
    dense = requantized(checkpoint, 0, 64, quiet)
    assert (dense.quantization, dense.run_name) == ("q4_0-dense", "tiny-q4_0-dense")
    assert dense == requantized(checkpoint, None, 32, quiet)
    assert "quantization" not in json.loads((dense.folder / "config.json").read_text())
    before, after = (loaded(c.folder).state_dict() for c in (checkpoint, dense))
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)

    anew = requantized(checkpoint, 8, 32, quiet)
    name = "model.layers.0.mlp.up_proj.weight"
    expected = dequantize(*quantize(before[name].numpy(), 8, 32), 8)
    np.testing.assert_array_equal(loaded(anew.folder).state_dict()[name], expected)
    # The folder, passed as a model, says what it is.
    again = resolve(str(anew.folder), say=quiet)
    assert (again.name, again.quantization) == ("Tiny", "8bit-g32")
    text = "the thing"
    assert load_tokenizer(again)(text).input_ids == load_tokenizer(checkpoint)(text).input_ids


def test_each_model_and_precision_is_written_once(tmp_path: Path) -> None:
    checkpoint, _ = saved(tmp_path / "a")
    said: list[str] = []
    found = [
        requantized(*each, said.append)
        for each in (
            (checkpoint, 4, 32),
            (checkpoint, 4, 32),
            (checkpoint, 8, 32),
            (replace(checkpoint, revision="another"), 4, 32),
            (checkpoint, None, 32),
            (checkpoint, 0, 64),
        )
    ]
    assert [c.revision for c in found].count(found[0].revision) == 2
    assert len({c.folder for c in found}) == len({c.revision for c in found}) == len(said) == 4
    assert found[4].quantization is None and found[4].run_name == "a"


def test_unused_output_matrices_are_left_out(tmp_path: Path) -> None:
    pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
    from mlx_lm.utils import load_model

    checkpoint, _ = saved(tmp_path / "a")
    config = json.loads((checkpoint.folder / "config.json").read_text())
    (checkpoint.folder / "config.json").write_text(
        json.dumps({**config, "tie_word_embeddings": True})
    )
    other = requantized(checkpoint, 4, 32, quiet)
    assert not [n for n in load_file(other.folder / "model.safetensors") if "lm_head" in n]
    load_model(other.folder)


@pytest.mark.parametrize(("bits", "group"), [(7, 64), (1, 64), (4, 16), (4, 0), (-4, 64)])
def test_other_bits_and_groups_are_refused(bits: int, group: int, tmp_path: Path) -> None:
    nowhere = Checkpoint("A", tmp_path, "folder", "a", "r", None, None)
    with pytest.raises(EvmlxError, match=f"{bits} bits in groups of {group}: choose bits from 2"):
        requantized(nowhere, bits, group, quiet)


def test_what_cannot_be_quantized_is_refused_by_name(tmp_path: Path, cache: Path) -> None:
    checkpoint, _ = saved(tmp_path / "a")
    path = checkpoint.folder / "config.json"
    config = json.loads(path.read_text())
    for fields, named in (
        ({"model_type": "qwen3_moe"}, "not for qwen3_moe: quantize it with mlx_lm.convert"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"is quantized \(gptq\)"),
    ):
        path.write_text(json.dumps({**config, **fields}))
        with pytest.raises(EvmlxError, match=named) as caught:
            requantized(checkpoint, 4, 32, quiet)
        assert "\n" not in str(caught.value)
    path.write_text(json.dumps(config))
    with pytest.raises(EvmlxError, match="no matrix has a multiple of 128 inputs"):
        requantized(checkpoint, 4, 128, quiet)
    assert not [p for p in (cache / "requantized").iterdir() if p.is_dir()]


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    import torch

    checkpoint, model = saved(tmp_path / "a")
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[3, 4] = torch.inf
    model.save_pretrained(checkpoint.folder)
    with pytest.raises(EvmlxError, match="up_proj.weight has a non-finite weight"):
        requantized(checkpoint, 4, 32, quiet)
