"""`evmlx run` killed at any moment ends in the same bytes; Ctrl-C says how to go on."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
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


@pytest.mark.slow
def test_killed_ten_times_a_run_ends_in_the_same_bytes(inputs: list[str], tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("undisturbed", "disturbed")]
    for place in places:
        place.mkdir()
    start = time.monotonic()
    subprocess.run(command(inputs), cwd=places[0], check=True, capture_output=True)
    whole = time.monotonic() - start
    rng, killed = random.Random(11), 0
    for _ in range(10):
        process = subprocess.Popen(
            command(inputs), cwd=places[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(0.2, 0.8) * whole)
        killed += process.poll() is None
        process.kill()
        process.wait()
    assert killed >= 3  # the later ones may find everything done
    subprocess.run(command(inputs), cwd=places[1], check=True, capture_output=True)
    undisturbed, disturbed = (files(place / "results") for place in places)
    assert len(undisturbed) > 20
    assert disturbed.keys() == undisturbed.keys()
    assert [name for name in undisturbed if undisturbed[name] != disturbed[name]] == []


def test_ctrl_c_says_how_to_go_on(inputs: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*command(inputs), "--batch-tokens", "100"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("results/*/activations/*.shard")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was computed is kept; the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.glob("results/*/activations/*.shard"))
