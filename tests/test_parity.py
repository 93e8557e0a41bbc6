"""Parity of two measurements: arithmetic, run folders, and both engines where installed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from evmlx.cli.parity import parity as command
from evmlx.errors import EvmlxError
from evmlx.parity.causes import Probes, known_causes
from evmlx.parity.compare import FULL, HALF, compare, compare_runs, lines, relative_errors
from evmlx.parity.engines import Asked, compare_engines
from evmlx.store import Activations

IDS = tuple(f"{emotion}/t{i}/0" for emotion in ("calm", "fear", "joy") for i in range(4))


def measured(seed: int = 0, layers: tuple[int, ...] = (2, 5)) -> Activations:
    rng = np.random.default_rng(seed)
    pooled = rng.normal(size=(len(IDS), len(layers), 16)).astype(np.float32)
    return Activations(IDS, np.full(len(IDS), 9, np.int32), layers, pooled)


def changed(a: Activations, layer: int, text: int, by: float) -> Activations:
    """Move one text's residual at one layer by a share of its norm, at a right angle."""
    pooled = a.pooled.astype(np.float64)
    at = a.layers.index(layer)
    away = np.roll(pooled[text, at], 1)
    away -= away @ pooled[text, at] / (pooled[text, at] @ pooled[text, at]) * pooled[text, at]
    away *= by * np.linalg.norm(pooled[text, at]) / np.linalg.norm(away)
    pooled[text, at] += away
    return Activations(a.ids, a.tokens, a.layers, pooled.astype(np.float32))


def test_errors_are_relative_to_the_second_and_in_double_precision() -> None:
    a, b = np.array([[3.0, 4.0], [0, 0], [1, 0]]), np.array([[0, 5.0], [0, 0], [0, 0]])
    expected = [np.sqrt(10) / 5, 0.0, np.inf]
    np.testing.assert_allclose(relative_errors(a, b), expected, rtol=1e-15)
    huge = np.full((1, 4), 1e30, np.float32)
    np.testing.assert_allclose(relative_errors(2 * huge, huge), [1.0], rtol=1e-6)


def test_equal_measurements_pass_and_the_first_layer_apart_is_named() -> None:
    a = measured()
    same = compare([a], [a], ("one", "other"), FULL)
    assert same.passed and same.first_apart is None and same.texts == 12
    assert all(entry.worst == 0 and entry.cosine == pytest.approx(1) for entry in same.layers)
    apart = compare([changed(a, 5, 7, 2e-3)], [a], ("one", "other"), FULL)
    assert not apart.passed and apart.first_apart == 5
    assert apart.layers[0].passed and not apart.layers[1].passed
    assert apart.layers[1].worst == pytest.approx(2e-3, rel=1e-3)
    assert apart.layers[1].worst_text == IDS[7] and apart.layers[1].median == 0
    assert compare([changed(a, 5, 7, 9e-4)], [a], ("one", "other"), FULL).passed
    assert compare([changed(a, 5, 7, 2e-3)], [a], ("one", "other"), HALF).passed


def test_a_median_above_its_bound_fails_though_no_text_is_far_off() -> None:
    a = b = measured()
    for text in range(len(IDS)):
        b = changed(b, 2, text, 2e-4)
    result = compare([b], [a], ("one", "other"), FULL)
    assert result.first_apart == 2 and result.layers[0].worst < FULL.worst


def test_vectors_can_part_where_residuals_do_not() -> None:
    # A large mean common to all texts hides a change of the small differences between them.
    a = measured()
    base = Activations(a.ids, a.tokens, a.layers, a.pooled + np.float32(1e4))
    noise = np.random.default_rng(1).normal(scale=0.5, size=a.pooled.shape)
    other = Activations(a.ids, a.tokens, a.layers, (base.pooled + noise).astype(np.float32))
    result = compare([other], [base], ("one", "other"), FULL)
    assert all(e.worst < FULL.worst and (e.cosine or 1) < FULL.cosine for e in result.layers)
    assert not result.passed


def test_different_texts_are_not_compared() -> None:
    with pytest.raises(EvmlxError, match="do not hold the same texts"):
        compare([measured()], [measured(layers=(2, 6))], ("one", "other"), FULL)


def run_folder(path: Path, stories: Activations, **record: Any) -> Path:
    path.mkdir()
    arrays: dict[str, np.ndarray] = {"layers": np.array(stories.layers, np.int32)}
    arrays["stories__ids"], arrays["stories__tokens"] = np.array(stories.ids), stories.tokens
    for at, layer in enumerate(stories.layers):
        arrays[f"stories__layer_{layer}"] = stories.pooled[:, at]
    np.savez(path / "activations.npz", **arrays)  # type: ignore[arg-type]
    whole: dict[str, Any] = {
        "model": {"revision": "abc"},
        "corpus": {"digest": "def"},
        "stimuli": "ghi",
        "dtype": "float32",
    }
    (path / "run.json").write_text(json.dumps({**whole, **record}))
    return path


