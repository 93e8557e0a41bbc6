"""Exported vectors, read back with the formats' own libraries; runs loaded for a notebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import evmlx
from evmlx.cli import cli
from evmlx.errors import EvmlxError

PUBLISHED = Path(__file__).parents[1] / "results" / "smollm2-135m-instruct-q4_1"


@pytest.fixture(scope="module")
def run() -> evmlx.LoadedRun:
    return evmlx.load_run(PUBLISHED)


def invoke(*words: object):
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_a_control_vector_reads_back_with_gguf(run: evmlx.LoadedRun, tmp_path: Path) -> None:
    from gguf import GGUFReader

    result = invoke("export", PUBLISHED, "--emotion", "joyful", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    (path,) = tmp_path.iterdir()
    assert result.output.strip() == str(path)
    reader = GGUFReader(path)
    assert reader.fields["general.architecture"].contents() == "controlvector"
    assert reader.fields["controlvector.model_hint"].contents() == "llama"
    assert {t.name for t in reader.tensors} == {f"direction.{layer}" for layer in run.layers}
    for tensor in reader.tensors:
        layer = int(tensor.name.partition(".")[2])
        assert tensor.tensor_type.name == "F32"
        np.testing.assert_array_equal(tensor.data, run.vector("joyful", layer))


def test_safetensors_read_back(run: evmlx.LoadedRun, tmp_path: Path) -> None:
    from safetensors import safe_open

    words = ("--format", "safetensors", "--layers", run.primary_layer, "--unit")
    assert invoke("export", PUBLISHED, *words, "--out", tmp_path).exit_code == 0
    with safe_open(next(tmp_path.iterdir()), "numpy") as file:
        assert file.metadata()["revision"] == run.record["model"]["revision"]
        assert len(file.keys()) == len(run.vectors.emotions)
        for emotion in run.vectors.emotions:
            found = file.get_tensor(f"layer_{run.primary_layer}__{emotion}")
            vector = run.vector(emotion)
            np.testing.assert_allclose(np.linalg.norm(found), 1, rtol=1e-6)
            np.testing.assert_allclose(found * np.linalg.norm(vector), vector, rtol=1e-5)


def test_mistyped_words_get_the_nearest_right_one(run: evmlx.LoadedRun, tmp_path: Path) -> None:
    result = invoke("export", PUBLISHED, "--emotion", "joyfull", "--out", tmp_path)
    assert result.exit_code == 1
    assert "did you mean 'joyful'?" in result.output
    result = invoke("export", PUBLISHED.with_name("smollm2-135m-instruct-q41"))
    assert f"did you mean {PUBLISHED}?" in result.output
    with pytest.raises(EvmlxError, match="did you mean 'probe_accuracy'"):
        run.metric("probe_acuracy")
    with pytest.raises(EvmlxError, match="did you mean 'stories'"):
        run.activations("storys")
    with pytest.raises(EvmlxError, match="layer 3 was not sampled: choose one of 8, 15, 19, 24"):
        run.vector("joyful", 3)


def test_block_zero_cannot_be_a_control_vector(run: evmlx.LoadedRun, tmp_path: Path) -> None:
    from evmlx.export import write_control_vector

    with pytest.raises(EvmlxError, match="block 0"):
        write_control_vector(tmp_path / "x.gguf", {0: run.vector("joyful")}, run)


def test_a_run_loads_with_its_results(run: evmlx.LoadedRun) -> None:
    assert run.primary_layer == 19
    row = run.metric("probe_accuracy")
    assert row["value"] == run.results["probe"]["layers"]["layer_19"]["grouped"]["accuracy"]
    assert run.vectors.denoised.shape == (4, 20, 576)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0, result.output
    assert "_EVMLX_COMPLETE" in result.output


def completions(*words: str) -> list[str]:
    from click.shell_completion import ShellComplete

    complete = ShellComplete(cli, {}, "evmlx", "_EVMLX_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_tab_offers_commands_runs_models_and_emotions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PUBLISHED.parents[1])
    assert completions("exp") == ["export"]
    assert "results/smollm2-135m-instruct-q4_1" in completions("geometry", "results/smol")
    assert completions("run", "--model", "smollm2") == ["smollm2-135m-instruct"]
    run = "results/smollm2-135m-instruct-q4_1"
    assert completions("export", run, "--emotion", "pa") == ["panicked", "paranoid"]
