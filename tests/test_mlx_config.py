"""What mlx-lm would misread in a config.json, and what it cannot compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evmlx.errors import EvmlxError
from evmlx.stimuli import token_batch

pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
pytest.importorskip("torch", reason="torch makes the tiny checkpoints")

from tiny_models import tiny_model  # noqa: E402
from tiny_texts import edit_config, relative, texts  # noqa: E402

from evmlx.backends import mlx_config  # noqa: E402
from evmlx.backends.mlx_backend import MLXBackend  # noqa: E402


def test_rotary_base_of_a_transformers_5_config_reaches_mlx_lm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evmlx.backends.torch_backend import TorchBackend

    tiny_model("qwen2").save_pretrained(tmp_path)  # rope_parameters, base 10000
    capsys.readouterr()
    batch = token_batch(texts())
    expected = TorchBackend(tmp_path).pooled_residuals(batch, range(5))
    right = MLXBackend(tmp_path).pooled_residuals(batch, range(5))
    notice = capsys.readouterr().err
    assert notice.count("\n") == 1 and "rope_theta=10000.0" in notice
    with monkeypatch.context() as patch:
        patch.setattr(mlx_config, "changes", lambda *_: {})
        wrong = MLXBackend(tmp_path).pooled_residuals(batch, range(5))
    assert relative(wrong, expected) > 1e-2
    assert relative(right, expected) < 1e-4
    edit_config(tmp_path, rope_theta=10000.0)
    again = MLXBackend(tmp_path).pooled_residuals(batch, range(5))
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(again, right)


def changes(**config: Any) -> dict[str, Any]:
    folder = Path("folder")
    return mlx_config.changes(config, mlx_config.arguments_class(config, folder), folder)


def test_configs_that_mlx_lm_reads_right_are_left_alone() -> None:
    from tiny_models import tiny_config

    for family in ("llama", "mixtral", "olmo2", "phi3"):
        assert changes(**json.loads(tiny_config(family).to_json_string(use_diff=False))) == {}


def test_gemma_3_has_a_rotary_base_for_each_kind_of_layer_also_inside_a_wrapper() -> None:
    text = {
        "model_type": "gemma3_text",
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 3e4},
        },
        "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 2,
    }
    wanted = {
        "rope_theta": 2e6,
        "rope_scaling": {"factor": 8.0, "type": "linear"},
        "rope_local_base_freq": 3e4,
        "sliding_window_pattern": 4,
    }
    assert changes(**text) == wanted
    wrapper = {"model_type": "gemma3", "text_config": text}
    assert changes(**wrapper) == wanted
    assert mlx_config.model_config(wrapper, wanted) == {"text_config": {**text, **wanted}}
    assert mlx_config.model_config(text, wanted) == wanted
    text["layer_types"] = ["sliding_attention", "full_attention", "full_attention"]
    with pytest.raises(EvmlxError, match="cannot alternate layer_types"):
        changes(**text)


def test_rotary_settings_that_mlx_lm_has_no_place_for_are_refused() -> None:
    two = {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
    with pytest.raises(EvmlxError, match="olmo3 has two rotary bases in rope_parameters"):
        changes(model_type="olmo3", rope_parameters=two)
    with pytest.raises(EvmlxError, match="glm rotates only 0.5 of each head"):
        changes(model_type="glm", partial_rotary_factor=0.5)


def test_a_text_longer_than_a_window_that_mlx_lm_leaves_out_is_refused(tmp_path: Path) -> None:
    tiny_model("gemma2", sliding_window=40).save_pretrained(tmp_path)
    backend = MLXBackend(tmp_path)
    backend.pooled_residuals(token_batch(texts((40, 8))), [1])
    with pytest.raises(EvmlxError, match="text text-1 has 41 tokens, but mlx-lm leaves out"):
        backend.pooled_residuals(token_batch(texts((3, 41))), [1])


def test_what_a_config_leaves_out_is_what_transformers_takes_for_it() -> None:
    # Real configs of the older kind leave fields at their defaults out; mlx-lm has its own.
    from transformers import CONFIG_MAPPING

    given = {"model_type": "stablelm", "hidden_size": 64, "num_attention_heads": 4}
    reference = CONFIG_MAPPING["stablelm"]()
    wanted = changes(**given)
    assert wanted["num_hidden_layers"] == reference.num_hidden_layers
    assert wanted["layer_norm_eps"] == reference.layer_norm_eps
    assert "hidden_size" not in wanted


@pytest.mark.parametrize("truncate", [True, False])
@pytest.mark.parametrize("factor", [None, 0.7])
def test_yarn_as_transformers_computes_it(truncate: bool, factor: float | None) -> None:
    from math import log

    from tiny_models import tiny_config
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    from evmlx.backends.mlx_rotary import yarn_periods

    yarn = {
        "rope_type": "yarn",
        "rope_theta": 5e4,
        "factor": 8.0,
        "original_max_position_embeddings": 128,
        "beta_fast": 16,
        "truncate": truncate,
        "attention_factor": factor,
    }
    config = tiny_config("llama", head_dim=64, rope_parameters=yarn)
    expected, attention = ROPE_INIT_FUNCTIONS["yarn"](config, "cpu")
    np.testing.assert_allclose(1 / yarn_periods(yarn, 5e4, 64), expected, rtol=1e-6)
    if factor is not None:
        scaling = changes(**config.to_dict())["rope_scaling"]
        assert scaling["mscale_all_dim"] == 0
        assert 0.1 * scaling["mscale"] * log(8) + 1 == pytest.approx(attention) == 0.7


def test_an_activation_function_that_mlx_lm_would_ignore_is_refused() -> None:
    with pytest.raises(EvmlxError, match="hidden_act is relu, and mlx-lm computes llama with silu"):
        changes(model_type="llama", hidden_act="relu")
    # Other names of the same function, and fields that mlx-lm reads.
    assert changes(model_type="olmo2", hidden_act="swish", **REQUIRED) is not None
    with pytest.raises(EvmlxError, match="scale_attn_by_inverse_layer_idx is True"):
        changes(model_type="gpt2", scale_attn_by_inverse_layer_idx=True)
    with pytest.raises(EvmlxError, match="clip_qkv is 8"):
        changes(model_type="olmoe", clip_qkv=8.0)


REQUIRED = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}


def test_layers_every_so_often_are_read_off_their_kinds() -> None:
    kinds = ["linear_attention", "linear_attention", "full_attention"] * 2
    assert changes(model_type="qwen3_next", layer_types=kinds)["full_attention_interval"] == 3
    with pytest.raises(EvmlxError, match="cannot alternate layer_types as qwen3_next"):
        changes(model_type="qwen3_next", layer_types=kinds[1:])


def test_rope_parameters_win_over_a_base_at_the_top_as_in_transformers() -> None:
    from transformers import CONFIG_MAPPING

    both = {**REQUIRED, "rope_theta": 5e5, "rope_parameters": {"rope_theta": 1e4}}
    whole = CONFIG_MAPPING["llama"].from_dict(dict(both))
    assert whole.rope_parameters["rope_theta"] == 1e4
    assert changes(model_type="llama", **both)["rope_theta"] == 1e4
