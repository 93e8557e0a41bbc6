"""Local model folders: what is wrong with them, and what is read from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf_files import quiet
from model_folders import refusal, save_model

from evmlx.models.checkpoints import Checkpoint, resolve
from evmlx.models.model_folder import content_digest, license_of, quantization_of


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