def test_run_folders_are_compared_at_their_common_layers(tmp_path: Path) -> None:
    wide = measured(layers=(2, 5, 7))
    narrow = Activations(IDS, wide.tokens, (5, 7), wide.pooled[:, 1:])
    a = run_folder(tmp_path / "a", wide)
    b = run_folder(tmp_path / "b", changed(narrow, 7, 3, 0.05))
    result = compare_runs(a, b)
    assert [entry.layer for entry in result.layers] == [5, 7] and result.first_apart == 7
    half = run_folder(tmp_path / "c", changed(narrow, 7, 3, 0.05), dtype="bfloat16")
    assert compare_runs(a, half).bounds == HALF and compare_runs(a, half).passed


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"model": {"revision": "xyz"}}, "differ in model.revision"),
        ({"corpus": {"digest": "xyz"}}, "differ in corpus.digest"),
        ({"stimuli": "xyz"}, "different token ids .* special tokens"),
    ],
)
def test_runs_of_different_things_are_refused(
    tmp_path: Path, record: dict[str, Any], message: str
) -> None:
    a = run_folder(tmp_path / "a", measured())
    b = run_folder(tmp_path / "b", measured(), **record)
    with pytest.raises(EvmlxError, match=message):
        compare_runs(a, b)


def test_special_tokens_are_named_where_every_story_is_longer_by_as_many(tmp_path: Path) -> None:
    stories = measured()
    longer = Activations(IDS, stories.tokens + 1, stories.layers, stories.pooled)
    a = run_folder(tmp_path / "a", longer)
    b = run_folder(tmp_path / "b", stories, stimuli="xyz")
    with pytest.raises(EvmlxError, match="1 more in every story of the first, as special tokens"):
        compare_runs(a, b)
    uneven = Activations(IDS, stories.tokens + np.arange(12), stories.layers, stories.pooled)
    c = run_folder(tmp_path / "c", uneven)
    with pytest.raises(EvmlxError, match="0 to 11 tokens more in a story"):
        compare_runs(c, b)


def test_the_command_exits_with_1_where_runs_part(tmp_path: Path) -> None:
    a = str(run_folder(tmp_path / "a", measured()))
    b = str(run_folder(tmp_path / "b", changed(measured(), 2, 0, 0.01)))
    good = CliRunner().invoke(command, [a, a])
    assert good.exit_code == 0 and good.output.splitlines()[-1].startswith("pass (bounds")
    bad = CliRunner().invoke(command, [a, b])
    assert bad.exit_code == 1 and f"apart ({IDS[0]})" in bad.output
    assert bad.output.splitlines()[-1].startswith("fail, first at layer 2")
    shown = json.loads(CliRunner().invoke(command, [a, b, "--json"]).output)
    assert shown["first_apart"] == 2 and shown["layers"][0]["worst_text"] == IDS[0]
    assert CliRunner().invoke(command, [a, a, a]).exit_code == 2


SMALL, LARGE = np.full(2, 1e-7), np.full(2, 5e-2)


def cause(config: dict[str, Any], **errors: Any) -> str:
    """The one cause named where the worst text is far apart, and its parts as given."""
    given = {"together": LARGE, "alone": LARGE, "one_token": LARGE, "cut": {2: LARGE, 8: LARGE}}
    (found,) = known_causes(Probes((3, 7), **{**given, **errors}), FULL, config)
    return found


def test_padding_is_named_where_the_text_alone_agrees() -> None:
    assert cause({}, alone=SMALL, one_token=SMALL).startswith("padding")


def test_the_rotary_base_is_named_where_two_tokens_are_apart_and_one_is_not() -> None:
    llama = {"model_type": "llama", "rope_theta": 1e4}
    assert "rotary base or scaling (rope_theta in" in cause(llama, one_token=SMALL)
    new = {"rope_parameters": {"rope_theta": 1e4}}
    assert "(rope_parameters in" in cause(new, one_token=SMALL)
    both = {"rope_theta": 5e5, "rope_parameters": {"rope_theta": 1e4}}
    assert "(rope_theta 500000, but 10000 in rope_parameters" in cause(both, one_token=SMALL)


def test_a_window_is_named_where_the_beginning_agrees() -> None:
    cut = {2: SMALL, 8: SMALL, 32: LARGE, 128: LARGE}
    named = cause({"sliding_window": 16}, one_token=SMALL, cut=cut)
    assert "window of 16" in named and "the first 8 tokens agree" in named


def test_an_error_just_under_the_bound_is_not_agreement() -> None:
    # Half of the error is there with one token: positions do not explain it.
    alone, one = np.full(2, 1.6e-4), np.full(2, 0.8e-4)
    assert "GELU" in cause({"model_type": "gpt_neox"}, together=alone, alone=alone, one_token=one)


def test_what_one_token_shows_is_no_matter_of_positions() -> None:
    named = cause({"model_type": "llama"}, one_token=np.array([1e-7, 5e-2]))
    assert "up to block 7" in named and "neither positions nor padding" in named
    assert "up to block 3" in cause({"model_type": "llama"})
    gemma = {"text_config": {"model_type": "gemma3_text", "hidden_size": 640}}
    # sqrt(640) = 25.2982 is 25.25 in bfloat16, whose steps are 1/8 there.
    named = cause(gemma, one_token=np.full(2, 1e-3))
    assert "sqrt(640) rounded to bfloat16 is 1.9e-03 off" in named
    assert "up to block 3" in cause(gemma)  # far more than the rounding


