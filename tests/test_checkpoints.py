"""What the user calls a model, and what is said when it cannot be had."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from evmlx import catalogue, hub
from evmlx.checkpoints import Checkpoint, cache_folder, load_tokenizer, resolve
from evmlx.cli import cli
from evmlx.errors import EvmlxError
from evmlx.model_folder import content_digest, license_of, quantization_of


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


def quiet(_line: str) -> None:
    pass


def save_model(folder: Path, shards: int = 1, config: dict[str, Any] | None = None) -> Path:
    """A folder that looks like a model; nobody loads its weights here."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = {}
    for i in range(1, shards + 1):
        file = "model.safetensors" if shards == 1 else f"model-{i:05d}-of-{shards:05d}.safetensors"
        save_file({f"w{i}": rng.normal(size=(40, 50)).astype(np.float32)}, folder / file)
        names[f"w{i}"] = file
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **(config or {})}))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def refusal(model: str | None, **options: Any) -> str:
    with pytest.raises(EvmlxError) as caught:
        resolve(model, **{"say": quiet, **options})
    message = str(caught.value)
    assert "\n" not in message
    return message


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


def test_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_model(tmp_path / "My-Model", shards=3)
    (folder / "README.md").write_text("---\nlicense: mit\ntags:\n- x\n---\n# Card\n")
    checkpoint = resolve(str(folder), say=quiet)
    assert checkpoint == Checkpoint(
        "My-Model", folder, "folder", str(folder), content_digest(folder), None, "mit"
    )
    monkeypatch.chdir(folder)
    here = resolve(".", say=quiet)
    assert (here.name, here.folder, here.revision) == ("My-Model", folder, checkpoint.revision)
    assert "--revision" in refusal(str(folder), revision="main")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json; it has model-00001"),
    "empty": (lambda f: [p.unlink() for p in f.iterdir()], "pass a folder with config.json"),
    "config": (lambda f: (f / "config.json").write_text("{"), "config.json cannot be read"),
    "config list": (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
    "shard": (
        lambda f: (f / "model-00002-of-00003.safetensors").unlink(),
        "lacks 1 of 3 weight files, model-00002-of-00003.safetensors",
    ),
    "index": (lambda f: (f / "model.safetensors.index.json").write_text("{}"), "index.json"),
    "truncated": (lambda f: cut(f / "model-00003-of-00003.safetensors"), "incomplete"),
    "not safetensors": (
        lambda f: (f / "model-00001-of-00003.safetensors").write_bytes(b"hello, world" * 9),
        "model-00001-of-00003.safetensors is damaged",
    ),
    "bin": (
        lambda f: (
            [p.unlink() for p in f.glob("*.safetensors")],
            (f / "pytorch_model.bin").touch(),
        ),
        "only pytorch_model.bin",
    ),
    "gguf inside": (
        lambda f: ([p.unlink() for p in f.iterdir()], (f / "a.Q4_K_M.gguf").touch()),
        "it has a.Q4_K_M.gguf: pass that file",
    ),
    "adapter": (
        lambda f: (
            [p.unlink() for p in f.glob("model*")],
            (f / "adapter_config.json").touch(),
            (f / "adapters.safetensors").touch(),
        ),
        "merge it into its base model",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_with_a_folder(case: str, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", shards=3)
    damage, named = BROKEN[case]
    damage(folder)
    message = refusal(str(folder))
    assert named in message and str(folder) in message


def test_digest_sees_every_kind_of_change_but_not_the_place(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "a", shards=2)
    first = content_digest(folder)
    assert content_digest(Path(shutil.copytree(folder, tmp_path / "b"))) == first
    seen = {first}
    weights = folder / "model-00002-of-00002.safetensors"
    for change in (
        lambda: (folder / "config.json").write_text("{}"),
        lambda: (folder / "tokenizer.json").write_text("[]"),
        lambda: weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0"),
        lambda: weights.rename(folder / "model-x.safetensors"),
    ):
        change()
        seen.add(content_digest(folder))
    assert len(seen) == 5


def test_digest_reads_little_of_large_files(tmp_path: Path) -> None:
    import time

    header = json.dumps({"w": {"dtype": "U8", "shape": [1 << 34], "data_offsets": [0, 1 << 34]}})
    with (tmp_path / "model.safetensors").open("wb") as file:  # sparse: 16 GB in name only
        file.write(len(header).to_bytes(8, "little") + header.encode())
        file.truncate(8 + len(header) + (1 << 34))
    start = time.perf_counter()
    content_digest(tmp_path)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, None),
        ({"quantization": {"bits": 4, "group_size": 64}}, "4bit"),
        ({"quantization": {"bits": 4, "mode": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"quantization": None, "quantization_config": None}, None),
    ],
)
def test_quantization_is_read_from_the_config(
    config: dict[str, Any], expected: str | None, tmp_path: Path
) -> None:
    assert quantization_of(config) == expected
    folder = save_model(tmp_path / "m", config=config)
    assert resolve(str(folder), say=quiet).quantization == expected


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ("---\nx: y\nlicense: other\nlicense_name: qwen\n---\ntext", "qwen"),
        ('---\r\nlicense: "mit"\r\n---\r\n', "mit"),
        ("# No front matter\nlicense: mit\n", None),
        ("---\ntags: []\n---\nlicense: mit\n", None),
    ],
)
def test_license_is_the_model_cards(card: str, expected: str | None, tmp_path: Path) -> None:
    assert license_of(tmp_path) is None
    (tmp_path / "README.md").write_bytes(card.encode())
    assert license_of(tmp_path) == expected


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
    wanted = filter_repo_objects(
        files, allow_patterns=asked["allow_patterns"], ignore_patterns=asked["ignore_patterns"]
    )
    assert set(wanted) == {name for name, kept in files.items() if kept}
    # The same snapshot, passed as a folder, is called by the model's name too.
    assert resolve(str(snapshot), say=quiet).name == "Qwen3-8B-4bit"


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


def cached_hub_model(hub_cache: Path, name: str, commit: str = "c" * 40) -> Path:
    repo = hub_cache / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    (repo / "blobs").mkdir()
    return save_model(repo / "snapshots" / commit)


def test_cached_hub_models_need_no_hub(hub_cache: Path) -> None:
    snapshot = cached_hub_model(hub_cache, "Org/Some-Model")
    assert hub.cached_models() == {"Org/Some-Model": snapshot}
    checkpoint = resolve("Org/Some-Model", say=quiet)
    assert (checkpoint.folder, checkpoint.revision) == (snapshot, "c" * 40)
    assert refusal("Org/Some-Modle").endswith("did you mean Org/Some-Model?")
    assert refusal("some-model").endswith("did you mean Org/Some-Model?")


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
    from gguf_files import write_gguf
    from test_gguf_convert import tiny

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
