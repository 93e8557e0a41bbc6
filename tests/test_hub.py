"""Hub models, with the hub replaced or out of reach."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from gguf_files import quiet
from model_folders import cached_hub_model, refusal, save_model

from evmlx.models import hub
from evmlx.models.checkpoints import Checkpoint, resolve


@pytest.fixture()
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and a hub that nobody answers for."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return folder


def test_hub_id_is_fetched_at_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}
    snapshot = save_model(
        tmp_path / "models--Qwen--Qwen3-8B-4bit" / "snapshots" / "c0ffee",
        config={"quantization": {"bits": 4, "group_size": 64}},
    )
    (snapshot / "README.md").write_text("---\nlicense: apache-2.0\n---\n")

    def download(repo: str, **options: Any) -> str:
        asked.update(options, repo=repo)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    said: list[str] = []
    checkpoint = resolve("Qwen/Qwen3-8B-4bit", revision="v1", say=said.append)
    assert checkpoint == Checkpoint(
        "Qwen3-8B-4bit",
        snapshot,
        "hub",
        "Qwen/Qwen3-8B-4bit",
        "c0ffee",
        "4bit",
        "apache-2.0",
    )
    assert len(said) == 1 and (asked["repo"], asked["revision"]) == ("Qwen/Qwen3-8B-4bit", "v1")
    # The same snapshot, passed as a folder, is called by the model's name too.
    assert resolve(str(snapshot), say=quiet).name == "Qwen3-8B-4bit"


def test_only_weights_and_texts_of_a_hub_model_are_wanted() -> None:
    from huggingface_hub.utils import filter_repo_objects

    files = {
        "config.json": True,
        "model-00001-of-00002.safetensors": True,
        "tokenizer.model": True,
        "merges.txt": True,
        "chat_template.jinja": True,
        "README.md": True,
        "pytorch_model.bin": False,
        "original/consolidated.00.pth": False,
        "original/params.json": False,
        "consolidated.safetensors": False,
        "model.gguf": False,
        "modeling_x.py": False,
    }
    wanted = filter_repo_objects(files, allow_patterns=hub.WANTED, ignore_patterns=hub.UNWANTED)
    assert set(wanted) == {name for name, kept in files.items() if kept}


def hub_error(kind: str, status: int) -> Exception:
    from huggingface_hub import errors

    # The hub's client is built on httpx, which newer ones carry under another name.
    base = errors.HfHubHTTPError.__bases__[0]
    client = importlib.import_module(base.__module__.partition(".")[0])
    request = client.Request("GET", "https://huggingface.co/api/models/a/b")
    response = client.Response(status, request=request)
    error: Exception = getattr(errors, kind)("long\ntext", response=response)
    return error


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (("GatedRepoError", 403), "gated: accept its licence at https://huggingface.co/a/b"),
        (("RepositoryNotFoundError", 404), "has no model 'a/b'"),
        (("RevisionNotFoundError", 404), "no revision 'v9'"),
        (("HfHubHTTPError", 500), "run the same command again"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
@pytest.mark.usefixtures("hub_cache")
def test_refusals_of_the_hub_are_one_line(
    error: Any, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    raised = hub_error(*error) if isinstance(error, tuple) else error

    def download(*_args: Any, **_options: Any) -> str:
        raise raised

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert named in refusal("a/b", revision="v9")


@pytest.mark.parametrize("name", ["", "a b", "two//slashes", "-x/y", "ünï/code"])
@pytest.mark.usefixtures("hub_cache")
def test_malformed_ids_are_refused_without_asking(name: str) -> None:
    if name.count("/") > 1:
        assert "no such file or folder" in refusal(name)
    else:
        assert "neither a file or folder here nor a hub id" in refusal(name)


@pytest.mark.usefixtures("hub_cache")
def test_unreachable_hub_names_what_is_near() -> None:
    message = refusal("Qwen/Qwen3-0.6B")
    assert "cannot be reached" in message and "smollm2-135m-instruct" in message
    assert "did you mean" not in message
    assert refusal("smollm2-135m-instuct").endswith("did you mean smollm2-135m-instruct?")
    assert refusal("google/gemma-3-270").endswith("did you mean gemma-3-270m?")


def test_cached_hub_models_need_no_hub(hub_cache: Path) -> None:
    snapshot = cached_hub_model(hub_cache, "Org/Some-Model")
    assert hub.cached_models() == {"Org/Some-Model": snapshot}
    checkpoint = resolve("Org/Some-Model", say=quiet)
    assert (checkpoint.folder, checkpoint.revision) == (snapshot, "c" * 40)
    assert refusal("Org/Some-Modle").endswith("did you mean Org/Some-Model?")
    assert refusal("some-model").endswith("did you mean Org/Some-Model?")
