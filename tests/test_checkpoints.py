"""What the user calls a model, and what is said when it cannot be had."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from gguf_files import quiet, tiny, write_gguf
from model_folders import cached_hub_model, refusal, save_model

from evmlx.cli import cli
from evmlx.errors import EvmlxError
from evmlx.models import catalogue, hub
from evmlx.models.checkpoints import Checkpoint, cache_folder, load_tokenizer, resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture()
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and a hub that nobody answers for."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return folder


def test_cache_folder_is_the_users_unless_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("EVMLX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "xdg"))
    if sys.platform == "linux":
        assert cache_folder() == cache / "xdg" / "evmlx"


@pytest.mark.parametrize(
    ("name", "quantization", "run"),
    [
        ("SmolLM2-135M-Instruct", "q4_1", "smollm2-135m-instruct-q4_1"),
        ("Qwen3-8B-4bit", "4bit", "qwen3-8b-4bit"),
        ("gemma-3-270m", None, "gemma-3-270m"),
        ("My model (v2)/x", None, "my-model-v2-x"),
    ],
)
def test_run_name(name: str, quantization: str | None, run: str) -> None:
    checkpoint = Checkpoint(name, Path(), "folder", name, "0", quantization, None)
    assert checkpoint.run_name == run


@pytest.mark.parametrize(
    "path", ["./nothing", "/no/such", "~/nothing", "some.gguf", "a/b/c", "model/", "C:\\models\\x"]
)
def test_a_path_that_does_not_exist_is_not_asked_of_the_hub(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "fetch", None)
    assert refusal(path) == f"no such file or folder: {path}"


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"x" * 100)
    assert "not a GGUF file" in refusal(str(path))
    path = tmp_path / "empty.gguf"
    path.touch()
    assert "not a GGUF file" in refusal(str(path))


def test_tokenizer_is_asked_for_where_it_is_missing(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m")
    checkpoint = resolve(str(folder), say=quiet)
    with pytest.raises(EvmlxError, match="cannot load the tokenizer"):
        load_tokenizer(checkpoint)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EvmlxError, match=r"has no tokenizer \(tokenizer.json\)"):
        load_tokenizer(checkpoint)


def test_models_are_listed(hub_cache: Path, cache: Path) -> None:
    snapshot = cached_hub_model(hub_cache, "Org/Some-Model")
    (snapshot / "README.md").write_text("---\nlicense: mit\n---\n")
    done = CliRunner().invoke(cli, ["models", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    by_name = {row["model"]: row for row in rows}
    assert [row["kind"] for row in rows[:3]] == ["embedded", "embedded", "cached"]
    assert by_name["Org/Some-Model"]["license"] == "mit"
    size = sum(path.stat().st_size for path in snapshot.iterdir())
    assert by_name["Org/Some-Model"]["size"] == size
    # 8.19e9 weights of 16 bits; 4-bit ones take 4.5 with scale and offset.
    assert by_name["Qwen/Qwen3-8B"]["size"] == 16_380_000_000
    assert by_name["mlx-community/Qwen3-8B-4bit"]["size"] == pytest.approx(4.6e9, rel=0.01)
    table = CliRunner().invoke(cli, ["models"]).output
    assert all(row["model"] in table for row in rows)
    assert "about 16.4 GB" in table and max(map(len, table.splitlines())) <= 110
    assert not cache.exists()


@pytest.mark.usefixtures("hub_cache")
def test_own_conversions_are_listed_and_usable(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "Mine-Q8_0.gguf", tiny("llama", num_hidden_layers=1))
    checkpoint = resolve(str(path), say=quiet)
    row = next(row for row in catalogue.list_models() if row.kind == "cached")
    assert row.note == "converted from Mine-Q8_0.gguf"
    again = resolve(row.model, say=quiet)
    assert (again.folder, again.name) == (checkpoint.folder, "Mine")


def test_listing_imports_no_engine() -> None:
    import subprocess

    code = (
        "import sys\n"
        "from evmlx.cli import cli\n"
        "cli(['models'], standalone_mode=False)\n"
        "heavy = {'torch', 'mlx', 'transformers', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
