"""`evmlx run` killed at any moment ends in the same bytes; Ctrl-C says how to go on."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from small_corpus import save_small_corpus
from tiny_models import save_tiny

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of a run that takes some seconds: 180 texts, a few of them a batch."""
    root = tmp_path_factory.mktemp("inputs")
    corpus = save_small_corpus(root / "corpus")
    model = save_tiny(root / "tiny", "llama", max_position_embeddings=4096)
    return ["--model", str(model), "--corpus", str(corpus), "--batch-tokens", "2000"]


def command(inputs: list[str]) -> list[str]:
    # The same words in each folder: the report prints them.
    return [sys.executable, "-m", "evmlx", "run", *inputs]


def files(folder: Path) -> dict[str, bytes]:
    """Every file by name; run.json without its timings, the lock left out."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "lock":
            content = path.read_bytes()
            if path.name == "run.json":
                record = json.loads(content)
                del record["timings"]
                content = json.dumps(record).encode()
            found[str(path.relative_to(folder))] = content
    return found


def written(place: Path) -> set[tuple[Path, int]]:
    """What a run has finished so far: its files but run.json, with their times."""
    found = set()
    for path in place.rglob("[!.]*"):
        if path.name not in ("run.json", "lock"):
            with suppress(FileNotFoundError):  # shards go when they are assembled
                found.add((path, path.stat().st_mtime_ns))
    return found


@pytest.mark.slow
def test_killed_ten_times_a_run_ends_in_the_same_bytes(inputs: list[str], tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("undisturbed", "disturbed")]
    for place in places:
        place.mkdir()
    subprocess.run(command(inputs), cwd=places[0], check=True, capture_output=True)
    rng, killed = random.Random(11), 0
    for _ in range(10):
        before = written(places[1])
        process = subprocess.Popen(
            command(inputs), cwd=places[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while written(places[1]) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.7))
        killed += process.poll() is None
        process.kill()
        process.wait()
    assert killed == 10
    subprocess.run(command(inputs), cwd=places[1], check=True, capture_output=True)
    undisturbed, disturbed = (files(place / "results") for place in places)
    assert len(undisturbed) > 20
    assert disturbed.keys() == undisturbed.keys()
    for name, content in undisturbed.items():
        assert disturbed[name] == content, name


def test_ctrl_c_says_how_to_go_on(inputs: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*command(inputs), "--batch-tokens", "100"],
        cwd=tmp_path,
        # Where the tests run in the background, the shell has SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("results/*/activations/*.shard")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)  # an impatient user
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was computed is kept; the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.glob("results/*/activations/*.shard"))