# Both engines on a tiny checkpoint.


@pytest.fixture
def engines() -> None:
    pytest.importorskip("mlx.core", reason="the mlx engine is not installed")
    pytest.importorskip("mlx_lm", reason="the mlx engine is not installed")
    pytest.importorskip("torch", reason="the torch engine is not installed")


def tiny(folder: Path, family: str, **changes: Any) -> str:
    from tiny_models import save_tiny

    return str(save_tiny(folder, family, max_position_embeddings=4096, **changes))


@pytest.mark.usefixtures("engines")
def test_both_engines_agree_on_real_stories(tmp_path: Path) -> None:
    result = compare_engines(Asked(tiny(tmp_path, "qwen2"), stories=20, layers="1,4"))
    assert result.passed and (result.a, result.b, result.texts) == ("mlx", "torch", 20)
    assert [entry.layer for entry in result.layers] == [1, 4]
    assert len(lines(result)) == 5


@pytest.fixture
def short(engines: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Compare six stories, cut to 40 to 60 tokens."""
    from evmlx import subject

    whole = subject.tokenize

    def cut(*given: Any) -> list[Any]:
        stories = [s for s in whole(*given) if s.kind == "stories"][:6]
        lengths = range(40, 64, 4)
        return [
            replace(s, ids=s.ids[:n], start=20, stop=n)
            for s, n in zip(stories, lengths, strict=True)
        ]

    monkeypatch.setattr(subject, "tokenize", cut)


def spoiled(model: str, **asked: Any) -> str:
    """The cause that a comparison names, which must fail."""
    result = compare_engines(Asked(model, stories=20, layers="0,4", **asked))
    assert not result.passed and result.first_apart == 0
    (cause,) = result.causes
    assert f"known cause: {cause}" in lines(result)
    return cause


@pytest.mark.usefixtures("short")
def test_a_wrong_rotary_base_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evmlx.backends.mlx_config.changes", lambda *_: {})
    cause = spoiled(tiny(tmp_path, "qwen2"))
    assert cause.startswith("rotary base or scaling (rope_parameters in config.json)")


@pytest.mark.usefixtures("short")
def test_a_config_that_names_two_rotary_bases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(tmp_path, "llama")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rope_theta": 500000.0}))
    assert compare_engines(Asked(model, stories=20, layers="0,4")).passed
    monkeypatch.setattr("evmlx.backends.mlx_config.changes", lambda *_: {})
    assert "(rope_theta 500000, but 10000 in rope_parameters in config.json)" in spoiled(model)


@pytest.mark.usefixtures("short")
def test_a_window_that_one_engine_leaves_out_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evmlx.backends.mlx_config.longest_text", lambda *_: None)
    cause = spoiled(tiny(tmp_path, "mistral", sliding_window=16))
    assert "window of 16" in cause and "the first 8 tokens agree" in cause


@pytest.mark.usefixtures("short")
def test_a_rounded_embedding_scale_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evmlx.backends.mlx_backend.exact_embedding_scale", lambda _: None)
    cause = spoiled(tiny(tmp_path, "gemma3_text", hidden_size=80))
    # sqrt(80) = 8.94427 is 8.9375 in bfloat16, whose steps are 1/16 there.
    assert cause.startswith("embedding scale: sqrt(80) rounded to bfloat16 is 7.6e-04 off")


@pytest.mark.usefixtures("short")
def test_padding_that_is_seen_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evmlx.backends import TokenBatch
    from evmlx.backends.mlx_backend import MLXBackend

    right = MLXBackend.pooled_residuals

    def on_the_left(self: Any, batch: TokenBatch, layers: Any) -> np.ndarray:
        """Move the padding to where a causal model sees it."""
        pad = batch.ids.shape[1] - batch.lengths
        ids, weights = (
            np.stack([np.roll(row, shift) for row, shift in zip(part, pad, strict=True)])
            for part in (batch.ids, batch.weights)
        )
        return right(self, TokenBatch(ids, batch.lengths, weights, batch.names), layers)

    monkeypatch.setattr(MLXBackend, "pooled_residuals", on_the_left)
    assert spoiled(tiny(tmp_path, "llama")).startswith("padding")


@pytest.mark.usefixtures("short")
def test_other_weights_are_found_and_their_block_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evmlx.backends import mlx_backend

    plain = mlx_backend.load

    def spoilt(*given: Any) -> Any:
        model, config = plain(*given)
        norm = model.layers[3].input_layernorm
        norm.weight = norm.weight * 1.1
        return model, config

    monkeypatch.setattr(mlx_backend, "load", spoilt)
    result = compare_engines(Asked(tiny(tmp_path, "llama"), stories=20, layers="0,2,3,4"))
    (cause,) = result.causes
    assert result.first_apart == 3 and "up to block 3" in cause
